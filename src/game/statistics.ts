import { mixedError, mixedMean, type SourceShare } from "./sources.js";

/** NaN without values. */
export function average(values: ArrayLike<number>): number {
	let sum = 0;
	for (let i = 0; i < values.length; i++) sum += values[i] as number;
	return sum / values.length;
}

/**
 * Mean, and the standard error of the mean (undefined with fewer than two values). Not finite if any value is not.
 * @param sources origin of the values: the mean is then the weighted one over the sources
 */
export function meanAndError(
	values: ArrayLike<number>,
	sources?: readonly SourceShare[] | undefined,
): { mean: number; standardError: number | undefined } {
	if (sources) {
		const all = Float64Array.from(values);
		return { mean: mixedMean(all, sources), standardError: mixedError(all, sources) };
	}
	const n = values.length;
	const list = Array.from(values);
	const mean = list.reduce((sum, value) => sum + value, 0) / n;
	if (n < 2) return { mean, standardError: undefined };
	const variance = list.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1);
	return { mean, standardError: Math.sqrt(variance / n) };
}

/** 0.975 quantiles of Student's t distribution for 1 to 10 degrees of freedom. */
const quantiles = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228];

/** Standard errors on either side of a 95 % interval. Beyond ten degrees of freedom an expansion in 1 / degrees is off by less than 0.002. */
export function studentT95(degrees: number): number {
	const z = 1.95996;
	return quantiles[degrees - 1] ?? z + (z ** 3 + z) / (4 * degrees) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * degrees ** 2);
}

/** Difference of paired values, element by element. */
export function differences(a: ArrayLike<number>, b: ArrayLike<number>): Float64Array {
	return Float64Array.from({ length: a.length }, (_, i) => a[i]! - b[i]!);
}

/** A number for JSON: null replaces what is not finite. */
export function finite(value: number): number | null {
	return Number.isFinite(value) ? value : null;
}
