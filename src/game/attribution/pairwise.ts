import { Random } from "../random.js";
import type { Attribution } from "./attribution.js";

/** Coefficients of a quadratic game: `linear` of each block, `pairs` symmetric (players x players, zero diagonal). */
export interface QuadraticGame {
	readonly linear: Float64Array;
	readonly pairs: Float64Array;
}

export interface PairwiseContributionOptions {
	/** Most blocks that will be removed, 1..players. */
	readonly kmax: number;
	/** Draws from the posterior for the standard errors; without draws there are none. */
	readonly draws?: { readonly count: number; readonly seed: number | string; readonly draw: (normal: () => number) => QuadraticGame };
	/** Blocks that are never removed: they have no contribution and are never among the other removed blocks. @default none */
	readonly frozen?: Iterable<number>;
}

/**
 * The window semivalue of a quadratic game in closed form, in log(1 + added loss): with t other blocks removed, t uniform in
 * 0..kmax-1, block i costs a_i + mean(t) / (others) * sum of b_ij on average.
 * @throws RangeError for kmax out of range
 */
export function pairwiseContributions(game: QuadraticGame, options: PairwiseContributionOptions): Attribution {
	const { kmax, draws } = options;
	const frozen = new Set(options.frozen);
	const movable = game.linear.length - frozen.size;
	if (!Number.isInteger(kmax) || kmax < 1 || kmax > movable) throw new RangeError(`kmax must be an integer in 1..${movable}, got ${kmax}`);
	const base = {
		estimator: "pairwise-window",
		contributions: closedForm(game, kmax, frozen),
		scale: "log-loss",
		masks: 0,
	} as const;
	if (!draws) return { ...base, settings: { kmax } };
	const random = new Random(draws.seed);
	const sums = new Float64Array(game.linear.length);
	for (let d = 0; d < draws.count; d++) {
		const drawn = closedForm(
			draws.draw(() => random.normal()),
			kmax,
			frozen,
		);
		for (let i = 0; i < sums.length; i++) sums[i]! += ((drawn[i] as number) - (base.contributions[i] as number)) ** 2;
	}
	const standardErrors = sums.map((sum) => Math.sqrt(sum / draws.count));
	return { ...base, standardErrors, seed: draws.seed, settings: { kmax, draws: draws.count } };
}

function closedForm(game: QuadraticGame, kmax: number, frozen: ReadonlySet<number>): Float64Array {
	const players = game.linear.length;
	const others = players - frozen.size - 1;
	const chance = others > 0 ? (kmax - 1) / 2 / others : 0;
	return game.linear.map((own, i) => {
		if (frozen.has(i)) return Number.NaN;
		let shared = 0;
		for (let j = 0; j < players; j++) if (j !== i && !frozen.has(j)) shared += game.pairs[i * players + j] as number;
		return own + chance * shared;
	});
}
