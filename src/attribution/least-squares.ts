import type { Sample } from "../game/sample.js";
import { binomial } from "../game/strata.js";
import type { Attribution } from "./attribution.js";
import { movableBlocks } from "./background.js";
import { solveSymmetric } from "./linear.js";

export interface LeastSquaresOptions {
	/** Most blocks that will be removed, 1..blocks that may go. */
	readonly kmax: number;
	/** Blocks that are no players; samples that lack one are left out. @default none */
	readonly frozen?: Iterable<number>;
}

/**
 * The window semivalue by weighted least squares on measured sets, as KernelSHAP does it for the Shapley value.
 * With p_s the semivalue's weight of one coalition of s players, an additive fit in which each coalition of size s weighs
 * p_(s-1) + p_s has the semivalue's differences between players exactly; their sum follows from windowed efficiency,
 * players / kmax * (1 - mean v at the smallest size). With `kmax` = all players it is the Shapley value.
 * The sets must be uniform inside each size (a window design and all single removals); a size that was not sampled is left out.
 * @param samples measured sets, the full model may be among them
 * @throws RangeError where fewer sets than players are in the window
 */
export function windowLeastSquares(samples: readonly Sample[], options: LeastSquaresOptions): Attribution {
	const { kmax } = options;
	const players = samples[0]?.coalition.players ?? 0;
	const frozen = new Set(options.frozen);
	const movable = movableBlocks(players, frozen, kmax);
	const strata = strataOf(samples, frozen, kmax);
	const rows = [...strata.values()].flat();
	if (rows.length < movable.length)
		throw new RangeError(`${rows.length} sets in the window are too few for ${movable.length} players; measure at least ${movable.length}`);
	const weights = weightsOf(movable.length, kmax, strata);
	const smallest = (strata.get(kmax) ?? []).map(({ value }) => value);
	// Where their sum is known otherwise, only the slopes' differences are taken from the fit: its error in what they share is none of theirs.
	const { values, errors } = additiveFit(rows, weights, missingShares(movable.length, strata), movable, smallest.length > 0);
	const level = smallest.length > 0 ? (movable.length / kmax) * (1 - mean(smallest)) : undefined;
	const levelError = level === undefined ? 0 : errorOfMean(smallest, binomial(movable.length, kmax)) / kmax;
	const shift = level === undefined ? 0 : (level - values.reduce((a, b) => a + b, 0)) / movable.length;
	const contributions = new Float64Array(players).fill(Number.NaN);
	const standardErrors = new Float64Array(players).fill(Number.NaN);
	for (const [index, block] of movable.entries()) {
		contributions[block] = (values[index] as number) + shift;
		standardErrors[block] = Math.hypot(errors[index] as number, levelError);
	}
	const degrees = new Float64Array(players).fill(rows.length - movable.length - 1);
	const facts = { scale: "value", masks: rows.length + 1, settings: { kmax } } as const;
	return { estimator: "window-least-squares", contributions, standardErrors, degrees, ...facts };
}

/** Distinct sets of 1..kmax removed players, by number removed. */
function strataOf(samples: readonly Sample[], frozen: ReadonlySet<number>, kmax: number): Map<number, Sample[]> {
	const strata = new Map<number, Sample[]>();
	for (const sample of new Map(samples.map((s) => [s.coalition.key, s])).values()) {
		const removed = sample.coalition.removed();
		if (removed.length < 1 || removed.length > kmax || removed.some((block) => frozen.has(block))) continue;
		strata.set(removed.length, [...(strata.get(removed.length) ?? []), sample]);
	}
	return strata;
}

/** Weight of each sampled set, in the order of the strata: that of its size shared by its sample. */
function weightsOf(players: number, kmax: number, strata: ReadonlyMap<number, readonly Sample[]>): Float64Array {
	const perCoalition = (kept: number) => (kept >= players - kmax && kept < players ? 1 / kmax / binomial(players - 1, kept) : 0);
	const weights: number[] = [];
	for (const [removed, list] of strata) {
		const kept = players - removed;
		const total = (perCoalition(kept - 1) + perCoalition(kept)) * binomial(players, kept);
		weights.push(...list.map(() => total / list.length));
	}
	return Float64Array.from(weights);
}

/** Share of its size's sets that was not measured, for each sampled set: a size that was measured whole has no sampling error. */
function missingShares(players: number, strata: ReadonlyMap<number, readonly Sample[]>): Float64Array {
	const shares: number[] = [];
	for (const [removed, list] of strata) shares.push(...list.map(() => 1 - list.length / binomial(players, removed)));
	return Float64Array.from(shares);
}

/** v = constant + sum over kept players, weighted; errors allow for noise that differs from set to set. */
function additiveFit(rows: readonly Sample[], weights: Float64Array, missing: Float64Array, movable: readonly number[], centred: boolean) {
	const size = movable.length + 1;
	const gram = new Float64Array(size * size);
	const moment = new Float64Array(size);
	const features = rows.map(({ coalition }) => [0, ...movable.flatMap((block, index) => (coalition.has(block) ? [index + 1] : []))]);
	for (const [r, row] of rows.entries()) {
		const weight = weights[r] as number;
		for (const p of features[r] as readonly number[]) {
			moment[p]! += weight * row.value;
			for (const q of features[r] as readonly number[]) gram[p * size + q]! += weight;
		}
	}
	const { solution, inverse } = solveSymmetric(gram, moment);
	const errors = new Float64Array(movable.length);
	for (const [r, row] of rows.entries()) {
		const active = features[r] as readonly number[];
		const residual = row.value - active.reduce((sum, p) => sum + (solution[p] as number), 0);
		const pulls = errors.map((_, i) => active.reduce((sum, p) => sum + (inverse[(i + 1) * size + p] as number), 0));
		const shared = centred ? mean([...pulls]) : 0;
		for (const [i, pull] of pulls.entries())
			errors[i]! += (missing[r] as number) * ((weights[r] as number) * residual * (pull - shared)) ** 2;
	}
	return { values: solution.slice(1), errors: errors.map(Math.sqrt) };
}

/** Of a mean over some of `all` sets; unknown for one of several. */
function errorOfMean(values: readonly number[], all: number): number {
	const missing = 1 - values.length / all;
	if (missing <= 0) return 0;
	const centre = mean(values);
	const squares = values.reduce((sum, value) => sum + (value - centre) ** 2, 0);
	return values.length > 1 ? Math.sqrt((missing * squares) / (values.length - 1) / values.length) : Number.NaN;
}

function mean(values: readonly number[]): number {
	return values.reduce((a, b) => a + b, 0) / values.length;
}
