import type { PlanSpeed } from "../storage/plan-speed.js";
import type { JobOptions, MachineOptions, UnknownOptions } from "./job.js";
import type { ModelSummary } from "./measure.js";

// Options and results of measuring speed.

/** What a speed-up is taken of: the prompt, or the tokens generated after it. */
export const speedups = ["generation", "prompt"] as const;
export type Speedup = (typeof speedups)[number];

export interface SpeedOptions extends JobOptions, MachineOptions, UnknownOptions {
	/** Another file, to take turns with. @default none */
	readonly against?: string | undefined;
	/**
	 * Blocks to leave out of the model, which then takes turns with itself: no model is written. Blocks are numbered from 0: `[3, 7]`, or text such as `"3, 6-9a, 12f-15a"`. There `6-9a` is attention parts alone and `12f-15a` is a half-block cut; in a list 6.25 is `6a` and 12.5 is `12f-13a`.
	 * @default none
	 */
	readonly remove?: readonly number[] | string | undefined;
	/** Tokens of the prompt. @default 512, or what fits the context */
	readonly promptTokens?: number | undefined;
	/** Tokens generated after it. @default 64 */
	readonly generatedTokens?: number | undefined;
	/** Repetitions that are kept, 1 to 1000; fewer than six give no interval. @default 6 */
	readonly repetitions?: number | undefined;
	/** Tokens of context that memory is counted for. @default 4096, or the model's context if that is smaller */
	readonly context?: number | undefined;
}

export interface SpeedResult {
	readonly model: ModelSummary;
	/** The other file, if one was given. */
	readonly against?: ModelSummary | undefined;
	/** Removed blocks, ascending: i for block i, i + 0.25 for its attention part alone. i + 0.5 is the feed-forward part of block i and the attention part of block i + 1. */
	readonly removed: readonly number[];
	readonly speed: PlanSpeed;
	readonly seconds: number;
}
