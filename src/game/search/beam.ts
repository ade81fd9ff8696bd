import type { Game } from "../game.js";
import { type Removal, Search, type SearchOptions, type SearchResult } from "./search.js";
import { Slopes } from "./slopes.js";

export interface BeamOptions extends SearchOptions {
	/** Sets of each size that are continued. @default 4 */
	readonly beam?: number;
	/** Extensions measured for each: the moves that added least when last measured. @default 8 */
	readonly width?: number;
}

/** Greedy with several paths at once: the best few of all sets that are one move larger continue. One batch per step. */
export async function beamSearch(game: Game, options: BeamOptions): Promise<SearchResult> {
	const { beam = 4, width = 8 } = options;
	for (const [name, value] of Object.entries({ beam, width })) {
		if (!(value >= 1)) throw new RangeError(`${name} must be at least 1, got ${value}`);
	}
	const search = await Search.start(game, "beam", options);
	const slopes = new Slopes(search);
	/** Sets still to be extended, by number of removed blocks: units may skip sizes. */
	const open = new Map<number, Path[]>([[0, [{ removed: [], loss: 0 }]]]);
	for (let size = 0; size < search.kmax; size++) {
		const paths = (open.get(size) ?? []).sort((a, b) => a.loss - b.loss).slice(0, beam);
		const tried = new Map<string, { removal: Removal; from: Path }>();
		for (const from of paths) {
			const candidates = slopes.sorted(size === 0 ? search.candidatesOrFree([]) : search.candidates(from.removed));
			// Two paths often lead to the same set: it is measured and continued once.
			let fresh = 0;
			for (const removal of candidates) {
				if (fresh >= (size === 0 ? Number.POSITIVE_INFINITY : width)) break;
				if (tried.has(removal.coalition.key)) continue;
				tried.set(removal.coalition.key, { removal, from });
				fresh++;
			}
		}
		const list = [...tried.values()];
		if (list.length === 0) continue;
		const added = await search.meter.addedLosses(
			list.map(({ removal }) => removal.coalition),
			`beam, removing block ${size + 1} of ${search.kmax}`,
		);
		for (const [i, { removal, from }] of list.entries()) {
			const loss = added[i] as number;
			slopes.keep(removal, loss - from.loss);
			const removed = removal.coalition.removed();
			open.set(removed.length, [...(open.get(removed.length) ?? []), { removed, loss }]);
			const best = search.choice(removed.length);
			if (!best || loss < best.addedLoss) search.choose(removed, loss, list.length);
		}
	}
	return search.result();
}

interface Path {
	readonly removed: readonly number[];
	readonly loss: number;
}
