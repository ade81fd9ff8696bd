// Sets with half-block cuts beside those without.
import type { Coalition } from "../../game/coalition.js";
import { holdsCut } from "../../game/parts.js";

/** Whether no half-block cut is among what is removed: there are so many of these that the best one measured is often best by chance. */
export const isWithoutCuts = (coalition: Coalition): boolean => coalition.whole || !holdsCut(coalition.removed());

/** What a set adds, as far as its mean says. */
interface Costed {
	readonly removed: readonly number[];
	readonly added: number | null;
}

/**
 * The set that stands for each size where no comparison has decided, the largest size first. Sets without half-block cuts come before those with
 * them, since a run takes these only if they are surely better; then the one that adds least. Those that break the model are left out.
 */
export function standingForSizes<S extends Costed>(sets: readonly S[]): S[] {
	const ordered = sets
		.filter(({ added }) => Number.isFinite(added))
		.sort(
			(a, b) => b.removed.length - a.removed.length || Number(holdsCut(a.removed)) - Number(holdsCut(b.removed)) || a.added! - b.added!,
		);
	return ordered.filter(({ removed: { length } }, i) => ordered[i - 1]?.removed.length !== length);
}
