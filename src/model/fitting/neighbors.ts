import { cutsOf } from "./cuts.js";

/** The same sets with one run of removed blocks moved by one block, earlier or later; runs never touch. @param removed ascending */
export function shiftedRuns(removed: readonly number[], blocks: number): number[][] {
	const set = new Set(removed);
	return cutsOf(removed).flatMap(({ first, last }) => {
		const moved = (gone: number, come: number, beyond: number) =>
			come < 0 || come >= blocks || set.has(come) || set.has(beyond)
				? []
				: [[...removed.filter((block) => block !== gone), come].sort((a, b) => a - b)];
		return [...moved(last, first - 1, first - 2), ...moved(first, last + 1, last + 2)];
	});
}
