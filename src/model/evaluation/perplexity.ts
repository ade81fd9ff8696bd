import { CalibrationError, InvalidCandidateError, InvalidOptionError } from "../../errors.js";
import { GgufFile } from "../gguf/file.js";
import { beyondBlocks, readBlocks } from "../../notation.js";
import { readInput } from "../../storage/input-file.js";
import { loadAsRead } from "../runtime/load-model.js";
import type { Model } from "../runtime/model.js";
import { vocabularyOf } from "../runtime/ubatch.js";
import { hashWindows, makeWindows, type TokenWindows } from "../runtime/windows.js";
import { hashAsRead, type Side } from "./kept.js";
import { checkMemoryForBoth, checkSameVocabulary } from "./rival.js";
import { compareWindows, summarizeWindows } from "./text-figures.js";
import { scoredPositions, scoringOf, textMemory } from "./text-shape.js";
import { TextSweep } from "./text-sweep.js";
import type { EvaluateOptions, EvaluateResult } from "./text-types.js";

export { summarizeLosses } from "./text-figures.js";

/** Tokens in a window by default, if the context holds them. */
const usualWindowLength = 512;

/**
 * Perplexity of a model, or of a model under a mask, on a text. With a reference it also gives the KL divergence from it, the share of
 * positions with the same most likely token, and the difference in loss, paired by window. The reference is the model in `against`, or the
 * original model if blocks are removed.
 *
 * Preset `llama-perplexity` is that program's own computation (tools/perplexity/perplexity.cpp). The text is tokenized once with the start
 * token and cut into windows of `windowLength` tokens. The first token of each becomes the start token if the model wants one, and the second
 * half of each window is scored. Preset `full` scores every position of the same windows. By default a window has 512 tokens, or as many as
 * the context if that is shorter; a note says so then.
 *
 * Measurements are cached by model, mask, text and settings, so an interrupted evaluation continues where it stopped.
 * @throws CalibrationError if the text is too short for two windows
 * @throws NotEnoughMemoryError if there is not enough memory for one decode and for the weights of both models
 * @throws UnsupportedArchitectureError if llama.cpp cannot compute a loss of the model
 * @throws EvaluationError if the model or its reference computes no finite loss
 * @throws InvalidOptionError (also if `against` has another vocabulary), InvalidCandidateError and the errors of loading
 */
export async function measureText(path: string, options: EvaluateOptions): Promise<EvaluateResult> {
	const started = Date.now();
	const preset = options.preset ?? "llama-perplexity";
	const text = (await readInput(options.text, { what: "the text", give: "plain text", Failure: CalibrationError })).toString("utf8");
	const file = await header(path, options);
	const other = options.against === undefined ? undefined : await header(options.against, options);
	if (other) checkSameVocabulary(file, other);
	const windowLength = windowLengthFor(other ? [file, other] : [file], options);
	const scoring = scoringOf(preset, windowLength);
	const memory = textMemory(scoring, vocabularyOf(file), options.against !== undefined || (options.remove ?? []).length > 0);
	if (other) checkMemoryForBoth(file, other, memory);
	const model = await loadAsRead({ path, file }, options, memory);
	try {
		const windows = perplexityWindows(model, text, windowLength, options.text);
		const removed = blocksToRemove(options.remove, model.facts.blocks);
		warnUnwritable(model, removed, options);
		const own: Side = { path, file, sha256: await hashAsRead(file, options), removed };
		const reference = await referenceOf(own, other, options);
		const setting = { windows, hash: hashWindows(windows), scoring, memory };
		const measured = await TextSweep.run(model, { own, reference }, setting, options);
		const scored = scoredPositions(scoring);
		return {
			...{ model: path, text: options.text, preset, windowLength, removed },
			...summarizeWindows(measured.own, scored),
			...(measured.reference ? { against: compareWindows(reference!.path, measured.own, measured.reference, scored) } : {}),
			...{ tokens: windows.count * scored, windows: windows.count, seconds: (Date.now() - started) / 1000 },
		};
	} finally {
		await model.dispose();
	}
}

/**
 * Tokens in a window: what the options say, else the usual number or the shortest context.
 * @param files of the models that are measured
 * @throws InvalidOptionError for a number below 4 or beyond a context
 */
function windowLengthFor(files: readonly GgufFile[], options: EvaluateOptions): number {
	const contexts = files.map((file) => file.number(`${file.architecture}.context_length`) ?? Number.POSITIVE_INFINITY);
	const context = Math.min(...contexts);
	const shortest = files[contexts.indexOf(context)]!.paths[0];
	const { windowLength = Math.min(usualWindowLength, context), onLog } = options;
	if (!Number.isInteger(windowLength) || windowLength < 4)
		throw new InvalidOptionError(`windowLength must be a whole number of at least 4 tokens, got ${windowLength}`);
	if (windowLength > context)
		throw new InvalidOptionError(
			`windows of ${windowLength} tokens exceed the context of ${shortest}, which is ${context}: give --window-length ${context} or less`,
		);
	if (windowLength < usualWindowLength && options.windowLength === undefined) {
		const message = `windows of ${windowLength} tokens instead of ${usualWindowLength}: that is the whole context of ${shortest}. Compare only with figures of the same window length.`;
		onLog?.({ level: "note", message });
	}
	return windowLength;
}

function header(path: string, { signal }: EvaluateOptions): Promise<GgufFile> {
	return GgufFile.read(path, signal ? { signal } : {});
}

/** The reference: the other file, or the original model if blocks are removed. */
async function referenceOf(own: Side, other: GgufFile | undefined, options: EvaluateOptions): Promise<Side | undefined> {
	if (other) return { path: options.against!, file: other, sha256: await hashAsRead(other, options), removed: [] };
	return own.removed.length > 0 ? { ...own, removed: [] } : undefined;
}

/** Warns about sets of blocks that can be measured but never written. */
function warnUnwritable({ path, blocks }: Model, removed: readonly number[], { onLog }: EvaluateOptions): void {
	if (removed.length === 0 || blocks.check(removed) !== undefined) return;
	const unwritable = blocks.unwritable(removed);
	if (unwritable) {
		onLog?.({ level: "warning", message: `${path}: this can be measured, but no file without these blocks can be written: ${unwritable}` });
	}
}

function perplexityWindows(model: Model, text: string, windowLength: number, name: string): TokenWindows {
	// llama.cpp's programs leave out one newline at the end of a text file (common/arg.cpp).
	const tokens = model.tokenize(text.replace(/\n$/, ""));
	const count = Math.floor(tokens.length / windowLength);
	if (tokens.length < 2 * windowLength) {
		throw new CalibrationError(
			`${name} holds ${tokens.length} tokens; two windows of ${windowLength} are needed. Give a longer text or shorter windows (--window-length).`,
		);
	}
	const windows = tokens.slice(0, count * windowLength);
	const { addBos, bos } = model.facts;
	if (addBos && bos !== undefined) for (let i = 0; i < count; i++) windows[i * windowLength] = bos;
	return makeWindows(windows, windowLength);
}

/**
 * The removed blocks of a measurement, ascending.
 * @param blocks of the model
 * @throws InvalidCandidateError if a block does not exist
 * @throws InvalidOptionError for what is no set of blocks
 */
export function blocksToRemove(given: readonly number[] | string | undefined, blocks: number): readonly number[] {
	const read = readBlocks(given ?? []);
	if ("problem" in read) throw new InvalidOptionError(`remove: ${read.problem}`);
	const problem = beyondBlocks(read.positions, blocks);
	if (problem !== undefined) throw new InvalidCandidateError(problem);
	return read.positions;
}
