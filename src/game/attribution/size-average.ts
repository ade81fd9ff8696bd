import { average } from "../statistics.js";

/** Marginals of one player that lack the same number of others. */
export interface SeenSize {
	readonly values: readonly number[];
	/** Whether these are all that exist, so that their mean has no error. */
	readonly whole: boolean;
}

export interface SizeAverage {
	/** NaN if no size was seen. */
	readonly mean: number;
	/** Variance of the mean; NaN if it cannot be known. */
	readonly variance: number;
	/** Degrees of freedom of the variance, after Welch and Satterthwaite; infinite if there is no variance. */
	readonly degrees: number;
	/** Mean of each size; NaN for one that was not seen. */
	readonly means: readonly number[];
	/** Sizes that were seen. */
	readonly sizes: number;
}

/**
 * Every size counts the same. A size that was not seen is left out of the mean, and its share of the variance is then unknown. A size that
 * was seen once takes the variance inside the sizes that were seen more often.
 * @internal
 */
export function averageOfSizes(bySize: readonly SeenSize[]): SizeAverage {
	const means = bySize.map(({ values }) => average(values));
	const squares = bySize.map(({ values }, s) => values.reduce((sum, value) => sum + (value - (means[s] as number)) ** 2, 0));
	const seen = [...bySize.keys()].filter((s) => bySize[s]!.values.length > 0);
	const pooledDegrees = seen.reduce((sum, s) => sum + bySize[s]!.values.length - 1, 0);
	const pooled = seen.reduce((sum, s) => sum + (squares[s] as number), 0) / pooledDegrees;
	let once = 0;
	let variance = 0;
	/** Sizes that were seen once share one estimate of their variance. */
	let uncertainty = 0;
	for (const s of seen) {
		const { values, whole } = bySize[s]!;
		if (whole) continue;
		if (values.length === 1) once += pooled;
		else {
			const own = (squares[s] as number) / (values.length - 1) / values.length;
			variance += own;
			uncertainty += own ** 2 / (values.length - 1);
		}
	}
	if (once > 0) uncertainty += once ** 2 / pooledDegrees;
	variance += once;
	return {
		mean: seen.reduce((sum, s) => sum + (means[s] as number), 0) / seen.length,
		variance: seen.length < bySize.length ? Number.NaN : variance / seen.length ** 2,
		degrees: uncertainty > 0 ? Math.max(1, Math.floor(variance ** 2 / uncertainty)) : Number.POSITIVE_INFINITY,
		means,
		sizes: seen.length,
	};
}
