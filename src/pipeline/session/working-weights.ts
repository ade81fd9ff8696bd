// Which weights a search sweeps on: the user's own, or a copy in memory whose type this machine runs faster.
import { deviceChoice } from "../../model/runtime/devices.js";
import { join } from "node:path";
import { type WorkingWeights, workingWeights } from "../../api/index.js";
import { drawnEach } from "../../model/calibration/index.js";
import { InvalidOptionError, ModelLoadError, NoSpaceError, NotEnoughMemoryError, QuantizeError } from "../../errors.js";
import { Coalition } from "../../game/coalition.js";
import { predicting } from "../preflight/reference-memory.js";
import type { MemoryShape } from "../../model/runtime/memory.js";
import type { Model } from "../../model/runtime/model.js";
import type { FileType } from "../../model/runtime/quantize.js";
import { betterShape, type Shape, timeUsualShape } from "../../model/runtime/shape.js";
import type { TokenWindows } from "../../model/runtime/windows.js";
import { copyFits, workingCopy } from "../../model/runtime/working-copy.js";
import { partialName } from "../../storage/partials.js";
import type { SessionSettings } from "../../api/options/settings.js";

/** `own`: the model as it is. */
export type SearchWeights = Exclude<WorkingWeights, "auto">;

/** How a search runs: kept with its ledger, since all of it can change bits. */
export interface SweepChoice extends Shape {
	weights: SearchWeights;
}

/**
 * Types of a copy if none is named: both keep the losses of smaller types to a few ten-thousandths of a nat. Which is faster depends on the
 * processor.
 */
export const usualCopies: readonly Exclude<SearchWeights, "own">[] = ["Q8_0", "F16"];
/** Below so many masks nothing is measured beforehand: it would cost more than it saves. */
const worthChoosing = 60;
/** Seconds of sweeping below which no copy is made. */
const worthCopying = 45;
/** Share of the time that a limited run has left after its text, in which it searches. */
const searchedShare = 0.5;
/** A copy must run that much faster than the model itself. */
const worthUsing = 1.2;
/** Share of the work that is left if candidates share their common leading blocks. */
export const sharedTime = 0.6;

/** What the option says. @throws InvalidOptionError for a word that it does not know */
export function weightsOption(value: string): WorkingWeights {
	const known = workingWeights.find((word) => word === value);
	if (known === undefined) throw new InvalidOptionError(`working-weights must be one of ${workingWeights.join(", ")}, got ${value}`);
	return known;
}

/**
 * Whether ways are tried before a search: a named type of weights is made for any number of masks.
 * @param until when the run must be over, milliseconds since 1970; undefined for no limit
 */
export function isLong(masks: number, wanted: WorkingWeights, until?: number): boolean {
	const left = until === undefined ? Number.POSITIVE_INFINITY : (searchedShare * (until - Date.now())) / 1000;
	return (masks >= worthChoosing && left >= worthCopying) || (wanted !== "auto" && wanted !== "own");
}

/** The model's own weights in the shape that the options name, else the usual one: what is measured with where nothing was tried. */
export function ownSweep(model: Model, { ubatch, threads = model.threads }: SessionSettings): SweepChoice {
	return { weights: "own", ubatch: model.createEvaluator({ ubatch }).ubatch, threads, tokensPerSecond: 0 };
}

export type Log = (level: "note" | "warning" | "debug", message: string) => void;

/** What a search of sets takes of memory on its windows: for kl the original model's distributions there among it. */
export function searchMemory(
	windows: Pick<TokenWindows, "count" | "length">,
	{ metric, scoreShare = 1 }: SessionSettings,
	byDivergence = false,
): MemoryShape {
	const { count, length } = windows;
	const scored = scoreShare === 1 ? predicting(windows) : count * drawnEach(length, scoreShare);
	return { windows: count, windowLength: length, referencePositions: byDivergence || metric === "kl" ? scored : 0 };
}

/** Makes the copy of a model for a search; its file is gone when this returns. */
export async function makeCopy(model: Model, type: FileType, folder: string, options: SessionSettings): Promise<Model> {
	const path = join(folder, partialName(`working-${type}.gguf`));
	return workingCopy(model, type, path, {
		threads: model.threads,
		...deviceChoice(options),
		signal: options.signal,
		onProgress: (fraction) =>
			options.progress?.work({ phase: `making a ${type} copy in memory`, done: Math.round(100 * fraction), total: 100, unit: "percent" }),
	});
}

/** A search whose weights are to be chosen. */
export interface SweepJob {
	readonly model: Model;
	/** Text to try ways on. */
	readonly windows: TokenWindows;
	/** That the search will measure at most. */
	readonly masks: number;
	/** Folder of the model's runs: copies are made there. */
	readonly folder: string;
	readonly backend: string;
	readonly wanted: WorkingWeights;
	readonly log: Log;
	/** Whether sets are compared with the original model's distributions although the metric is the loss. @default false */
	readonly byDivergence?: boolean | undefined;
	/** Whether ways are tried first ({@link isLong}). */
	readonly long: boolean;
}

/** A copy, loaded, and how it is run. */
interface OpenCopy {
	choice: SweepChoice;
	readonly copy: Model;
}

/**
 * Chooses ubatch, threads and weights for a search by short measurements, as far as the options name none. The copy that pays is handed
 * over, loaded.
 */
export async function chooseSweep(job: SweepJob, options: SessionSettings): Promise<{ choice: SweepChoice; copy?: Model }> {
	const { model, windows, masks, backend, wanted, log } = job;
	const full = Coalition.full(model.facts.blocks);
	const own = ownSweep(model, options);
	const fixed = { ubatch: options.ubatch !== undefined, threads: options.threads !== undefined };
	if (!job.long || (wanted === "own" && fixed.ubatch && fixed.threads)) return { choice: own };
	options.progress?.work({ phase: "finding the fastest settings", done: 0, total: 0, unit: "percent" });
	const shape = await timeUsualShape(model, full, windows, { ...own, signal: options.signal });
	log("debug", `${shape.tokensPerSecond.toFixed(0)} tokens/s on the model's own weights`);
	const better = async (of: Model, start: Shape) => betterShape(of, full, windows, { start, fixed, signal: options.signal });
	const onOwn = async () => ({ choice: { ...(await better(model, shape)), weights: "own" as const } });
	const seconds = (sharedTime * masks * windows.tokens.length) / shape.tokensPerSecond;
	if (wanted === "own" || (wanted === "auto" && (seconds < worthCopying || !copyCanPay(model, backend)))) return onOwn();
	const fastest = await fastestCopy({ ...job, wanted }, shape, options);
	const gain = (fastest?.choice.tokensPerSecond ?? 0) / shape.tokensPerSecond;
	if (!fastest || (wanted === "auto" && gain < worthUsing)) {
		await fastest?.copy.dispose();
		return onOwn();
	}
	log(
		"note",
		`the search uses a ${fastest.choice.weights} copy of the model in memory, which is ${gain.toFixed(1)} times as fast; what it chooses is measured on the model itself`,
	);
	try {
		return { copy: fastest.copy, choice: { ...(await better(fastest.copy, fastest.choice)), weights: fastest.choice.weights } };
	} catch (error) {
		await fastest.copy.dispose();
		throw error;
	}
}

/** Makes a copy of the wanted type; of each usual type where none is, those that cannot be made left out, and keeps the fastest. */
async function fastestCopy(
	job: SweepJob & { readonly wanted: Exclude<WorkingWeights, "own"> },
	{ threads, ubatch }: Shape,
	options: SessionSettings,
): Promise<OpenCopy | undefined> {
	const { model, windows, folder, wanted, log } = job;
	const open: OpenCopy[] = [];
	try {
		for (const type of wanted === "auto" ? usualCopies : [wanted]) {
			// Asked before each: the one before it is in memory.
			const copy = wanted === "auto" ? await copyIfPossible(job, type, options) : await makeCopy(model, type, folder, options);
			if (!copy) continue;
			const candidate: OpenCopy = { copy, choice: { weights: type, ubatch, threads, tokensPerSecond: 0 } };
			open.push(candidate);
			const full = Coalition.full(copy.facts.blocks);
			const shape = await timeUsualShape(copy, full, windows, { threads, ubatch, signal: options.signal });
			candidate.choice = { ...candidate.choice, ...shape };
			log("debug", `${candidate.choice.tokensPerSecond.toFixed(0)} tokens/s on a ${type} copy`);
			// The slower of two goes at once: memory holds two copies at most.
			open.sort((a, b) => b.choice.tokensPerSecond - a.choice.tokensPerSecond);
			if (open.length > 1) await open.pop()!.copy.dispose();
		}
		return open[0];
	} catch (error) {
		await Promise.all(open.map(({ copy }) => copy.dispose()));
		throw error;
	}
}

/** What may keep a copy from being made. */
const dispensable = [NoSpaceError, QuantizeError, NotEnoughMemoryError, ModelLoadError];

/** A copy that nobody asked for is not worth an error. */
async function copyIfPossible(
	{ model, windows, folder, log, byDivergence }: SweepJob,
	type: FileType,
	options: SessionSettings,
): Promise<Model | undefined> {
	if (!copyFits(model, type, searchMemory(windows, options, byDivergence))) {
		log("debug", `no ${type} copy: it does not fit in memory`);
		return undefined;
	}
	try {
		return await makeCopy(model, type, folder, options);
	} catch (error) {
		if (!dispensable.some((kind) => error instanceof kind)) throw error;
		log("note", `the search uses no ${type} copy of the model: ${(error as Error).message}`);
		return undefined;
	}
}

/** On graphics devices the types differ little; Q8_0 is quick everywhere, and a copy of it would gain little. */
function copyCanPay(model: Model, backend: string): boolean {
	if (backend !== "CPU") return false;
	const q8 = 8; // GGML_TYPE_Q8_0
	const bytes = (only?: number) =>
		model.file.tensors.reduce((sum, { type, source }) => sum + (only === undefined || type === only ? source.size : 0), 0);
	return bytes(q8) < 0.8 * bytes();
}
