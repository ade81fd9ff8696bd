import type { Coalition } from "../coalition.js";
import type { Granularity } from "../pairs.js";
import type { LossFunction } from "../predictor.js";
import { rowLength, type Sample, toRows } from "../sample.js";
import { type Coefficients, design, leaveOneOutError, linkOf, type Solution, solveDual, solvePrimal } from "./pairwise-solve.js";
import {
	type FitReport,
	type PartFitOptions,
	playersOf,
	removedOfRows,
	type PosteriorSurrogate,
	thinned,
	valueOfLink,
} from "./surrogate.js";

export interface PairwiseOptions extends PartFitOptions {
	/** Penalties on pair coefficients to choose from, by leave-one-out error in closed form. A single one is used directly. @default 0.001 to 10 */
	readonly penalties?: readonly number[];
	/** Penalty on a block's own coefficient, as a share of that on pairs: single removals matter more. @default 0.03 */
	readonly linearShare?: number;
	/** Most coalitions to use if pairs outnumber them (the cost grows with the cube), evenly spaced. @default 1600 */
	readonly maxMasks?: number;
}

const PENALTIES = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10];
/** Coalitions that choose the penalty: more cost time and change nothing. */
const TUNING_MASKS = 400;

/**
 * Fits log(1 + added loss) = sum of a_i over removed blocks + sum of b_ij over removed pairs by ridge regression.
 * Anchored: the original model has added loss 0 exactly. With granularity `half-block` the sums are over removed parts and pairs of parts.
 * @throws RangeError for no samples or an option out of range
 */
export async function fitPairwise(samples: readonly Sample[], options: PairwiseOptions = {}): Promise<PairwiseSurrogate> {
	const { granularity = "block" } = options;
	const players = playersOf(samples, granularity);
	const units = rowLength(players, granularity);
	const share = positive(options.linearShare ?? 0.03, "linearShare");
	const penalties = (options.penalties ?? PENALTIES).map((penalty) => positive(penalty, "penalty"));
	const features = units + (units * (units - 1)) / 2;
	const limit = positive(options.maxMasks ?? 1600, "maxMasks");
	const byPairs = features <= Math.min(samples.length, limit);
	const used = byPairs ? samples : thinned(samples, limit);
	const tuning = design(thinned(used, TUNING_MASKS), players, granularity);
	let best = { penalty: penalties[0] as number, error: Number.POSITIVE_INFINITY };
	for (const penalty of penalties.length > 1 ? penalties : []) {
		await options.pause?.();
		options.signal?.throwIfAborted();
		const error = leaveOneOutError(tuning, penalty, penalty * share);
		if (error < best.error) best = { penalty, error };
	}
	await options.pause?.();
	const solve = byPairs ? solvePrimal : solveDual;
	const solution = solve(design(used, players, granularity), best.penalty, best.penalty * share);
	const settings = { penalty: best.penalty, linearShare: share, noise: Math.sqrt(solution.noise) };
	return new PairwiseSurrogate({ players, granularity }, solution, { masks: used.length, settings });
}

function positive(value: number, name: string): number {
	if (!(value > 0)) throw new RangeError(`${name} must be above 0, got ${value}`);
	return value;
}

/** A quadratic loss in the link scale; a flip costs one row of pairs. */
class QuadraticLoss implements LossFunction {
	readonly #c: Coefficients;

	constructor(c: Coefficients) {
		this.#c = c;
	}

	of(removed: Uint8Array): number {
		const blocks: number[] = [];
		for (let i = 0; i < removed.length; i++) if (removed[i] === 1) blocks.push(i);
		return linkOf(this.#c, blocks);
	}

	flip(removed: Uint8Array, block: number): number {
		const { linear, pairs } = this.#c;
		const players = linear.length;
		let change = linear[block] as number;
		for (let j = 0; j < players; j++) if (j !== block && removed[j] === 1) change += pairs[block * players + j] as number;
		return removed[block] === 1 ? -change : change;
	}
}

interface PairwiseBoard {
	/** Number of blocks. */
	readonly players: number;
	readonly granularity: Granularity;
}

/** Blocks (or parts) and pairs of them, additive in log(1 + added loss). A positive pair is redundant: removing both costs more. */
export class PairwiseSurrogate implements PosteriorSurrogate, Coefficients {
	readonly kind = "pairwise-ridge";
	readonly players: number;
	readonly granularity: Granularity;
	readonly fit: FitReport;
	readonly linear: Float64Array;
	readonly pairs: Float64Array;
	readonly #solution: Solution;

	/** @internal */
	constructor({ players, granularity }: PairwiseBoard, solution: Solution, fit: FitReport) {
		this.players = players;
		this.granularity = granularity;
		this.linear = solution.linear;
		this.pairs = solution.pairs;
		this.fit = fit;
		this.#solution = solution;
	}

	predict(coalitions: readonly Coalition[]): Float64Array {
		return Float64Array.from(this.#lists(coalitions), (removed) => valueOfLink(linkOf(this, removed)));
	}

	predictLinks(coalitions: readonly Coalition[]): { mean: Float64Array; sd: Float64Array } {
		const lists = this.#lists(coalitions);
		const { noise } = this.#solution;
		return {
			mean: Float64Array.from(lists, (removed) => linkOf(this, removed)),
			sd: Float64Array.from(lists, (removed) => Math.sqrt(this.#solution.variance(removed) + noise)),
		};
	}

	marginals(rows: Uint8Array): Float64Array {
		const { players } = this;
		const result = new Float64Array(rows.length);
		const loss = this.mean();
		for (const [row, removed] of removedOfRows(rows, players).entries()) {
			const flags = rows.subarray(row * players, (row + 1) * players).map((kept) => 1 - kept);
			const link = linkOf(this, removed);
			const here = valueOfLink(link);
			for (let i = 0; i < players; i++) {
				const there = valueOfLink(link + loss.flip(flags, i));
				result[row * players + i] = flags[i] === 1 ? there - here : here - there;
			}
		}
		return result;
	}

	mean(): LossFunction {
		return new QuadraticLoss(this);
	}

	draw(normal: () => number): LossFunction {
		return new QuadraticLoss(this.#solution.draw(normal));
	}

	toValue(loss: number): number {
		return valueOfLink(loss);
	}

	#lists(coalitions: readonly Coalition[]): number[][] {
		return removedOfRows(toRows(coalitions, this.players, this.granularity), this.linear.length);
	}

	/** Coefficients of one posterior draw; many draws give the interval of any function of them. */
	drawCoefficients(normal: () => number): Coefficients {
		return this.#solution.draw(normal);
	}
}
