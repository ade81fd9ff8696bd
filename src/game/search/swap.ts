import { Coalition, distinct } from "../coalition.js";
import type { Game } from "../game.js";
import { runsMovedByHalf } from "../pairs.js";
import { descend } from "./greedy.js";
import { isWhole } from "../parts.js";
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

/**
 * Lazy greedy, then the best exchange of a removed for a kept block. Every exchange is measured, until none helps: a proven local optimum.
 * With half-block cuts see {@link halfNeighbors}.
 */
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
	const neighbors = neighborsOf(search, incumbent.removed, space);
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

/** Sets one exchange away, exchanges of whole blocks first. */
function neighborsOf(search: Search, removed: readonly number[], space: SwapSpace): Coalition[] {
	const whole = isWhole(removed) ? swapNeighbors(flagsOf(Coalition.ofRemoved(space.players, removed)), space).map(coalitionOfFlags) : [];
	return search.halves ? distinct([...whole, ...halfNeighbors(search, removed)]) : whole;
}

/**
 * Sets one exchange away in the game of half-block cuts: a removed position is put back, then any pair of what is left goes, so that a cut
 * may also move by half a block. A run of neighboring positions may move as a whole by half a block. At most k (2 (n - k) + 1) + 2 k sets.
 * @internal
 */
export function halfNeighbors(search: Search, removed: readonly number[]): Coalition[] {
	const { game } = search;
	const exchanged = removed.flatMap((back) => search.candidates(removed.filter((position) => position !== back)));
	const sets = exchanged.filter(({ length }) => length === 1).map(({ coalition }) => coalition);
	const moved = runsMovedByHalf(game.players, removed).map((positions) => Coalition.ofRemoved(game.players, positions));
	const here = Coalition.ofRemoved(game.players, removed);
	return distinct([...sets, ...moved.filter((set) => search.allowsHalves(set))]).filter((set) => !set.equals(here));
}
