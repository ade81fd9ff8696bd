import type { ShiftedPairCost } from "../../api/measure.js";
import { type Measurement, meanLoss } from "../../game/game.js";
import { differences, meanAndError } from "../../game/statistics.js";

/**
 * What each shifted pair adds alone, in the order of the blocks; those of no finite loss are left out.
 * @param measured any candidates, the original model among them
 */
export function shiftedPairCosts(measured: readonly Measurement[]): ShiftedPairCost[] {
	const full = measured.find(({ coalition }) => coalition.isFull);
	if (!full) return [];
	const alone = measured.filter(({ coalition }) => coalition.removals === 1 && coalition.removed()[0]! % 1 === 0.5);
	return alone
		.map((pair) => {
			const { standardError } = meanAndError(differences(pair.losses, full.losses), pair.sources);
			const added = meanLoss(pair) - meanLoss(full);
			return { removed: pair.coalition.removed(), added, ...(Number.isFinite(standardError) ? { standardError } : {}) };
		})
		.filter(({ added }) => Number.isFinite(added))
		.sort((a, b) => a.removed[0]! - b.removed[0]!);
}
