import type { Game } from "../game.js";
import { type Removal, Search, type SearchOptions, type SearchResult } from "./search.js";
import { Slopes } from "./slopes.js";

/** Removes one block after another, always the one whose removal adds least; every candidate is measured at every step. */
export async function greedy(game: Game, options: SearchOptions): Promise<SearchResult> {
	const search = await Search.start(game, "greedy", options);
	await descend(search, Number.POSITIVE_INFINITY);
	return search.result();
}

export interface LazyGreedyOptions extends SearchOptions {
	/** Candidates measured at each step: those that added least when last measured. @default 8 */
	readonly width?: number;
}

/** As {@link greedy}, but each step measures only the most promising candidates: about n + width * kmax coalitions in all (with shifted pairs 2n). */
export async function lazyGreedy(game: Game, options: LazyGreedyOptions): Promise<SearchResult> {
	const { width = 8 } = options;
	if (!(width >= 1)) throw new RangeError(`width must be at least 1, got ${width}`);
	const search = await Search.start(game, "lazy-greedy", options);
	await descend(search, width);
	return search.result();
}

/** One greedy path from the original model to kmax removed blocks; one batch per step. @internal */
export async function descend(search: Search, width: number): Promise<void> {
	const slopes = new Slopes(search);
	let removed: number[] = [];
	let here = 0;
	while (removed.length < search.kmax) {
		const tried = slopes.sorted(search.candidatesOrFree(removed)).slice(0, width);
		if (tried.length === 0) return;
		const sets = tried.map((candidate) => candidate.coalition);
		const phase = `removing block ${removed.length + 1} of ${search.kmax}`;
		await search.meter.race(sets, phase);
		const added = await search.meter.addedLosses(sets, phase);
		let best = 0;
		for (const [index, removal] of tried.entries()) {
			const slope = slopes.keep(removal, (added[index] as number) - here);
			const leader = tried[best] as Removal;
			if (slope < slopes.of(leader) || (slope === slopes.of(leader) && removal.move < leader.move)) best = index;
		}
		removed = (tried[best] as Removal).coalition.removed();
		here = added[best] as number;
		search.choose(removed, here, tried.length);
	}
}
