// Speed, memory and texts of the source and of what was made of it: measured when all else is done, for the plan and the report.
import { InvalidOptionError, PruneGgufError } from "../../errors.js";
import type { ContinuationPair } from "../../model/evaluation/collapse.js";
import { drawPairs } from "../../model/evaluation/continuations.js";
import { Coalition } from "../../game/coalition.js";
import { GgufFile } from "../../model/gguf/index.js";
import { logger } from "../../api/logger.js";
import type { ReportExtras } from "../../report/report-data.js";
import { speedData, textSections } from "../reporting/speed-and-texts.js";
import { formatSpeedup } from "../../report/format.js";
import { loadAsRead, machineSeen } from "../../model/runtime/load-model.js";
import { bytesElsewhere, placementAsBefore, placementFor } from "../../model/runtime/place.js";
import { type Placement, placementWithout } from "../../model/runtime/placement.js";
import { keptBlocks } from "../writing/write-pruned.js";
import { availableMemory, neededMemory } from "../../model/runtime/memory.js";
import { runSpeed } from "../../model/runtime/speed.js";
import type { Model } from "../../model/runtime/model.js";
import { timedIn } from "../session/timings.js";
import type { Remains } from "./remains.js";
import { contextOf, isTimedInMemory, type SideModel, speedOf, speedPhase, speedSide } from "../speed/speed.js";
import { probeWithin, secondsOfShape, shapeWithin } from "../speed/figures.js";
import type { PlanSpeed } from "../../storage/plan-speed.js";
import { asksToHeal } from "../preflight/heal-options.js";
import { reportTargets } from "../preflight/output-files.js";
import type { JobOptions } from "../../api/index.js";
import type {
	AmountSettings,
	ContextSettings,
	HealSettings,
	LoadSettings,
	QuantizeSettings,
	ReportSettings,
	Settings,
} from "../../api/options/settings.js";

/** What is measured of both, and how both are run. */
export type PairSettings = Pick<Settings<"prune">, "speed" | "samples"> &
	Pick<AmountSettings, "targetSpeedup" | "speedupOf"> &
	ContextSettings &
	Pick<QuantizeSettings, "quantize"> &
	HealSettings &
	ReportSettings &
	LoadSettings;

/** Prompts where a model is written and nothing else is said, beside a chat turn. */
const usualSamples = 4;
/** Prompts at most. */
export const mostSamples = 64;
/** What progress says while both models write. */
export const textsPhase = "writing sample texts";
/** What measuring the speed in the main job should take at most, seconds. */
export const speedSeconds = 16;
/** Rounds that these are divided into: later ones follow only while the intervals are wide. */
const speedRounds = 2;

/** @throws InvalidOptionError */
export function checkSamples({ samples }: Pick<PairSettings, "samples">): void {
	if (samples !== undefined && !(Number.isInteger(samples) && samples >= 0 && samples <= mostSamples))
		throw new InvalidOptionError(`samples must be a whole number from 0 to ${mostSamples}, got ${samples}`);
}

export interface MeasuredPair {
	readonly speed?: PlanSpeed | undefined;
	/** Sections of the report. */
	readonly extras: ReportExtras;
	/** Whether the signal ended it after the model was written. */
	readonly interrupted?: true | undefined;
}

/** What is asked for: speed and texts where a model is written, otherwise where they are named. */
export function wanted(
	output: string | undefined,
	{ speed, samples, targetSpeedup }: Pick<PairSettings, "speed" | "samples" | "targetSpeedup">,
): { speed: boolean; samples: number } {
	const written = output !== undefined;
	return { speed: speed ?? (written || targetSpeedup !== undefined), samples: samples ?? (written ? usualSamples : 0) };
}

/** What is measured. */
export interface PairJob {
	readonly removed: readonly number[];
	/** The written file, verified; the session is closed then. */
	readonly output: string | undefined;
	/** The source, where it is open: where no file was written. */
	readonly model?: Model | undefined;
}

/**
 * Measures the whole source beside the written file, or beside itself without these blocks where none was written. What was asked for is
 * delivered by then, so that a failure is a warning.
 */
export async function measurePair(remains: Remains, job: PairJob, options: PairSettings): Promise<MeasuredPair> {
	const { removed, output } = job;
	const ask = wanted(output, options);
	if (removed.length === 0 || (!ask.speed && ask.samples === 0)) return { extras: {} };
	const windows = remains.windows.count;
	if (ask.samples > windows)
		logger(options)("note", `the held-out split has prompts for ${windows} samples, not for ${ask.samples}: raise --windows for more`);
	const written = output !== undefined;
	const { timings } = remains;
	let interrupted: true | undefined;
	const onStopped = () => {
		interrupted = true;
	};
	const stoppable = written ? onStopped : undefined;
	const measured = await attempt(
		"speed and samples were",
		options,
		() =>
			withSides(remains, job, options, async (sides) => {
				const measureSpeed = () => timedIn(timings, "speed", () => quickSpeed(sides, remains, options));
				const speed =
					ask.speed && canTime(sides, output, options) ? await attempt("the speed was", options, measureSpeed, stoppable) : undefined;
				const draw = () => timedIn(timings, "samples", () => drawTexts(sides, ask.samples, remains, options));
				const pairs = ask.samples > 0 ? await attempt("samples were", options, draw, stoppable) : undefined;
				if (speed) warnOfTarget(speed, options);
				return { speed, extras: { ...speedExtras(speed), ...textExtras(pairs ?? [], output, options) } };
			}),
		stoppable,
	);
	return { ...(measured ?? { extras: {} }), ...(interrupted ? { interrupted } : {}) };
}

/** Whether the speed of the second side is that of its file; says why not. */
function canTime({ after }: BothSides, output: string | undefined, options: JobOptions): boolean {
	if (isTimedInMemory(after.removed ?? [])) return true;
	const why = "attention parts that are hidden in memory still take their time";
	if (output === undefined)
		logger(options)("note", `the speed was not measured: it needs the written file, because ${why}. Give an output path`);
	else
		logger(options)("warning", `the speed was not measured: the original and the written file do not fit into memory together, and ${why}`);
	return false;
}

/**
 * What fails here is a warning: a model that gives no finite logits writes no text, but has a speed. So is an interruption where the model
 * is written already.
 * @param onStopped called for such an interruption; undefined where no model is written, and the job is to reject
 */
export async function attempt<T>(
	what: string,
	options: JobOptions,
	work: () => Promise<T>,
	onStopped: (() => void) | undefined,
): Promise<T | undefined> {
	try {
		return await work();
	} catch (error) {
		if (options.signal?.aborted && onStopped) {
			logger(options)(
				"warning",
				`${what} not measured: interrupted. The model is written and verified; the same command measures the rest`,
			);
			onStopped();
			return undefined;
		}
		options.signal?.throwIfAborted();
		if (!(error instanceof PruneGgufError)) throw error;
		logger(options)("warning", `${what} not measured, nothing else is lost: ${error.message}`);
		return undefined;
	}
}

interface BothSides {
	readonly before: SideModel;
	readonly after: SideModel;
}

/**
 * Loads what must be: both files where memory holds them, else the source with its blocks masked. On devices each block of the written file is
 * where it is in the source: otherwise the speed of two placements would be compared.
 */
async function withSides(
	{ weights, threads }: Remains,
	{ removed, output, model }: PairJob,
	options: PairSettings,
	work: (sides: BothSides) => Promise<MeasuredPair>,
): Promise<MeasuredPair> {
	if (output === undefined) return work({ before: { model: model! }, after: { model: model!, removed } });
	const file = await GgufFile.read(output);
	const load = (path: string, header: GgufFile, placement: Placement) =>
		loadAsRead({ path, file: header }, { ...options, threads, placement });
	const room = async () => ({ seen: await machineSeen(options), host: availableMemory() });
	const before = await room();
	const placement = placementFor(weights.file, {}, before, options);
	const kept = keptBlocks(weights.blocks, removed, placement.blocks);
	const inMemory = (one: GgufFile, where: Placement) => neededMemory(one).total - bytesElsewhere(one, where, before.seen);
	const both = inMemory(weights.file, placement) + inMemory(file, placementWithout(placement, kept)) <= before.host;
	// A mask computes what the file does only where no weight was changed.
	const masks = options.quantize === undefined && !asksToHeal(options);
	const refuse = () => {
		logger(options)("warning", "speed and samples were not measured: the original and the written file do not fit into memory together");
		return { extras: {} };
	};
	if (!both && !masks) return refuse();
	const source = await load(weights.path, weights.file, placement);
	try {
		const beside = both ? placementAsBefore(file, {}, await room(), { before: placement, kept }) : undefined;
		if (!beside) return masks ? await work({ before: { model: source }, after: { model: source, removed } }) : refuse();
		const written = await load(output, file, beside);
		try {
			return await work({ before: { model: source }, after: { model: written } });
		} finally {
			await written.dispose();
		}
	} finally {
		await source.dispose();
	}
}

/** As much as fits a few seconds on this machine, and as much again if the ratios are not clear. */
async function quickSpeed(sides: BothSides, { threads }: Remains, options: PairSettings): Promise<PlanSpeed> {
	const { signal } = options;
	const { facts } = sides.before.model;
	const context = options.context ?? contextOf(sides.before.model);
	options.progress?.work({ phase: speedPhase, done: 0, total: 100, unit: "percent" });
	const [probe] = await runSpeed([speedSide(sides.before)], { ...probeWithin(facts.contextLength), context, threads, signal });
	const shape = shapeWithin(probe!, speedSeconds / speedRounds, 2, facts.contextLength);
	// A model that is too slow for that is measured once.
	const most = speedRounds * secondsOfShape(probe!, shape, 2, facts.contextLength) > speedSeconds ? 1 : speedRounds;
	return speedOf(sides, { shape, context, threads, most }, options);
}

function drawTexts(
	{ before, after }: BothSides,
	prompts: number,
	{ windows, seed }: Remains,
	options: JobOptions,
): Promise<ContinuationPair[]> {
	const { removed } = after;
	const tell = (fraction: number) =>
		options.progress?.work({ phase: textsPhase, done: Math.round(100 * fraction), total: 100, unit: "percent" });
	tell(0);
	const mask = removed && Coalition.ofRemoved(after.model.facts.blocks, removed);
	return drawPairs(
		{ model: before.model },
		{ model: after.model, mask },
		{ windows, prompts, seed, signal: options.signal, onProgress: tell },
	);
}

function speedExtras(speed: PlanSpeed | undefined): ReportExtras {
	const section = speed && speedData(speed);
	return section ? { speed: section } : {};
}

function textExtras(pairs: readonly ContinuationPair[], output: string | undefined, options: PairSettings): ReportExtras {
	if (pairs.length === 0) return {};
	const { warning, ...sections } = textSections(pairs, reportTargets(output, options).page !== undefined);
	if (warning !== undefined) logger(options)("warning", warning);
	return sections;
}

/** The number of blocks was chosen by sets of that size, not by the one that was then found. */
function warnOfTarget({ ratio }: PlanSpeed, options: PairSettings): void {
	const { targetSpeedup, speedupOf = "generation", context } = options;
	// What was asked for at a context is not what a short prompt shows.
	if (targetSpeedup === undefined || context !== undefined || !ratio) return;
	const reached = ratio[speedupOf];
	if (reached.value >= targetSpeedup) return;
	const what = speedupOf === "prompt" ? "reading a prompt" : "generation";
	logger(options)("warning", `the target speed-up of ${targetSpeedup} was missed: ${what} is ${formatSpeedup(reached, targetSpeedup)}`);
}
