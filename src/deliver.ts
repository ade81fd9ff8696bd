// What a run does with the set that it chose: the file, its plan, the report.
import type { CurvePoint, PruneOptions, PruneResult, WrittenFile } from "./api.js";
import { quoted } from "./command.js";
import { planHealed } from "./deliver-healed.js";
import { alternativesIfAsked, deliverQuantized } from "./deliver-quantized.js";
import { Coalition } from "./game/coalition.js";
import { bytesToWrite, type Header } from "./header.js";
import type { Healing } from "./heal-model.js";
import { restore } from "./healing/heal.js";
import { keptName, writePlanBeside } from "./keep-plan.js";
import type { RunFacts } from "./make-report.js";
import { inputFiles } from "./objective.js";
import { measureBeyondSliding } from "./oracle.js";
import type { Weights } from "./quantize-from.js";
import { type Run, reportRun } from "./run-report.js";
import { measureOne, type Session, summarize } from "./session.js";
import { type Plan, writePlan } from "./storage/plan.js";
import { keptPlanPath } from "./storage/runs.js";
import { type Expectation, writePruned } from "./write.js";
import { bytesToQuantize } from "./write-quantized.js";

/** Bytes that must be free to write the model without blocks, as {@link bytesToWrite} says, and quantised where that is asked for. */
export function bytesToDeliver(header: Header, removed: number | readonly number[], { quantize }: PruneOptions): number {
	return quantize === undefined ? bytesToWrite(header, removed) : bytesToQuantize(header, removed, quantize);
}

/** Writes what was asked for: the model and its plan where there is an output, else the plan alone. */
export async function deliver(
	session: Session,
	output: string | undefined,
	facts: RunFacts,
	curve: CurvePoint[],
	original: Weights | undefined,
	options: PruneOptions,
	run: Run,
): Promise<PruneResult> {
	const { disagreements } = facts.decided;
	const { plan, healing } = await planHealed(session, output, facts, options);
	const planPath = options.plan ?? (output === undefined ? keptPlanPath(session.folder, keptName(plan)) : `${output}.plan.json`);
	const inputs = [...session.model.file.paths, ...inputFiles(options)];
	if (output !== undefined) {
		const written = await writeModel(session, output, plan, original, healing, options);
		plan.timings = { ...session.timings };
		await writePlanBeside(session, output, plan, planPath, { overwrite: options.overwrite ?? false, inputs });
		plan.quantizedAlternatives = await alternativesIfAsked(session, plan.removed, output, original, options);
		if (plan.quantizedAlternatives) {
			plan.timings = { ...session.timings };
			await writePlanBeside(session, output, plan, planPath, { overwrite: true, inputs });
		}
		const { timings } = session;
		return {
			...{ model: facts.model, plan, planPath, output: written, curve, objective: session.objective, disagreements },
			...(await reportRun(facts, { plan, output: written, timings }, run, options)),
			...{ commands: [], seconds: (Date.now() - run.started) / 1000 },
		};
	}
	await restore(session.model, healing?.tensors ?? []);
	plan.quantizedAlternatives = await alternativesIfAsked(session, plan.removed, undefined, original, options);
	const keptAmongRuns = options.plan === undefined;
	await writePlan(planPath, plan, { overwrite: keptAmongRuns || (options.overwrite ?? false), inputs });
	return finish(
		session,
		{
			...{ plan, planPath, curve, disagreements },
			commands: [`prune-gguf apply ${quoted(session.model.path)} OUTPUT.gguf --plan ${quoted(planPath)}`],
			...(await reportRun(facts, { plan, timings: session.timings }, run, options)),
		},
		run,
	);
}

/** Writes the model and proves it. The session is closed for that: one model is in memory at a time. */
async function writeModel(
	session: Session,
	output: string,
	plan: Plan,
	original: Weights | undefined,
	healing: Healing | undefined,
	options: PruneOptions,
): Promise<WrittenFile> {
	const { removed } = plan;
	const { file } = session.model;
	const expected = await expectationOf(session, removed, healing, options);
	// What else is measured is of the model as it is.
	await restore(session.model, healing?.tensors ?? []);
	if (options.quantize === undefined) {
		await session.close();
		return session.timed("write", () => writePruned(file, output, removed, session.sha256, expected, options));
	}
	const made = await deliverQuantized(session, output, removed, options.quantize, expected, original, options);
	plan.quantized = made.quantized;
	return made.output;
}

/** What the written file must compute. */
async function expectationOf(
	session: Session,
	removed: readonly number[],
	healing: Healing | undefined,
	options: PruneOptions,
): Promise<Expectation> {
	const { report } = session.texts;
	const windows = session.calibration.folds.report;
	const mask = Coalition.ofRemoved(report.players, removed);
	const healed = healing && healing.tensors.length > 0 ? healing.tensors : undefined;
	// The ledger knows the model as it is.
	const measured = healed && (await session.evaluator.evaluate([mask], windows, { signal: options.signal }));
	return {
		...{ windows, healed },
		losses: measured?.[0]?.losses ?? (await measureOne(report, mask, "figures", options.signal)),
		long: await measureBeyondSliding(session.model, session.evaluator, removed, windows, options),
		threads: session.evaluator.threads,
		ubatch: session.evaluator.ubatch,
		exact: session.settings.backend === "CPU",
	};
}

type Finished = Omit<PruneResult, "model" | "objective" | "disagreements" | "seconds"> & Partial<Pick<PruneResult, "disagreements">>;

/** The result of a run that wrote no model. */
export function finish(session: Session, result: Finished, { started }: Run): PruneResult {
	return {
		model: summarize(session.model),
		objective: session.objective,
		disagreements: [],
		...result,
		seconds: (Date.now() - started) / 1000,
	};
}
