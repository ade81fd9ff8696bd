import { isAttention, keptParts, removedPositions } from "../../game/parts.js";
import { cutsOf, removedIn } from "./cuts.js";

/**
 * The same sets with one run of removed positions moved by one block, earlier or later; runs never touch. Each set is as a plan writes it:
 * an attention part beside a half-block cut is read as a block and an attention part.
 * @param removed ascending
 */
export function shiftedRuns(removed: readonly number[], blocks: number): number[][] {
	const kept = keptParts(blocks, removed);
	const moved = (from: number, to: number, beyond: number) => {
		// An attention part alone is a run of its own, which may stand beside others.
		const parts = isAttention(to) ? [2 * Math.floor(to)] : [2 * to, 2 * to + 1, beyond];
		const taken = parts.some((part) => kept[part] === false);
		if (taken || to < 0 || 2 * to + 1 >= 2 * blocks) return [];
		return [removedPositions(keptParts(blocks, [...removed.filter((position) => position !== from), to]))];
	};
	return runsOf(removed).flatMap(({ first, last }) => [...moved(last, first - 1, 2 * first - 3), ...moved(first, last + 1, 2 * last + 4)]);
}

/** Runs of positions that are one block apart: a cut holds several if only a feed-forward part is kept between. */
function runsOf(removed: readonly number[]): { first: number; last: number }[] {
	return cutsOf(removed).flatMap((cut) => {
		const positions = removedIn(cut, removed);
		const turn = positions.findIndex((position, i) => i > 0 && position !== positions[i - 1]! + 1);
		const { first, last } = cut;
		return turn < 0
			? [{ first, last }]
			: [
					{ first, last: positions[turn - 1]! },
					{ first: positions[turn]!, last },
				];
	});
}
