import type { MixedTerms } from "./mixed-loss.js";

/** Parity terms in a draw. */
const PARITIES = 256;

/**
 * A draw from a process over sets of removed blocks with covariance scale^2 exp(-sum of `steps` of the blocks in which two sets differ).
 * That is the mean over random sets T of parity_T(a) parity_T(b), where each block is in T with probability (1 - exp(-step)) / 2. These
 * parities are the characters on the cube.
 */
export function drawParities(steps: Float64Array, scale: number, normal: () => number): NonNullable<MixedTerms["parities"]> {
	const chances = steps.map((step) => (1 - Math.exp(-step)) / 2);
	// A uniform number from a normal one, since the caller passes only `normal`.
	const uniform = () => 0.5 * (1 + erf(normal() / Math.SQRT2));
	const blocks = Array.from({ length: PARITIES }, () => [...chances.keys()].filter((i) => uniform() < (chances[i] as number)));
	return { blocks, heights: Float64Array.from(blocks, () => scale * Math.sqrt(1 / PARITIES) * normal()) };
}

/** Error function to seven digits (Abramowitz and Stegun 7.1.26 has less than 2e-7). */
function erf(x: number): number {
	const t = 1 / (1 + 0.3275911 * Math.abs(x));
	const poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
	const value = 1 - poly * Math.exp(-x * x);
	return x < 0 ? -value : value;
}
