/** Mean, and the standard error of the mean (undefined with fewer than two values). Not finite where any value is not. */
export function meanAndError(values: ArrayLike<number>): { mean: number; standardError: number | undefined } {
	const n = values.length;
	const list = Array.from(values);
	const mean = list.reduce((sum, value) => sum + value, 0) / n;
	if (n < 2) return { mean, standardError: undefined };
	const variance = list.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1);
	return { mean, standardError: Math.sqrt(variance / n) };
}

/** Difference of paired values, element by element. */
export function differences(a: ArrayLike<number>, b: ArrayLike<number>): Float64Array {
	return Float64Array.from({ length: a.length }, (_, i) => a[i]! - b[i]!);
}

/** A number as JSON can hold it: null stands for what is not finite. */
export function finite(value: number): number | null {
	return Number.isFinite(value) ? value : null;
}
