import type { Game } from "../game.js";
import { Search, type SearchOptions, type SearchResult } from "./search.js";

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

/** As {@link greedy}, but each step measures only the most promising candidates: about n + width * kmax coalitions in all. */
export async function lazyGreedy(game: Game, options: LazyGreedyOptions): Promise<SearchResult> {
	const { width = 8 } = options;
	if (!(width >= 1)) throw new RangeError(`width must be at least 1, got ${width}`);
	const search = await Search.start(game, "lazy-greedy", options);
	await descend(search, width);
	return search.result();
}

/** One greedy path from the original model to kmax removed blocks; one batch per step. @internal */
export async function descend(search: Search, width: number): Promise<void> {
	/** Added loss per block when last measured on top of the earlier sets. */
	const last = Float64Array.from(search.moves, (_, move) => search.singleCost(move));
	let removed: number[] = [];
	let here = 0;
	while (removed.length < search.kmax) {
		const ordered = search.candidatesOrFree(removed).sort((a, b) => (last[a.move] as number) - (last[b.move] as number) || a.move - b.move);
		const tried = ordered.slice(0, width);
		if (tried.length === 0) return;
		const added = await search.meter.addedLosses(
			tried.map((candidate) => candidate.coalition),
			`removing block ${removed.length + 1} of ${search.kmax}`,
		);
		let best = 0;
		for (const [index, { move }] of tried.entries()) {
			// A set that broke the model has no slope: it stays last in the queue.
			const slope = ((added[index] as number) - here) / (search.moves[move] as readonly number[]).length;
			last[move] = Number.isNaN(slope) ? Number.POSITIVE_INFINITY : slope;
			const leader = (tried[best] as { move: number }).move;
			if ((last[move] as number) < (last[leader] as number) || (last[move] === last[leader] && move < leader)) best = index;
		}
		removed = (tried[best] as (typeof tried)[number]).coalition.removed();
		here = added[best] as number;
		search.choose(removed, here, tried.length);
	}
}
