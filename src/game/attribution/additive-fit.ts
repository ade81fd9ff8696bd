import type { Coalition } from "../coalition.js";
import { solveSymmetric } from "./linear.js";

/** A measured set in an additive fit. */
export interface FittedSet {
	readonly coalition: Coalition;
	readonly value: number;
	/** Counts of one draw. */
	readonly weight: number;
	/** How often it was drawn. */
	readonly draws: number;
	/** Share of its like that was not measured, 0..1: a size that was measured completely has no sampling error. */
	readonly missing: number;
}

export interface AdditiveFit {
	/** One number per block of `movable`. */
	readonly values: Float64Array;
	/** Standard errors; NaN if a single set decides the value, so that its error cannot be seen. */
	readonly errors: Float64Array;
	/** Degrees of freedom of each error. */
	readonly degrees: Float64Array;
}

/** Below this share of a set's own noise in its residual, the fit is said to go through the set. */
const ALONE = 1e-6;

/**
 * v = constant + sum over kept blocks, by weighted least squares. The errors allow for noise that differs from set to set. Each residual
 * is the one that the set would have if it had not been fitted (HC3, MacKinnon and White 1985), since a fit of few sets follows each set.
 * Their degrees of freedom are Satterthwaite's: few sets may carry most of an error (Bell and McCaffrey 2002).
 * @param centered the errors are those of differences from the mean of all values; set it if the sum of the values is known otherwise
 * @internal
 */
export function additiveFit(rows: readonly FittedSet[], movable: readonly number[], { centered = false } = {}): AdditiveFit {
	const size = movable.length + 1;
	const gram = new Float64Array(size * size);
	const moment = new Float64Array(size);
	const features = rows.map(({ coalition }) => [0, ...movable.flatMap((block, index) => (coalition.has(block) ? [index + 1] : []))]);
	for (const [r, { value, weight, draws }] of rows.entries()) {
		for (const p of features[r] as readonly number[]) {
			moment[p]! += draws * weight * value;
			for (const q of features[r] as readonly number[]) gram[p * size + q]! += draws * weight;
		}
	}
	const { solution, inverse } = solveSymmetric(gram, moment);
	const errors = new Float64Array(movable.length);
	const expected = new Float64Array(movable.length);
	const squares = new Float64Array(movable.length);
	for (const [r, { value, weight, draws, missing }] of rows.entries()) {
		if (missing === 0) continue;
		const active = features[r] as readonly number[];
		const residual = value - active.reduce((sum, p) => sum + (solution[p] as number), 0);
		const pulls = Float64Array.from({ length: size }, (_, i) => active.reduce((sum, p) => sum + (inverse[i * size + p] as number), 0));
		const free = 1 - weight * active.reduce((sum, p) => sum + (pulls[p] as number), 0);
		const shared = centered ? pulls.subarray(1).reduce((a, b) => a + b, 0) / movable.length : 0;
		for (let i = 0; i < movable.length; i++) {
			const pull = weight * ((pulls[i + 1] as number) - shared);
			if (free < ALONE && Math.abs(pull) > ALONE) errors[i] = Number.NaN;
			else errors[i]! += draws * missing * ((pull * residual) / Math.max(ALONE, free)) ** 2;
			const share = (draws * missing * pull ** 2) / Math.max(ALONE, free);
			expected[i]! += share;
			squares[i]! += share ** 2;
		}
	}
	const degrees = expected.map((sum, i) => Math.min(rows.length - size, sum ** 2 / (squares[i] as number)));
	return { values: solution.slice(1), errors: errors.map(Math.sqrt), degrees };
}
