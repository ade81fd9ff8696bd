import type { Calibrated, Posterior, Predictor } from "../predictor.js";
import type { Granularity } from "../pairs.js";
import type { Sample } from "../sample.js";

/** A game learned from measured coalitions. */
export interface Surrogate extends Predictor {
	/** Its family, for reports: `mlp`, `pairwise-ridge`, `gp-hamming`, `mixed-gp`. */
	readonly kind: string;
	/** How it was made. */
	readonly fit: FitReport;
}

/**
 * A surrogate that knows how uncertain it is. It is also judged by its intervals and searched by its draws, and its contributions have
 * standard errors (`posteriorContributions`, `pairInteractions`).
 */
export interface PosteriorSurrogate extends Surrogate, Posterior, Calibrated {}

/** How a surrogate was made: enough to repeat it. */
export interface FitReport {
	/** Coalitions that it was fitted to, repeats included. */
	readonly masks: number;
	/** Settings, including those that the fit chose. */
	readonly settings: Readonly<Record<string, number | string>>;
}

/** How a caller follows and stops a fit. */
export interface FitOptions {
	/** Awaited between slices of about ten milliseconds, so that timers and input get their turn. @default no pause */
	readonly pause?: (() => Promise<void>) | undefined;
	readonly signal?: AbortSignal | undefined;
	/** Share of the work done, 0..1. */
	readonly onProgress?: ((done: number) => void) | undefined;
}

/** Options of a fit that can learn half-block cuts. */
export interface PartFitOptions extends FitOptions {
	/** `half-block` learns over the two parts of each block instead of the blocks, from candidates with and without half-block cuts. @default "block" */
	readonly granularity?: Granularity | undefined;
}

/** @throws RangeError for no samples, coalitions of different length, or half-block cuts if blocks are learned */
export function playersOf(samples: readonly Sample[], granularity: Granularity = "block"): number {
	const players = samples[0]?.coalition.players;
	if (players === undefined) throw new RangeError("a surrogate needs at least one measured coalition");
	for (const { coalition } of samples) {
		if (coalition.players !== players)
			throw new RangeError(`expected coalitions of one length (${players} blocks), got ${coalition.players} (${coalition})`);
		if (granularity === "block" && !coalition.whole)
			throw new RangeError(`a surrogate over whole blocks cannot learn from ${coalition}, which keeps parts of blocks`);
	}
	return players;
}

/** Losses above this many nats over the original model count as equally broken: the degree teaches a surrogate nothing. */
export const DEAD_LOSS = 20;

/** The scale in which losses add up best (METHOD: log(1 + added loss)). A loss below the original model's by 0.9 nats or more is clamped. */
export function linkOfLoss(addedLoss: number): number {
	return Math.log1p(Math.max(-0.9, Math.min(DEAD_LOSS, addedLoss)));
}

/** Inverse of {@link linkOfLoss}, within its range. */
export function lossOfLink(link: number): number {
	return Math.max(-0.9, Math.min(DEAD_LOSS, Math.expm1(link)));
}

/** v(S) from the link scale. */
export function valueOfLink(link: number): number {
	return Math.exp(-lossOfLink(link));
}

/** At most `limit` samples, evenly spaced, so that every part of the design stays represented. */
export function thinned<T>(items: readonly T[], limit: number): readonly T[] {
	if (items.length <= limit) return items;
	return Array.from({ length: limit }, (_, i) => items[Math.floor((i * items.length) / limit)] as T);
}

/** Removed blocks of rows of bytes, one list per row. */
export function removedOfRows(rows: Uint8Array, players: number): number[][] {
	const lists: number[][] = [];
	for (let start = 0; start < rows.length; start += players) {
		const removed: number[] = [];
		for (let i = 0; i < players; i++) if (rows[start + i] === 0) removed.push(i);
		lists.push(removed);
	}
	return lists;
}
