// What two models write after the same prompts.
import type { Model } from "../runtime/model.js";
import type { TokenWindows } from "../runtime/windows.js";
import type { Continuation, ContinuationPair } from "./collapse.js";
import type { BlockMask } from "../runtime/masks.js";

/** A model, or a mask of it. */
export interface Writer {
	readonly model: Model;
	readonly mask?: BlockMask | undefined;
}

export interface ContinuationOptions {
	/** Windows whose beginnings are the prompts. */
	readonly windows: TokenWindows;
	/** Number of prompts from the windows; if the model's file has a template, a chat turn is added. */
	readonly prompts: number;
	readonly seed: number;
	readonly signal?: AbortSignal | undefined;
	/** Called with 0..1. */
	readonly onProgress?: ((fraction: number) => void) | undefined;
}

/** Tokens of a prompt taken from text, at most half of a window. */
const promptTokens = 32;
/** Most tokens that each model writes. */
export const writtenTokens = 64;
/** Temperature of the sampled texts: llama.cpp's own default; the distribution is not truncated. */
export const sampledTemperature = 0.8;
/** The chat turn. */
const question = "Explain in a few sentences why the sky is blue.";

/**
 * Continuations of the same prompts by two models of one vocabulary: each greedily, and sampled once with the same seed. They end after
 * 64 tokens, or with the model's own end token.
 * @returns prompt by prompt, the greedy pair first
 * @throws CalibrationError, EvaluationError, DisposedError, or `signal.reason`
 */
export async function drawPairs(before: Writer, after: Writer, options: ContinuationOptions): Promise<ContinuationPair[]> {
	const prompts = promptsOf(before.model, options);
	const jobs = [before, after].flatMap((writer) => (["greedy", "sampled"] as const).map((mode) => ({ writer, mode })));
	const written: Continuation[][] = [];
	for (const [i, { writer, mode }] of jobs.entries()) {
		written.push(await writeAll(writer, prompts, { mode, ...options }, (fraction) => options.onProgress?.((i + fraction) / jobs.length)));
	}
	const [greedyBefore, sampledBefore, greedyAfter, sampledAfter] = written as [
		Continuation[],
		Continuation[],
		Continuation[],
		Continuation[],
	];
	return prompts.flatMap((tokens, i) => {
		const prompt = before.model.detokenize(tokens);
		return [
			{ prompt, mode: "greedy" as const, before: greedyBefore[i]!, after: greedyAfter[i]! },
			{ prompt, mode: "sampled" as const, before: sampledBefore[i]!, after: sampledAfter[i]! },
		];
	});
}

/** The chat turn, whose answers people can judge at a glance, then the beginnings of windows spread over all of them, each once; prompts that leave no space for an answer are left out. */
function promptsOf(model: Model, { windows, prompts }: ContinuationOptions): Int32Array[] {
	const length = Math.max(1, Math.min(promptTokens, Math.floor(windows.length / 2)));
	const count = Math.min(prompts, windows.count);
	const taken: Int32Array[] = Array.from({ length: count }, (_, i) => {
		const start = Math.floor(((i + 0.5) * windows.count) / count) * windows.length;
		return windows.tokens.slice(start, start + length);
	});
	const chat = model.applyChatTemplate([{ role: "user", content: question }], true);
	if (chat !== undefined) taken.unshift(model.tokenize(chat, { addSpecial: true, parseSpecial: true }));
	const distinct = new Map(taken.map((tokens) => [tokens.join(), tokens]));
	return [...distinct.values()].filter((tokens) => tokens.length > 0 && tokens.length + writtenTokens <= model.facts.contextLength);
}

/** Prompts of one length are continued together. */
async function writeAll(
	{ model, mask }: Writer,
	prompts: readonly Int32Array[],
	{ mode, seed, signal }: Pick<ContinuationPair, "mode"> & Pick<ContinuationOptions, "seed" | "signal">,
	onProgress: (fraction: number) => void,
): Promise<Continuation[]> {
	const temperature = mode === "greedy" ? 0 : sampledTemperature;
	const written = new Array<Continuation>(prompts.length);
	let finished = 0;
	for (const length of new Set(prompts.map((prompt) => prompt.length))) {
		const same = [...prompts.keys()].filter((i) => prompts[i]!.length === length);
		const sequences = await model.sample(
			same.map((i) => prompts[i]!),
			{ length: length + writtenTokens, stopAtEog: true, temperature, seed, mask, signal },
		);
		same.forEach((i, k) => {
			written[i] = continuationOf(model, sequences[k]!.subarray(length));
		});
		finished += same.length;
		onProgress(finished / prompts.length);
	}
	return written;
}

/** A shorter text than allowed ended with an end-of-generation token. */
function continuationOf(model: Model, tokens: Int32Array): Continuation {
	const own = tokens.length < writtenTokens ? tokens.subarray(0, -1) : tokens;
	return { tokens: own, text: model.detokenize(own, { special: false }) };
}
