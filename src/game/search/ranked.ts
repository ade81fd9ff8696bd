import type { Coalition } from "../coalition.js";
import type { Game } from "../game.js";
import { type Removal, Search, type SearchOptions, type SearchResult } from "./search.js";
import { Slopes } from "./slopes.js";

/**
 * Ranks blocks by what each costs alone and cuts the cheapest k; critical blocks are kept as long as others remain. With half-block cuts
 * shifted pairs are ranked among them, and if two share a part the cheaper one goes. A block that was merged from two counts with
 * their mean.
 */
export async function leaveOneOut(game: Game, options: SearchOptions): Promise<SearchResult> {
	const search = await Search.start(game, "leave-one-out", options);
	const slopes = new Slopes(search);
	await cut(search, (removal) => slopes.of(removal));
	return search.result();
}

/**
 * Cuts the k blocks of lowest contribution, one ranking for every k (the paper's rule); whole blocks, whatever `granularity` says.
 * @param contributions one number per block, higher is more important; NaN for blocks that stay. A unit counts with the mean of its blocks.
 * @param options `criticalLoss: Infinity` cuts by the ranking alone, as the paper does
 * @throws RangeError unless there is one contribution per block
 */
export async function rankAndCut(game: Game, contributions: ArrayLike<number>, options: SearchOptions): Promise<SearchResult> {
	if (contributions.length !== game.players) {
		throw new RangeError(`expected one contribution per block (${game.players}), got ${contributions.length}`);
	}
	const search = await Search.start(game, "rank-and-cut", { ...options, granularity: "block" }, false);
	await cut(search, ({ move }) => {
		const blocks = search.moves[move] as readonly number[];
		return blocks.reduce((sum, block) => sum + (contributions[block] as number), 0) / blocks.length;
	});
	return search.result();
}

/** Takes moves in rising order of `cost` and measures the set of every size in one batch. */
async function cut(search: Search, cost: (removal: Removal) => number): Promise<void> {
	const sets: Coalition[] = [];
	let removed: number[] = [];
	while (removed.length < search.kmax) {
		const open = search.candidatesOrFree(removed).filter((removal) => !Number.isNaN(cost(removal)));
		if (open.length === 0) break;
		const next = open.reduce((a, b) => (cost(b) < cost(a) ? b : a));
		removed = next.coalition.removed();
		sets.push(next.coalition);
	}
	const added = await search.meter.addedLosses(sets, "ranked candidates");
	for (const [index, set] of sets.entries()) search.choose(set.removed(), added[index] as number, 1);
}
