import type { Coalition } from "../game/coalition.js";
import type { LossFunction, Posterior } from "../game/predictor.js";
import { type Sample, toRows } from "../game/sample.js";
import { Cholesky } from "./cholesky.js";
import {
	type FitOptions,
	type FitReport,
	linkOfLoss,
	playersOf,
	removedOfRows,
	type Surrogate,
	thinned,
	valueOfLink,
} from "./surrogate.js";

export interface PairwiseOptions extends FitOptions {
	/** Penalties on pair coefficients to choose from, by leave-one-out error in closed form. One is used as it is. @default 0.001 to 10 */
	readonly penalties?: readonly number[];
	/** Penalty on a block's own coefficient, as a share of that on pairs: single removals matter more. @default 0.03 */
	readonly linearShare?: number;
	/** Masks to use at most where pairs outnumber them (the cost grows with the cube), evenly spaced. @default 1600 */
	readonly maxMasks?: number;
}

const PENALTIES = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10];
/** Masks from which the penalty is chosen: more cost time and change nothing. */
const TUNING_MASKS = 400;

/**
 * Fits log(1 + added loss) = sum of a_i over removed blocks + sum of b_ij over removed pairs by ridge regression.
 * Anchored: the full model has added loss 0 exactly.
 * @throws RangeError for no samples or an option out of range
 */
export async function fitPairwise(samples: readonly Sample[], options: PairwiseOptions = {}): Promise<PairwiseSurrogate> {
	const players = playersOf(samples);
	const share = positive(options.linearShare ?? 0.03, "linearShare");
	const penalties = (options.penalties ?? PENALTIES).map((penalty) => positive(penalty, "penalty"));
	const features = players + (players * (players - 1)) / 2;
	const limit = positive(options.maxMasks ?? 1600, "maxMasks");
	const byPairs = features <= Math.min(samples.length, limit);
	const used = byPairs ? samples : thinned(samples, limit);
	const tuning = design(thinned(used, TUNING_MASKS), players);
	let best = { penalty: penalties[0] as number, error: Number.POSITIVE_INFINITY };
	for (const penalty of penalties.length > 1 ? penalties : []) {
		await options.pause?.();
		options.signal?.throwIfAborted();
		const error = leaveOneOutError(tuning, penalty, penalty * share);
		if (error < best.error) best = { penalty, error };
	}
	await options.pause?.();
	const solve = byPairs ? solvePrimal : solveDual;
	const solution = solve(design(used, players), best.penalty, best.penalty * share);
	const settings = { penalty: best.penalty, linearShare: share, noise: Math.sqrt(solution.noise) };
	return new PairwiseSurrogate(players, solution, { masks: used.length, settings });
}

function positive(value: number, name: string): number {
	if (!(value > 0)) throw new RangeError(`${name} must be above 0, got ${value}`);
	return value;
}

interface Design {
	readonly players: number;
	readonly removed: readonly (readonly number[])[];
	readonly targets: Float64Array;
}

function design(samples: readonly Sample[], players: number): Design {
	return {
		players,
		removed: samples.map((sample) => sample.coalition.removed()),
		targets: Float64Array.from(samples, (sample) => linkOfLoss(sample.addedLoss)),
	};
}

/** Coefficients: `linear` of each block, `pairs` symmetric players x players with a zero diagonal. */
export interface Coefficients {
	readonly linear: Float64Array;
	readonly pairs: Float64Array;
}

interface Solution extends Coefficients {
	/** Variance of what the model does not explain, link scale. */
	readonly noise: number;
	draw(normal: () => number): Coefficients;
}

/** Masks x masks. Two masks' feature vectors meet in the blocks removed in both (c) and the pairs of those (c over 2). */
function kernelMatrix(d: Design, penalty: number, linearPenalty: number): Float64Array {
	const m = d.removed.length;
	const flags = d.removed.map((removed) => {
		const row = new Uint8Array(d.players);
		for (const block of removed) row[block] = 1;
		return row;
	});
	const matrix = new Float64Array(m * m);
	for (let a = 0; a < m; a++) {
		for (let b = 0; b <= a; b++) {
			let common = 0;
			for (const block of d.removed[b] as readonly number[]) common += (flags[a] as Uint8Array)[block] as number;
			matrix[a * m + b] = common / linearPenalty + (common * (common - 1)) / (2 * penalty) + (a === b ? 1 : 0);
		}
	}
	return matrix;
}

/** Mean squared error of predicting each mask from all others, without refitting. Repeated masks would flatter it: only the first counts. */
function leaveOneOutError(d: Design, penalty: number, linearPenalty: number): number {
	const distinct = new Map(d.removed.map((removed, i) => [removed.join(), i]));
	const kept = [...distinct.values()];
	const reduced: Design = {
		players: d.players,
		removed: kept.map((i) => d.removed[i] as readonly number[]),
		targets: Float64Array.from(kept, (i) => d.targets[i] as number),
	};
	const factor = new Cholesky(kernelMatrix(reduced, penalty, linearPenalty), kept.length);
	const alpha = factor.solve(reduced.targets);
	const diagonal = factor.inverseDiagonal();
	return alpha.reduce((sum, a, i) => sum + (a / (diagonal[i] as number)) ** 2, 0) / kept.length;
}

/** More pair coefficients than masks: solved over masks. */
function solveDual(d: Design, penalty: number, linearPenalty: number): Solution {
	const m = d.removed.length;
	const factor = new Cholesky(kernelMatrix(d, penalty, linearPenalty), m);
	const alpha = factor.solve(d.targets);
	const noise = alpha.reduce((sum, a, i) => sum + a * (d.targets[i] as number), 0) / m;
	const gather = (dual: Float64Array, start: Coefficients): Coefficients => {
		const { linear, pairs } = start;
		for (const [row, removed] of d.removed.entries()) {
			const a = dual[row] as number;
			for (const i of removed) {
				linear[i]! += a / linearPenalty;
				for (const j of removed) if (i !== j) pairs[i * d.players + j]! += a / penalty;
			}
		}
		return start;
	};
	return {
		...gather(alpha, zeros(d.players)),
		noise,
		// A draw from the prior, corrected by what the data says about it.
		draw(normal) {
			const sd = Math.sqrt(noise);
			const prior = zeros(d.players);
			for (let i = 0; i < d.players; i++) {
				prior.linear[i] = (sd * normal()) / Math.sqrt(linearPenalty);
				for (let j = 0; j < i; j++) setPair(prior.pairs, d.players, i, j, (sd * normal()) / Math.sqrt(penalty));
			}
			const missing = d.targets.map((target, row) => target - linkOf(prior, d.removed[row] as readonly number[]) - sd * normal());
			return gather(factor.solve(missing), prior);
		},
	};
}

/** More masks than coefficients: solved over coefficients (blocks first, then pairs). */
function solvePrimal(d: Design, penalty: number, linearPenalty: number): Solution {
	const { players } = d;
	const size = players + (players * (players - 1)) / 2;
	const matrix = new Float64Array(size * size);
	const moment = new Float64Array(size);
	let squares = 0;
	for (const [row, removed] of d.removed.entries()) {
		const active = featuresOf(removed, players);
		const target = d.targets[row] as number;
		squares += target * target;
		for (const p of active) {
			moment[p]! += target;
			for (const q of active) if (q <= p) matrix[p * size + q]! += 1;
		}
	}
	for (let p = 0; p < size; p++) matrix[p * size + p]! += p < players ? linearPenalty : penalty;
	const factor = new Cholesky(matrix, size);
	const solution = factor.solve(moment);
	const noise = Math.max(0, squares - solution.reduce((sum, w, p) => sum + w * (moment[p] as number), 0)) / d.removed.length;
	return {
		...unpack(solution, players),
		noise,
		draw(normal) {
			const sd = Math.sqrt(noise);
			const shift = factor.backward(Float64Array.from({ length: size }, () => sd * normal()));
			return unpack(
				shift.map((x, p) => x + (solution[p] as number)),
				players,
			);
		},
	};
}

function featuresOf(removed: readonly number[], players: number): number[] {
	const active = removed.slice();
	for (const [a, i] of removed.entries()) {
		for (let b = 0; b < a; b++) active.push(pairIndex(i, removed[b] as number, players));
	}
	return active;
}

/** Place of pair (i, j), j < i, after the players' own coefficients. */
function pairIndex(i: number, j: number, players: number): number {
	return players + (i * (i - 1)) / 2 + j;
}

function unpack(solution: Float64Array, players: number): Coefficients {
	const { pairs } = zeros(players);
	for (let i = 0; i < players; i++) for (let j = 0; j < i; j++) setPair(pairs, players, i, j, solution[pairIndex(i, j, players)] as number);
	return { linear: solution.slice(0, players), pairs };
}

function zeros(players: number): Coefficients {
	return { linear: new Float64Array(players), pairs: new Float64Array(players * players) };
}

function setPair(pairs: Float64Array, players: number, i: number, j: number, value: number): void {
	pairs[i * players + j] = value;
	pairs[j * players + i] = value;
}

function linkOf(c: Coefficients, removed: readonly number[]): number {
	const players = c.linear.length;
	let sum = 0;
	for (const [a, i] of removed.entries()) {
		sum += c.linear[i] as number;
		for (let b = 0; b < a; b++) sum += c.pairs[i * players + (removed[b] as number)] as number;
	}
	return sum;
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

/** Blocks and pairs of blocks, additive in log(1 + added loss). A positive pair is a pair of substitutes: losing both costs more. */
export class PairwiseSurrogate implements Surrogate, Posterior, Coefficients {
	readonly kind = "pairwise-ridge";
	readonly players: number;
	readonly fit: FitReport;
	readonly linear: Float64Array;
	readonly pairs: Float64Array;
	readonly #solution: Solution;

	/** @internal */
	constructor(players: number, solution: Solution, fit: FitReport) {
		this.players = players;
		this.linear = solution.linear;
		this.pairs = solution.pairs;
		this.fit = fit;
		this.#solution = solution;
	}

	predict(coalitions: readonly Coalition[]): Float64Array {
		return Float64Array.from(removedOfRows(toRows(coalitions, this.players), this.players), (removed) =>
			valueOfLink(linkOf(this, removed)),
		);
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

	/** Coefficients of one posterior draw: intervals of anything computed from them come from many. */
	drawCoefficients(normal: () => number): Coefficients {
		return this.#solution.draw(normal);
	}
}
