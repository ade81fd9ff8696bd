import { Coalition } from "../coalition.js";
import type { Game } from "../game.js";
import { Search, type SearchOptions, type SearchResult } from "./search.js";

export interface ContiguousOptions extends SearchOptions {
	/** Lengths to answer. @default 1..kmax */
	readonly counts?: readonly number[];
}

/**
 * The best run of k neighboring blocks for every size in the options. The runs of one length are measured in one batch.
 * Runs through critical blocks are left out as long as there are others of the length. Units need no handling: a run is measured if the
 * game allows it. With half-block cuts there are also the runs that begin with a feed-forward part; through a critical block goes none of
 * these.
 */
export async function contiguous(game: Game, options: ContiguousOptions): Promise<SearchResult> {
	const search = await Search.start(game, "contiguous", { ...options, shiftedSingles: 0 }, false);
	const lengths = options.counts ?? Array.from({ length: options.kmax }, (_, i) => i + 1);
	for (const length of lengths) {
		const runs = [...runsOf(search, length), ...(search.halves ? shiftedRunsOf(search, length) : [])];
		const added = await search.meter.addedLosses(runs, `runs of ${length} blocks`);
		let best = -1;
		for (const [index, loss] of added.entries()) if (best < 0 || loss < (added[best] as number)) best = index;
		if (best >= 0) search.choose((runs[best] as Coalition).removed(), added[best] as number, runs.length);
	}
	return search.result(lengths);
}

function runsOf(search: Search, length: number): Coalition[] {
	const { game } = search;
	const critical = new Set(search.critical().flatMap((block) => block.blocks));
	const all: Coalition[] = [];
	const safe: Coalition[] = [];
	for (let start = 0; start + length <= game.players; start++) {
		const run = Array.from({ length }, (_, i) => start + i);
		const coalition = Coalition.ofRemoved(game.players, run);
		if (run.some((block) => game.frozen.has(block)) || !game.allows(coalition)) continue;
		all.push(coalition);
		if (!run.some((block) => critical.has(block))) safe.push(coalition);
	}
	if (safe.length > 0 || all.length === 0) return safe;
	search.notes.push(`every run of ${length} blocks holds a critical block, so all of them were tried`);
	return all;
}

/** Runs from the feed-forward part of a block to the attention part of a later one. @internal */
export function shiftedRunsOf(search: Search, length: number): Coalition[] {
	const { players } = search.game;
	return Array.from({ length: Math.max(0, players - length) }, (_, start) => Array.from({ length }, (_, i) => start + 0.5 + i))
		.map((run) => Coalition.ofRemoved(players, run))
		.filter((set) => search.allowsHalves(set));
}
