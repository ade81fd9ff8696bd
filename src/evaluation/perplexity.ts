import { readFile } from "node:fs/promises";
import type { EvaluateOptions, EvaluateResult, Preset } from "../api.js";
import { CalibrationError, InvalidOptionError } from "../errors.js";
import { Coalition } from "../game/coalition.js";
import type { Model } from "../runtime/model.js";
import { makeWindows, type TokenWindows } from "../runtime/windows.js";
import { loadModel } from "../runtime/load-model.js";

/**
 * Perplexity of a model, or of a model under a mask, on a text.
 *
 * Preset `llama-perplexity` is that program's own computation (tools/perplexity/perplexity.cpp): the text is tokenized once with the
 * start token, cut into windows of `context` tokens of which the first becomes the start token where the model wants one, and the
 * second half of each window is scored. Preset `full` scores every position of the same windows.
 * @throws CalibrationError where the text is too short for two windows
 * @throws UnsupportedArchitectureError where llama.cpp cannot compute a loss of the model
 * @throws InvalidOptionError, InvalidMaskError and the errors of loading
 */
export async function evaluateModel(path: string, options: EvaluateOptions): Promise<EvaluateResult> {
	const started = Date.now();
	const preset = options.preset ?? "llama-perplexity";
	const context = options.context ?? 512;
	if (!Number.isInteger(context) || context < 4)
		throw new InvalidOptionError(`context must be a whole number of at least 4 tokens, got ${context}`);
	const text = await readFile(options.text, "utf8").catch((cause: Error) => {
		throw new CalibrationError(`the text ${options.text} cannot be read: ${cause.message}`, { cause });
	});
	const model = await loadModel(path, options);
	try {
		const windows = perplexityWindows(model, text, context, options.text);
		const removed = [...new Set(options.remove ?? [])].sort((a, b) => a - b);
		warnUnwritable(model, removed, options);
		const losses = await tokenLosses(model, windows, removed, preset, options);
		return {
			model: path,
			text: options.text,
			preset,
			context,
			removed,
			...summarizeLosses(losses),
			tokens: losses.length,
			windows: windows.count,
			seconds: (Date.now() - started) / 1000,
		};
	} finally {
		await model.dispose();
	}
}

/** Sets of blocks that can be measured and never written. */
function warnUnwritable({ path, blocks }: Model, removed: readonly number[], { onLog }: EvaluateOptions): void {
	if (removed.length === 0 || blocks.check(removed) !== undefined) return;
	const unwritable = blocks.unwritable(removed);
	if (unwritable) {
		onLog?.({ level: "warning", message: `${path}: this can be measured, but no file without these blocks can be written: ${unwritable}` });
	}
}

/** Tokens that llama-perplexity decodes at once by default: its windows are batched alike here, so that the bits agree. */
const perplexityBatch = 2048;

/** First position whose next token is scored. */
export function firstScored(preset: Preset, context: number): number {
	return preset === "full" ? 0 : Math.floor(context / 2);
}

function perplexityWindows(model: Model, text: string, context: number, name: string): TokenWindows {
	// llama.cpp's programs leave out one newline at the end of a text file (common/arg.cpp).
	const tokens = model.tokenize(text.replace(/\n$/, ""));
	const count = Math.floor(tokens.length / context);
	if (tokens.length < 2 * context) {
		throw new CalibrationError(
			`${name} holds ${tokens.length} tokens; two windows of ${context} are needed. Give a longer text or a smaller context.`,
		);
	}
	const windows = tokens.slice(0, count * context);
	const { addBos, bos } = model.facts;
	if (addBos && bos !== undefined) for (let i = 0; i < count; i++) windows[i * context] = bos;
	return makeWindows(windows, context);
}

async function tokenLosses(
	model: Model,
	windows: TokenWindows,
	removed: number[],
	preset: Preset,
	options: EvaluateOptions,
): Promise<Float64Array> {
	const mask = Coalition.ofRemoved(model.facts.blocks, checkedBlocks(removed, model.facts.blocks));
	const evaluator = model.createEvaluator();
	const scoreFrom = firstScored(preset, windows.length);
	const all = new Float64Array(windows.count * (windows.length - 1 - scoreFrom));
	const started = Date.now();
	// A few windows at a time: progress can be shown, and memory does not grow with the text.
	const batchWindows = preset === "llama-perplexity" ? Math.max(1, Math.floor(perplexityBatch / windows.length)) : 0;
	const step = Math.max(1, batchWindows) * Math.max(1, Math.floor(4096 / windows.length / Math.max(1, batchWindows)));
	for (let first = 0; first < windows.count; first += step) {
		const part = makeWindows(
			windows.tokens.subarray(first * windows.length, Math.min(windows.count, first + step) * windows.length),
			windows.length,
		);
		const [evaluation] = await evaluator.evaluate([mask], part, {
			scoreFrom,
			batchWindows,
			outputLast: preset === "llama-perplexity",
			perToken: true,
			signal: options.signal,
		});
		all.set(evaluation!.tokenLosses!, first * (windows.length - 1 - scoreFrom));
		const done = (first + part.count) * windows.length;
		const seconds = (Date.now() - started) / 1000;
		options.onProgress?.({
			phase: "perplexity",
			done,
			total: windows.tokens.length,
			unit: "tokens",
			tokensPerSecond: done / seconds,
			secondsLeft: (seconds / done) * (windows.tokens.length - done),
		});
	}
	return all;
}

/** @throws InvalidOptionError where a block is not there */
export function checkedBlocks(removed: readonly number[], blocks: number): readonly number[] {
	const stranger = removed.find((block) => !Number.isInteger(block) || block < 0 || block >= blocks);
	if (stranger !== undefined) throw new InvalidOptionError(`there is no block ${stranger}: the blocks are 0 to ${blocks - 1}`);
	return removed;
}

/** Mean, perplexity and its standard error as llama-perplexity prints it: exp(mean) times the error of the mean. */
export function summarizeLosses(losses: Float64Array): Pick<EvaluateResult, "loss" | "perplexity" | "perplexityError"> {
	let sum = 0;
	let squares = 0;
	for (const loss of losses) {
		sum += loss;
		squares += loss * loss;
	}
	const loss = sum / losses.length;
	const variance = squares / losses.length - loss * loss;
	const perplexity = Math.exp(loss);
	return { loss, perplexity, perplexityError: variance > 0 ? perplexity * Math.sqrt(variance / (losses.length - 1)) : 0 };
}
