import { Coalition } from "../coalition.js";
import type { Predictor } from "../predictor.js";
import { Random } from "../random.js";
import { toRows } from "../sample.js";
import { binomial, subsets } from "../strata.js";
import type { Attribution } from "./attribution.js";
import { marginalsOf, type SurrogateContributionOptions } from "./paper.js";

export interface SurrogateWindowOptions extends Omit<SurrogateContributionOptions, "seed"> {
	/** Most blocks that will be removed, 1..blocks that are not frozen. */
	readonly kmax: number;
	readonly seed: number | string;
	/** Coalitions that the surrogate predicts, in equal shares for 0..kmax-1 removed blocks; sizes with few coalitions are listed completely. @default 4000 */
	readonly count?: number;
}

/** Coalitions per slice. */
const SLICE = 128;

/**
 * The window semivalue of a surrogate by sampling: mean over t = 0..kmax-1 of f(m) - f(m without i), where m lacks t other blocks.
 * The same estimand as `exactWindowSemivalue` and `permutationContributions`, for a few hundred measurements in all.
 * The standard error covers only this sampling; the surrogate's own mistakes are not in it. It is NaN for a block that too few coalitions
 * of a size keep (two are needed). If none keeps it, the contribution is NaN too.
 * @throws RangeError for an option out of range
 */
export async function surrogateWindowContributions(predictor: Predictor, options: SurrogateWindowOptions): Promise<Attribution> {
	const { kmax, seed, count = 4000 } = options;
	const { players } = predictor;
	const frozen = new Set(options.frozen);
	const movable = Array.from({ length: players }, (_, i) => i).filter((block) => !frozen.has(block));
	if (!Number.isInteger(kmax) || kmax < 1 || kmax > movable.length)
		throw new RangeError(`kmax must be an integer in 1..${movable.length}, got ${kmax}`);
	if (!Number.isInteger(count) || count < kmax) throw new RangeError(`count must be an integer of at least kmax (${kmax}), got ${count}`);
	const random = new Random(seed);
	const contributions = new Float64Array(players);
	const variances = new Float64Array(players);
	let asked = 0;
	for (let removed = 0; removed < kmax; removed++) {
		const draws = Math.ceil(count / kmax);
		// Listing all coalitions of a size is exact: worth up to twice the share of a size that is sampled.
		const listed = binomial(movable.length, removed) <= 2 * draws;
		const sets = listed ? subsets(movable, removed) : Array.from({ length: draws }, () => random.sample(movable, removed));
		asked += sets.length;
		const moments = await momentsOf(
			predictor,
			sets.map((set) => Coalition.ofRemoved(players, set)),
			options,
		);
		for (const block of movable) {
			const { mean, variance } = moments[block] as Moments;
			contributions[block]! += mean / kmax;
			variances[block]! += listed ? 0 : variance / kmax ** 2;
		}
	}
	for (const block of frozen) {
		contributions[block] = Number.NaN;
		variances[block] = Number.NaN;
	}
	return {
		estimator: "surrogate-window",
		contributions,
		standardErrors: variances.map(Math.sqrt),
		errorsOf: "asking",
		scale: "value",
		masks: asked,
		seed,
		settings: { kmax },
	};
}

interface Moments {
	readonly mean: number;
	/** Standard error of the mean; NaN if it is over one coalition. */
	readonly variance: number;
}

/** Mean of f(m) - f(m without i) over the coalitions that keep i, for every block. NaN if no coalition keeps it. */
async function momentsOf(predictor: Predictor, masks: readonly Coalition[], options: SurrogateWindowOptions): Promise<Moments[]> {
	const { players } = predictor;
	const sums = new Float64Array(players);
	const squares = new Float64Array(players);
	const counts = new Float64Array(players);
	for (let start = 0; start < masks.length; start += SLICE) {
		const rows = toRows(masks.slice(start, start + SLICE), players);
		const marginals = marginalsOf(predictor, rows);
		for (const [at, marginal] of marginals.entries()) {
			if (rows[at] === 0) continue;
			sums[at % players]! += marginal;
			squares[at % players]! += marginal * marginal;
			counts[at % players]! += 1;
		}
		await options.pause?.();
		options.signal?.throwIfAborted();
	}
	return Array.from(sums, (sum, i) => {
		const n = counts[i] as number;
		const mean = sum / n;
		return { mean, variance: n > 1 ? Math.max(0, (squares[i] as number) / n - mean * mean) / (n - 1) : Number.NaN };
	});
}
