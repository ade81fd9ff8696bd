// Seconds per generated token of each part of a model at a context, from measured times of the model with and without some blocks. Pure.
import type { PartTimes, TurnTimes } from "../../storage/plan-speed.js";
import { median } from "./figures.js";
import type { CountRange } from "./settle.js";

/** Seconds per generated token of the model and of what is left without some blocks, repetition by repetition, in turns. */
export interface MeasuredTurns {
	readonly whole: ArrayLike<number>;
	readonly fewer: ArrayLike<number>;
}

/** Turns in which tokens were generated. */
export interface MeasuredStretch extends MeasuredTurns {
	/** Tokens before the middle of them: the mean over a stretch is that of its middle. */
	readonly tokens: number;
}

/** What the times of parts are derived from. */
export interface MeasuredContexts {
	/** Blocks of the model, and those that were left out. */
	readonly blocks: number;
	readonly without: number;
	/** How many of each have attention. @default all */
	readonly attentions?: { readonly all: number; readonly without: number };
	/** Right after a prompt of a token or so: few keys and values are read. */
	readonly atStart: MeasuredStretch;
	readonly far: MeasuredStretch;
	/** Share of a block's bytes that its attention part holds, if it has one, 0..1. */
	readonly attentionBytes: number;
}

/**
 * Times at a context. The time of a block is what the model is slower with it. What of it grows with the context is attention; the rest is
 * divided by the bytes of the two parts, which are read for every token. Blocks without attention do not grow.
 * @throws RangeError if none of the blocks that were left out has attention
 */
export function partTimes(context: number, measured: MeasuredContexts): TimesWithTurns {
	const { atStart, far, attentionBytes } = measured;
	const turns = singles(atStart).flatMap((start) => singles(far).map((end) => timesBy({ ...measured, atStart: start, far: end }, context)));
	return { context, measuredAt: far.tokens, ...timesBy(measured, context), attentionBytes, turns };
}

/** Times of parts, and the same by each pair of repetitions alone. */
export interface TimesWithTurns extends PartTimes {
	readonly turns: readonly TurnTimes[];
}

/** Each repetition as if it were the only one. */
const singles = ({ whole, fewer, tokens }: MeasuredStretch): MeasuredStretch[] =>
	Array.from(whole, (seconds, i) => ({ whole: [seconds], fewer: [fewer[i]!], tokens }));

function timesBy({ blocks, without, attentions, atStart, far, attentionBytes }: MeasuredContexts, context: number): TurnTimes {
	const counts = attentions ?? { all: blocks, without };
	if (counts.without < 1) throw new RangeError("none of the blocks that were left out has attention");
	const saved = ({ whole, fewer }: MeasuredTurns) => Math.max(0, median(Array.from(whole, (seconds, i) => seconds - fewer[i]!)));
	const grown = Math.max(0, saved(far) - saved(atStart)) / counts.without;
	const perToken = far.tokens > atStart.tokens ? grown / (far.tokens - atStart.tokens) : 0;
	const grownAtStart = perToken * atStart.tokens;
	// In units of the bytes of a block with attention.
	const units = counts.without * attentionBytes + without * (1 - attentionBytes);
	const still = Math.max(0, saved(atStart) - counts.without * grownAtStart) / units;
	const attention = still * attentionBytes + perToken * context;
	const feedForward = still * (1 - attentionBytes);
	const stillAll = still * (counts.all * attentionBytes + blocks * (1 - attentionBytes));
	const rest = Math.max(0, median(atStart.whole) - counts.all * grownAtStart - stillAll);
	const model = rest + counts.all * attention + blocks * feedForward;
	return { model, attention, feedForward };
}

/** What is removed, by parts. */
export interface RemovedCounts {
	readonly attention: number;
	readonly feedForward: number;
}

/** How many times as fast the model is without so many parts. */
export function speedupWithout({ model, attention, feedForward }: TurnTimes, removed: RemovedCounts): number {
	return model / Math.max(Number.EPSILON, model - removed.attention * attention - removed.feedForward * feedForward);
}

/** Share of a block's time that its attention part takes, 0..1. */
export const attentionShare = ({ attention, feedForward }: PartTimes): number =>
	attention + feedForward > 0 ? attention / (attention + feedForward) : 0;

/** The fewest attention parts that reach a speed-up beside whole blocks that are removed; Infinity if all of them do not. */
export function attentionsFor(
	times: TurnTimes,
	target: number,
	{ blocks, removedBlocks = 0 }: { readonly blocks: number; readonly removedBlocks?: number },
): number {
	for (let count = 0; count <= blocks - removedBlocks; count++) {
		const removed = { attention: removedBlocks + count, feedForward: removedBlocks };
		if (speedupWithout(times, removed) >= target - 1e-9) return count;
	}
	return Number.POSITIVE_INFINITY;
}

/** The least and the most attention parts that reach a speed-up, of at most so many, by single repetitions. */
export function attentionsRange(
	turns: readonly TurnTimes[],
	target: number,
	{ blocks, most }: { readonly blocks: number; readonly most: number },
): CountRange {
	const counts = turns.map((times) => Math.min(most, attentionsFor(times, target, { blocks })));
	return { least: Math.min(...counts), most: Math.max(...counts) };
}
