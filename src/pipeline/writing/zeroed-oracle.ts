import type { JobOptions } from "../../api/index.js";
import { zeroedBlocks } from "../../model/architectures/index.js";
import { Coalition } from "../../game/coalition.js";
import { type GgufFile, writeGguf, writtenSize } from "../../model/gguf/index.js";
import { whileHealed } from "../../model/fitting/standing.js";
import { type HealedTensor, withHealed } from "../../model/fitting/tensors.js";
import type { Evaluation, Evaluator } from "../../model/runtime/evaluator.js";
import { restartTeller } from "../../model/runtime/load-model.js";
import { Model } from "../../model/runtime/model.js";
import type { Placement } from "../../model/runtime/placement.js";
import { makeWindows, type TokenWindows } from "../../model/runtime/windows.js";
import { writeTemporarily } from "../../storage/atomic-file.js";

/** What can change bits: it must be the same for everything that is compared. */
export interface MeasuredShape {
	threads: number;
	/** Tokens that run through a block at once. */
	ubatch: number;
}

/** A model, and the blocks whose outputs are set to zero. */
export interface ZeroedModel {
	readonly file: GgufFile;
	readonly removed: readonly number[];
	/** Matrices that have other values than in the file. */
	readonly healed?: readonly HealedTensor[] | undefined;
}

/**
 * What removing blocks means, measured: the original with the output tensors of these blocks set to zero, on a CPU. It is
 * written beside the output, loaded, and deleted in any case.
 * @returns losses and digests of the logits on each set of windows
 * @throws NoSpaceError, FileError and the errors of loading and measuring
 */
export async function measureZeroed(
	{ file, removed, healed }: ZeroedModel,
	output: string,
	how: MeasuredShape & { readonly windows: readonly TokenWindows[] },
	options: JobOptions,
): Promise<Evaluation[]> {
	const content = withHealed(zeroedBlocks(file, removed), file, healed);
	const phase = "writing a file to check against";
	const stop = options.signal ? { signal: options.signal } : {};
	return writeTemporarily(
		output,
		{ expectedBytes: writtenSize(content), ...stop },
		(handle) =>
			writeGguf(handle, content, { ...stop, onProgress: (done, total) => options.progress?.work({ phase, done, total, unit: "bytes" }) }),
		(path) => measureOriginal(path, { ...how, placement: undefined }, "measuring the file to check against", options),
	);
}

/** Losses and digests of an original model on each set of windows. @param how.placement of its blocks; undefined for the CPU */
export async function measureOriginal(
	path: string,
	{
		windows,
		ubatch,
		threads,
		placement,
	}: MeasuredShape & { readonly placement: Placement | undefined; readonly windows: readonly TokenWindows[] },
	phase: string,
	options: JobOptions,
): Promise<Evaluation[]> {
	const model = await Model.load(path, { threads, gpuLayers: 0, placement, signal: options.signal, onRestart: restartTeller(options) });
	try {
		return await onEach(windows, { model, mask: Coalition.full(model.facts.blocks), ubatch, phase }, options);
	} finally {
		await model.dispose();
	}
}

/** Losses and digests of a model without blocks on each set of windows: through the layer view, on a CPU. */
export async function measureMasked(
	{ file, removed, healed = [] }: ZeroedModel,
	{ windows, ubatch, threads }: MeasuredShape & { readonly windows: readonly TokenWindows[] },
	options: JobOptions & { readonly allowUnknownArchitecture?: boolean | undefined },
): Promise<Evaluation[]> {
	const { signal, allowUnknownArchitecture } = options;
	const how = { threads, gpuLayers: 0, file, signal, allowUnknownArchitecture, onRestart: restartTeller(options) };
	const model = await Model.load(file.paths[0]!, how);
	try {
		const mask = Coalition.ofRemoved(model.facts.blocks, removed);
		const work = { model, mask, ubatch, phase: "measuring on the CPU what the file must compute" };
		return await whileHealed(model, healed, () => onEach(windows, work, options));
	} finally {
		await model.dispose();
	}
}

async function onEach(
	windows: readonly TokenWindows[],
	work: { readonly model: Model; readonly mask: Coalition; readonly ubatch: number; readonly phase: string },
	{ progress, signal }: JobOptions,
): Promise<Evaluation[]> {
	const { model, mask, ubatch, phase } = work;
	const report = (done: number) => progress?.work({ phase, done: Math.round((100 * done) / windows.length), total: 100, unit: "percent" });
	report(0);
	const evaluator = model.createEvaluator({ ubatch });
	const results: Evaluation[] = [];
	for (const set of windows) {
		const [evaluation] = await evaluator.evaluate([mask], set, { digest: true, signal });
		results.push(evaluation!);
		report(results.length);
	}
	return results;
}

/**
 * Losses without blocks, through the layer view, on a window that reaches beyond the model's sliding one; undefined where the
 * model's removals are proven already, or no such window is needed.
 */
export async function measureBeyondSliding(
	{ model, evaluator }: { readonly model: Model; readonly evaluator: Evaluator },
	removed: readonly number[],
	windows: TokenWindows,
	options: JobOptions,
): Promise<{ windows: TokenWindows; losses: Float64Array } | undefined> {
	if (model.blocks.proof === "bits") return undefined;
	const long = windowBeyondSliding(model.file, windows, model.facts.contextLength);
	if (!long) return undefined;
	const mask = Coalition.ofRemoved(model.facts.blocks, removed);
	const [evaluation] = await evaluator.evaluate([mask], long, { signal: options.signal });
	return { windows: long, losses: evaluation!.losses };
}

/** Tokens by which a long window reaches beyond the sliding one. */
const beyond = 64;

/**
 * One window that reaches beyond the model's sliding window, made of the tokens of others; undefined where the model has none or
 * the others reach as far. On shorter ones a block that attends to everything and one that does not compute the same, and a
 * mistake about which is which would not show.
 */
export function windowBeyondSliding(file: GgufFile, windows: TokenWindows, contextLength: number): TokenWindows | undefined {
	const sliding = Number(file.value(`${file.architecture}.attention.sliding_window`) ?? 0);
	if (!(sliding > 0) || sliding >= contextLength || windows.length > sliding + beyond / 2) return undefined;
	const length = Math.min(contextLength, sliding + beyond);
	return makeWindows(
		Int32Array.from({ length }, (_, i) => windows.tokens[i % windows.tokens.length]!),
		length,
	);
}
