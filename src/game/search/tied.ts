import type { Measurement } from "../game.js";
import { meanLoss } from "../game.js";
import { differences, meanAndError } from "../statistics.js";

/** A measured set that is statistically tied with the best one of its size. */
export interface TiedSet {
	readonly removed: readonly number[];
	/** Loss above that of the best set, nats per token. */
	readonly above: number;
	/** Standard error of that difference, paired by window; 0 if there is only one window, or a source with only one. */
	readonly standardError: number;
}

/** Sets of a size that a search names at most. */
export const TIED_SETS = 16;

/**
 * For each size, the measured sets whose loss is not surely above the best one's: less than `z` standard errors of the paired difference, or
 * less than `eps`. The best one comes first; there are at most `limit` per size.
 */
export function tiedSets(
	measurements: Iterable<Measurement>,
	options: { readonly z?: number; readonly eps?: number; readonly limit?: number } = {},
): Map<number, TiedSet[]> {
	const { z = 1.645, eps = 0.002, limit = TIED_SETS } = options;
	const bySize = new Map<number, Measurement[]>();
	for (const measurement of measurements) {
		const count = measurement.coalition.removals;
		if (count > 0 && Number.isFinite(meanLoss(measurement))) bySize.set(count, [...(bySize.get(count) ?? []), measurement]);
	}
	const result = new Map<number, TiedSet[]>();
	for (const [count, sets] of [...bySize].sort(([a], [b]) => a - b)) {
		sets.sort((a, b) => meanLoss(a) - meanLoss(b));
		const best = sets[0] as Measurement;
		const near = sets
			.map((set) => ({ removed: set.coalition.removed(), ...pairedDifference(set, best) }))
			.filter(({ above, standardError }) => above <= Math.max(eps, z * standardError));
		result.set(count, near.slice(0, limit));
	}
	return result;
}

function pairedDifference(a: Measurement, b: Measurement): { above: number; standardError: number } {
	const { mean, standardError = 0 } = meanAndError(differences(a.losses, b.losses), a.sources);
	return { above: mean, standardError };
}
