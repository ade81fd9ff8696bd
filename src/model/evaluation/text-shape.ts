import type { MemoryShape } from "../runtime/memory.js";
import { bytesOfReference } from "../runtime/positions.js";
import { defaultUbatch, mostSequences } from "../runtime/ubatch.js";
import type { Preset } from "./text-types.js";

// How a text is cut into decodes, and the memory that this takes.

/** How windows are scored. */
export interface Scoring {
	readonly preset: Preset;
	/** Tokens in a window. */
	readonly length: number;
	/** First position whose next token is scored. */
	readonly scoreFrom: number;
}

/** Tokens that llama-perplexity decodes at once by default: windows are batched in the same way here, so that the bits agree. */
const perplexityBatch = 2048;
/** Its tokens per ubatch by default. If windows do not fill a batch, another ubatch cuts them differently, which changes bits. */
const perplexityUbatch = 512;
/** Tokens that are measured before they are cached, about. */
const partTokens = 4096;
/** Most bytes of distributions that are held at a time, unless the fewest windows need more. */
const partBytes = 2 ** 28;

/** The windows of `context` tokens under that preset. */
export function scoringOf(preset: Preset, context: number): Scoring {
	return { preset, length: context, scoreFrom: preset === "full" ? 0 : Math.floor(context / 2) };
}

/** Positions of a window whose next token is scored. */
export function scoredPositions({ length, scoreFrom }: Scoring): number {
	return length - 1 - scoreFrom;
}

/** Tokens that run through a block at once. */
export function ubatchOf({ preset }: Scoring, vocabulary: number): number {
	return preset === "llama-perplexity" ? perplexityUbatch : defaultUbatch(vocabulary);
}

/** Windows in one decode; 0 for as many as share a ubatch. */
export function batchWindowsOf({ preset, length }: Scoring): number {
	if (preset === "full") return 0;
	// Below 8 tokens llama-perplexity requests more sequences than llama.cpp has, and fails.
	return Math.max(1, Math.min(mostSequences, Math.floor(perplexityBatch / length)));
}

/** Windows that are decoded together. */
function togetherOf(scoring: Scoring, vocabulary: number): number {
	return batchWindowsOf(scoring) || Math.max(1, Math.floor(ubatchOf(scoring, vocabulary) / scoring.length));
}

/**
 * Windows that are measured before they are cached, a multiple of the windows in a decode. It does not depend on the machine's memory.
 * @param compared whether the reference's distributions are held for them
 */
export function partWindows(scoring: Scoring, vocabulary: number, compared: boolean): number {
	const batch = togetherOf(scoring, vocabulary);
	const most = compared ? partBytes / bytesOfReference(batch * scoredPositions(scoring), vocabulary) : Number.POSITIVE_INFINITY;
	return batch * Math.max(1, Math.floor(Math.min(partTokens / scoring.length / batch, most)));
}

/** What measuring a text needs, for the check of memory. */
export function textMemory(scoring: Scoring, vocabulary: number, compared: boolean): MemoryShape {
	return {
		ubatch: ubatchOf(scoring, vocabulary),
		windows: togetherOf(scoring, vocabulary),
		windowLength: scoring.length,
		batchWindows: batchWindowsOf(scoring),
		scoreFrom: scoring.scoreFrom,
		referencePositions: compared ? partWindows(scoring, vocabulary, true) * scoredPositions(scoring) : 0,
	};
}
