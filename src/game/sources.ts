/** Windows of one calibration source, consecutive in a measurement, and the weight of their mean. */
export interface SourceShare {
	/** For people, for example a file's name. */
	readonly name: string;
	/** Windows. */
	readonly count: number;
	/** Above 0; only the ratios count. */
	readonly weight: number;
}

/** The windows of each source. `values` holds one number per window, source by source. */
export function bySource(values: Float64Array, sources: readonly SourceShare[]): Float64Array[] {
	let at = 0;
	return sources.map(({ count }) => {
		at += count;
		return values.subarray(at - count, at);
	});
}

/** Windows behind an error that is taken source by source: with several sources the fewest of any one. @param count windows in all */
export function fewestWindows(count: number, sources: readonly Pick<SourceShare, "count">[] | undefined): number {
	return sources ? Math.min(...sources.map((source) => source.count)) : count;
}

/** Weighted mean over the sources of the mean over their windows. */
export function mixedMean(values: Float64Array, sources: readonly SourceShare[]): number {
	const total = sources.reduce((sum, { weight }) => sum + weight, 0);
	return bySource(values, sources).reduce((sum, part, i) => sum + (sources[i]!.weight / total) * meanOf(part), 0);
}

/** Standard error of {@link mixedMean}, windows drawn within each source; undefined if a source has a single window. */
export function mixedError(values: Float64Array, sources: readonly SourceShare[]): number | undefined {
	if (sources.some(({ count }) => count < 2)) return undefined;
	const total = sources.reduce((sum, { weight }) => sum + weight, 0);
	const variance = bySource(values, sources).reduce((sum, part, i) => {
		const mean = meanOf(part);
		const spread = part.reduce((squares, value) => squares + (value - mean) ** 2, 0) / (part.length - 1);
		return sum + (sources[i]!.weight / total) ** 2 * (spread / part.length);
	}, 0);
	return Math.sqrt(variance);
}

function meanOf(values: Float64Array): number {
	return values.reduce((sum, value) => sum + value, 0) / values.length;
}
