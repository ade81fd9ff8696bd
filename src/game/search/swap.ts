import { Coalition } from "../coalition.js";
import type { Game } from "../game.js";
import { descend } from "./greedy.js";
import { coalitionOfFlags, flagsOf, type SwapSpace, swapNeighbors, swapSpaceOf } from "./proposals.js";
import { Search, type SearchOptions, type SearchResult } from "./search.js";

export interface SwapSearchOptions extends SearchOptions {
	/** Sizes to improve. @default kmax alone: each step of a size costs up to k * (n - k) coalitions */
	readonly counts?: readonly number[];
	/** Most distinct coalitions to measure after the greedy start; a neighborhood that does not fit is not begun. @default no limit */
	readonly width?: number;
	/** Distinct coalitions to measure at most after the greedy start; a neighborhood that does not fit is not begun. @default no limit */
	readonly budget?: number;
}

/** Lazy greedy, then the best exchange of a removed for a kept block. Every exchange is measured, until none helps: a proven local optimum. */
export async function swapSearch(game: Game, options: SwapSearchOptions): Promise<SearchResult> {
	const { counts = [options.kmax], width = 8, budget = Number.POSITIVE_INFINITY } = options;
	const search = await Search.start(game, "swap", options);
	await descend(search, width);
	const space = swapSpaceOf(search);
	const limit = search.meter.measured + budget;
	for (const count of counts) {
		while (await improve(search, count, space, limit));
	}
	return search.result();
}

/** One step; false if no exchange helps or the budget does not hold the neighborhood. */
async function improve(search: Search, count: number, space: SwapSpace, limit: number): Promise<boolean> {
	const incumbent = search.choice(count);
	if (!incumbent) return false;
	const neighbors = swapNeighbors(flagsOf(Coalition.ofRemoved(space.players, incumbent.removed)), space).map(coalitionOfFlags);
	const fresh = new Set(neighbors.filter((set) => !search.meter.knows(set)).map((set) => set.key)).size;
	if (search.meter.measured + fresh > limit) {
		search.notes.push(`size ${count}: the ${fresh} sets one exchange away do not fit the budget, so the set may be no local optimum`);
		return false;
	}
	const added = await search.meter.addedLosses(neighbors, `exchanges at ${count} removed`);
	let best = -1;
	for (const [index, loss] of added.entries()) if (best < 0 || loss < (added[best] as number)) best = index;
	if (best < 0 || (added[best] as number) >= incumbent.addedLoss) return false;
	search.choose((neighbors[best] as Coalition).removed(), added[best] as number, neighbors.length);
	return true;
}
