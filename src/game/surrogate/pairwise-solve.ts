import type { Granularity } from "../pairs.js";
import { removedUnits, rowLength, type Sample } from "../sample.js";
import { Cholesky } from "./cholesky.js";
import { linkOfLoss } from "./surrogate.js";

// Ridge regression on blocks and pairs of blocks: over coalitions or over coefficients, whichever are fewer.

/** Data of a fit: removed blocks (or parts) of each coalition, and log(1 + added loss). */
export interface Design {
	/** Blocks, or parts of blocks. */
	readonly players: number;
	readonly removed: readonly (readonly number[])[];
	readonly targets: Float64Array;
}

/** @param players number of blocks */
export function design(samples: readonly Sample[], players: number, granularity: Granularity = "block"): Design {
	return {
		players: rowLength(players, granularity),
		removed: samples.map((sample) => removedUnits(sample.coalition, granularity)),
		targets: Float64Array.from(samples, (sample) => linkOfLoss(sample.addedLoss)),
	};
}

/** Coefficients: `linear` of each block, `pairs` symmetric players x players with a zero diagonal. */
export interface Coefficients {
	readonly linear: Float64Array;
	readonly pairs: Float64Array;
}

export interface Solution extends Coefficients {
	/** Variance of the noise and of what the model does not explain, link scale. */
	readonly noise: number;
	/** A draw from the posterior. */
	draw(normal: () => number): Coefficients;
	/** Posterior variance of the link of a set of removed blocks, without noise. */
	variance(removed: readonly number[]): number;
}

/** Product of two coalitions' feature vectors: the blocks removed in both (c) and the pairs of those (c over 2). */
function kernelOf(removed: readonly number[], flags: Uint8Array, penalty: number, linearPenalty: number): number {
	let common = 0;
	for (const block of removed) common += flags[block] as number;
	return common / linearPenalty + (common * (common - 1)) / (2 * penalty);
}

/** One byte per block, 1 removed. */
function flagsOf(removed: readonly number[], players: number): Uint8Array {
	const flags = new Uint8Array(players);
	for (const block of removed) flags[block] = 1;
	return flags;
}

/** Coalitions x coalitions, with the noise's share on the diagonal. */
function kernelMatrix(d: Design, penalty: number, linearPenalty: number): Float64Array {
	const m = d.removed.length;
	const flags = d.removed.map((removed) => flagsOf(removed, d.players));
	const matrix = new Float64Array(m * m);
	for (let a = 0; a < m; a++) {
		for (let b = 0; b <= a; b++) {
			matrix[a * m + b] = kernelOf(d.removed[b] as readonly number[], flags[a] as Uint8Array, penalty, linearPenalty) + (a === b ? 1 : 0);
		}
	}
	return matrix;
}

/** Mean squared error of predicting each coalition from all others, without refitting. Repeats would lower it, so only the first counts. */
export function leaveOneOutError(d: Design, penalty: number, linearPenalty: number): number {
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

/** More pair coefficients than coalitions: solved over coalitions. */
export function solveDual(d: Design, penalty: number, linearPenalty: number): Solution {
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
		// A draw from the prior, corrected by the data.
		draw(normal) {
			const sd = Math.sqrt(noise);
			const prior = zeros(d.players);
			for (let i = 0; i < d.players; i++) {
				prior.linear[i] = (sd * normal()) / Math.sqrt(linearPenalty);
				for (let j = 0; j < i; j++) setPair(prior, i, j, (sd * normal()) / Math.sqrt(penalty));
			}
			const missing = d.targets.map((target, row) => target - linkOf(prior, d.removed[row] as readonly number[]) - sd * normal());
			return gather(factor.solve(missing), prior);
		},
		variance(removed) {
			const flags = flagsOf(removed, d.players);
			const covariances = Float64Array.from(d.removed, (row) => kernelOf(row, flags, penalty, linearPenalty));
			const explained = factor.forward(covariances).reduce((sum, x) => sum + x * x, 0);
			return noise * Math.max(0, kernelOf(removed, flags, penalty, linearPenalty) - explained);
		},
	};
}

/** More coalitions than coefficients: solved over coefficients (blocks first, then pairs). */
export function solvePrimal(d: Design, penalty: number, linearPenalty: number): Solution {
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
		variance(removed) {
			const features = new Float64Array(size);
			for (const p of featuresOf(removed, players)) features[p] = 1;
			return noise * factor.forward(features).reduce((sum, x) => sum + x * x, 0);
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
	const unpacked = { linear: solution.slice(0, players), pairs: new Float64Array(players * players) };
	for (let i = 0; i < players; i++) for (let j = 0; j < i; j++) setPair(unpacked, i, j, solution[pairIndex(i, j, players)] as number);
	return unpacked;
}

function zeros(players: number): Coefficients {
	return { linear: new Float64Array(players), pairs: new Float64Array(players * players) };
}

function setPair({ linear: { length: players }, pairs }: Coefficients, i: number, j: number, value: number): void {
	pairs[i * players + j] = value;
	pairs[j * players + i] = value;
}

/** The link of a set of removed blocks. */
export function linkOf(c: Coefficients, removed: readonly number[]): number {
	const players = c.linear.length;
	let sum = 0;
	for (const [a, i] of removed.entries()) {
		sum += c.linear[i] as number;
		for (let b = 0; b < a; b++) sum += c.pairs[i * players + (removed[b] as number)] as number;
	}
	return sum;
}
