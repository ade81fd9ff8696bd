// Options and results of `evaluateModel`.
import type { JobOptions, MachineOptions, UnknownOptions } from "../runtime/job-options.js";

/** Ways to score a text. */
export const presets = ["llama-perplexity", "full"] as const;
export type Preset = (typeof presets)[number];

export interface EvaluateOptions extends JobOptions, MachineOptions, UnknownOptions {
	/** Path of a text file, UTF-8. */
	readonly text: string;
	/**
	 * `llama-perplexity`: that program's own computation, with the same bits; the logits of up to 2,048 tokens are held at a time. `full`: every
	 * position is scored, and the logits of a ubatch are held. @default "llama-perplexity"
	 */
	readonly preset?: Preset | undefined;
	/** Tokens in a window, at least 4 and at most the context of the model and of `against`. @default 512, or the context if it is shorter */
	readonly windowLength?: number | undefined;
	/**
	 * Score it without these blocks, beside the original model. Blocks are numbered from 0: `[3, 7]`, or text such as `"3, 6-9a, 12f-15a"`. There `6-9a` is attention parts alone and `12f-15a` is a half-block cut; in a list 6.25 is `6a` and 12.5 is `12f-13a`.
	 */
	readonly remove?: readonly number[] | string | undefined;
	/** Another model file of the same vocabulary to compare with, instead of the original model. */
	readonly against?: string | undefined;
}

/** Perplexity on a text. */
export interface TextFigures {
	readonly perplexity: number;
	/** As llama-perplexity prints it: standard error of the mean over tokens, times the perplexity. */
	readonly perplexityError: number;
	/** Nats per token. */
	readonly loss: number;
}

/**
 * A mean over windows, each the mean over its scored tokens, with its standard error. The 95 % interval is by Student's t distribution with
 * one degree of freedom less than windows. Tokens of one window are not independent; windows nearly are.
 */
export interface WindowMean {
	readonly mean: number;
	readonly standardError: number;
	readonly low: number;
	readonly high: number;
}

/** A model compared with a reference on the same tokens. */
export interface TextComparison extends TextFigures {
	/** The reference: the original model, or the other file. */
	readonly model: string;
	/** KL(reference || model), nats per token. */
	readonly divergence: WindowMean;
	/** Share of scored tokens with the same most likely token in both models, 0..1. */
	readonly agreement: WindowMean;
	/** Loss of the model minus loss of the reference, nats per token, paired by window. */
	readonly difference: WindowMean;
	/** Perplexity of the model over that of the reference: exp of the difference, and of the ends of its interval. */
	readonly ratio: WindowMean;
}

export interface EvaluateResult extends TextFigures {
	readonly model: string;
	readonly text: string;
	readonly preset: Preset;
	/** Tokens in a window. */
	readonly windowLength: number;
	/** Removed blocks, ascending: i for block i, i + 0.25 for its attention part alone. i + 0.5 is the feed-forward part of block i and the attention part of block i + 1. */
	readonly removed: readonly number[];
	/** The reference and how the model differs from it, with `against` or removed blocks. */
	readonly against?: TextComparison | undefined;
	/** Number of scored tokens. */
	readonly tokens: number;
	readonly windows: number;
	readonly seconds: number;
}
