// What a run does with the set that it chose: the file, its plan, the report.
import type { CurvePoint, PruneOptions, PruneResult, WrittenFile } from "./api.js";
import { quoted } from "./command.js";
import { alternativesIfAsked, deliverQuantized } from "./deliver-quantized.js";
import { Coalition } from "./game/coalition.js";
import { bytesToWrite, type Header } from "./header.js";
import { keptName, writePlanBeside } from "./keep-plan.js";
import { makePlan } from "./make-plan.js";
import type { RunFacts } from "./make-report.js";
import { measurePair } from "./measure-pair.js";
import { inputFiles } from "./objective.js";
import { measureBeyondSliding } from "./oracle.js";
import type { Weights } from "./quantize-from.js";
import { chosenOf } from "./race.js";
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
	const { choices, decided } = facts;
	const { disagreements } = decided;
	const chosen = chosenOf(decided);
	const plan = await makePlan(session, output, chosen, choices, decided, options);
	const planPath = options.plan ?? (output === undefined ? keptPlanPath(session.folder, keptName(plan)) : `${output}.plan.json`);
	const inputs = [...session.model.file.paths, ...inputFiles(options)];
	if (output !== undefined) {
		const written = await writeModel(session, output, plan, original, options);
		plan.timings = { ...session.timings };
		await writePlanBeside(session, output, plan, planPath, { overwrite: options.overwrite ?? false, inputs });
		plan.quantizedAlternatives = await alternativesIfAsked(session, plan.removed, output, original, options);
		const { speed, extras } = await measurePair(session, plan.removed, output, options);
		plan.speed = speed;
		if (plan.quantizedAlternatives || plan.speed) {
			plan.timings = { ...session.timings };
			await writePlanBeside(session, output, plan, planPath, { overwrite: true, inputs });
		}
		const { timings } = session;
		return {
			...{ model: facts.model, plan, planPath, output: written, curve, objective: session.objective, disagreements },
			...(await reportRun(facts, { plan, output: written, timings, extras }, run, options)),
			...{ commands: [], seconds: (Date.now() - run.started) / 1000 },
		};
	}
	plan.quantizedAlternatives = await alternativesIfAsked(session, plan.removed, undefined, original, options);
	const { speed, extras } = await measurePair(session, plan.removed, undefined, options);
	plan.speed = speed;
	const keptAmongRuns = options.plan === undefined;
	await writePlan(planPath, plan, { overwrite: keptAmongRuns || (options.overwrite ?? false), inputs });
	return finish(
		session,
		{
			...{ plan, planPath, curve, disagreements },
			commands: [`prune-gguf apply ${quoted(session.model.path)} OUTPUT.gguf --plan ${quoted(planPath)}`],
			...(await reportRun(facts, { plan, timings: session.timings, extras }, run, options)),
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
	options: PruneOptions,
): Promise<WrittenFile> {
	const { removed } = plan;
	const { file } = session.model;
	const expected = await expectationOf(session, removed, options);
	if (options.quantize === undefined) {
		await session.close();
		return session.timed("write", () => writePruned(file, output, removed, session.sha256, expected, options));
	}
	const made = await deliverQuantized(session, output, removed, options.quantize, expected, original, options);
	plan.quantized = made.quantized;
	return made.output;
}

/** What the written file must compute. */
async function expectationOf(session: Session, removed: readonly number[], options: PruneOptions): Promise<Expectation> {
	const { report } = session.texts;
	const windows = session.calibration.folds.report;
	return {
		windows,
		losses: await measureOne(report, Coalition.ofRemoved(report.players, removed), "figures", options.signal),
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
