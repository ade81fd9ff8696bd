// What a run does with the set that it chose: the file, its plan, the report.
import type { PruneResult, WrittenFile } from "../../api/index.js";
import { quoted } from "../preflight/command-line.js";
import { checkGate, checkHealed, type GateCheck } from "../gate/verdict.js";
import { fileCheck } from "../gate/written-file.js";
import { figuresOfHealed, planHealed } from "../healing/of-session.js";
import { alternativesIfAsked, deliverQuantized } from "./quantized.js";
import type { Gate } from "../gate/gate.js";
import { Coalition } from "../../game/coalition.js";
import { bytesToWrite, type Header } from "../preflight/model-header.js";
import { bytesToHeal } from "../preflight/heal-disk.js";
import type { Healing } from "../healing/heal-model.js";
import { whileHealed } from "../../model/fitting/standing.js";
import type { HealedTensor } from "../../model/fitting/tensors.js";
import { logger } from "../../api/logger.js";
import { keptName, writePlanBeside } from "../planning/keep.js";
import { measurePair } from "./measure-pair.js";
import { inputFiles } from "../preflight/objective.js";
import { measureBeyondSliding } from "../writing/zeroed-oracle.js";
import type { Weights } from "../writing/quantize-weights.js";
import { type Run, reportRun } from "../reporting/run.js";
import { measureOne, type Session, summarize } from "../session/session.js";
import { type Plan, writePlan } from "../../storage/plan.js";
import type { PlanGate } from "../../storage/plan-gate.js";
import type { Quantized } from "../../storage/plan-quantized.js";
import { keptPlanPath } from "../../storage/runs.js";
import { type Expectation, writePruned } from "../writing/write-pruned.js";
import { bytesToQuantize } from "../writing/write-quantized.js";
import type { RunFacts } from "../reporting/facts.js";
import { curveOf } from "../race/curve.js";
import type { Decision } from "./decision.js";
import type { PruneJob } from "../preflight/job.js";
import type { HealSettings, QuantizeSettings } from "../../api/options/settings.js";

/**
 * Bytes that must be free to write the model without blocks, as {@link bytesToWrite} says, healed and quantised where that is asked
 * for.
 */
export function bytesToDeliver(header: Header, removed: number | readonly number[], options: HealSettings & QuantizeSettings): number {
	const { quantize } = options;
	const written = quantize === undefined ? bytesToWrite(header, removed) : bytesToQuantize(header, removed, quantize);
	return written + bytesToHeal(header, removed, options);
}

/** Writes what was asked for: the model and its plan where there is an output, else the plan alone. */
export async function deliver(
	session: Session,
	output: string | undefined,
	facts: RunFacts,
	decision: Decision,
	original: Weights | undefined,
	gate: Gate | undefined,
	options: PruneJob,
	run: Run,
): Promise<PruneResult> {
	const { choices, decided } = facts;
	const { disagreements } = decided;
	const curve = curveOf(decided);
	const { plan, healing } = await planHealed(session, output, { choices, ...decision }, options);
	const check = gate && { gate, session, output, choices, decided, options };
	if (check && !laterGate(options)) plan.gate = await judge(check, plan.removed, healing);
	const planPath = options.plan ?? (output === undefined ? keptPlanPath(session.folder, keptName(plan)) : `${output}.plan.json`);
	const inputs = [...session.model.file.paths, ...(original?.file.paths ?? []), ...inputFiles(options)];
	if (output !== undefined) {
		const made = await writtenModel(session, output, plan, { original, check, healing, judged: plan.gate }, options, run);
		const { output: written, quantized } = made;
		if (quantized) plan.quantized = quantized;
		plan.gate = made.gate ?? plan.gate;
		plan.timings = { ...session.timings };
		await writePlanBeside(session, output, plan, planPath, { overwrite: run.own?.isThere || (options.overwrite ?? false), inputs });
		plan.quantizedAlternatives = await unlessStopped(options, () =>
			alternativesIfAsked(session, plan.removed, output, original, healing, options),
		);
		const { speed, extras } = await measurePair(session, plan.removed, output, options);
		plan.speed = speed;
		if (plan.quantizedAlternatives || plan.speed) {
			plan.timings = { ...session.timings };
			await writePlanBeside(session, output, plan, planPath, { overwrite: true, inputs });
		}
		const { timings } = session;
		const report = await reportRun(facts, { plan, output: written, timings, extras }, run, options);
		await run.own?.done();
		return {
			...{ model: facts.model, plan, planPath, output: written, curve, objective: session.objective, disagreements },
			...report,
			...{ commands: [], seconds: (Date.now() - run.started) / 1000 },
		};
	}
	plan.quantizedAlternatives = await alternativesIfAsked(session, plan.removed, undefined, original, healing, options);
	const { speed, extras } = await measurePair(session, plan.removed, undefined, withoutTexts(healing, options));
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

/** As an earlier run of the same command wrote it, or written now. */
async function writtenModel(
	session: Session,
	output: string,
	{ removed }: Plan,
	context: WriteContext,
	options: PruneJob,
	{ own }: Run,
): Promise<Written> {
	// As it was kept below, by an earlier run.
	const before = own?.made(removed) as Written | undefined;
	if (!before) {
		const onVerified = own && ((temporary: string, made: Written) => own.keep(session.folder, temporary, removed, made));
		return writeModel(session, output, removed, { ...context, onVerified }, options);
	}
	await session.close();
	return before;
}

/**
 * The gate on the set, healed where it was, before it is written.
 * @throws GateNotMetError
 */
export async function judge(check: GateCheck, removed: readonly number[], healing: Healing | undefined): Promise<PlanGate> {
	if (!healing?.section.applied) return checkGate(check, removed);
	return checkHealed(check, removed, await figuresOfHealed(check.session, check.gate, "report", removed, healing));
}

/** Texts are written by the loaded model under its mask where no file was written: it has the file's own matrices, not the healed ones. */
function withoutTexts(healing: Healing | undefined, options: PruneJob): PruneJob {
	if (!healing?.section.applied || !options.samples) return options;
	logger(options)("note", "texts of the healed model are drawn from its file: none without an output");
	return { ...options, samples: 0 };
}

/** What is measured after the model was written: an interruption then is a warning. */
async function unlessStopped<T>(options: PruneJob, work: () => Promise<T>): Promise<T | undefined> {
	try {
		return await work();
	} catch (error) {
		if (!options.signal?.aborted) throw error;
		logger(options)("warning", "quantised alternatives were not measured: interrupted. The model is written and verified");
		return undefined;
	}
}

/** Whether the gate is asked of the written file alone: its weights are not those that the mask is measured with. */
export const laterGate = ({ quantizeFrom, quantize }: PruneJob) => quantizeFrom !== undefined && quantize !== undefined;

/** A model that was written. */
export interface Written {
	readonly output: WrittenFile;
	readonly quantized?: Quantized;
	/** Of the file, where it was quantised and limits were given. */
	readonly gate?: PlanGate | undefined;
}

/** What is written, and what is asked of it. */
export interface WriteContext {
	readonly original?: Weights | undefined;
	readonly check?: GateCheck | undefined;
	/** New matrices, which are written in the place of the file's own. */
	readonly healing?: Healing | undefined;
	/** What the limits said of the set before it was written. */
	readonly judged?: PlanGate | undefined;
	/** Called with the verified file before it gets its name. */
	readonly onVerified?: ((temporary: string, made: Written) => Promise<void>) | undefined;
}

/** Writes the model and proves it. The session is closed for that: one model is in memory at a time. */
export async function writeModel(
	session: Session,
	output: string,
	removed: readonly number[],
	{ original, check, healing, judged, onVerified }: WriteContext,
	options: PruneJob,
): Promise<Written> {
	const { file } = session.model;
	const tensors = healing?.tensors ?? [];
	const expected = await whileHealed(session.model, tensors, () => expectationOf(session, removed, tensors, options));
	if (options.quantize === undefined) {
		await session.close();
		return {
			output: await session.timed("write", () => writePruned(file, output, removed, session.sha256, expected, { ...options, onVerified })),
		};
	}
	const asked = await fileCheck(check, removed, options, tensors.length > 0 ? judged?.figures : undefined);
	const withGate = onVerified && ((temporary: string, made: Written) => onVerified(temporary, { ...made, gate: asked?.verdict() }));
	const writing = { ...options, onVerified: withGate };
	const made = await deliverQuantized(session, output, removed, options.quantize, expected, original, writing, asked?.check);
	return { ...made, gate: asked?.verdict() };
}

/** What the written file must compute. */
async function expectationOf(
	session: Session,
	removed: readonly number[],
	tensors: readonly HealedTensor[],
	options: PruneJob,
): Promise<Expectation> {
	const { report } = session.texts;
	const windows = session.calibration.folds.report;
	const mask = Coalition.ofRemoved(report.players, removed);
	const healed = tensors.length > 0 ? tensors : undefined;
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
