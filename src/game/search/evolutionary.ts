import { Coalition } from "../coalition.js";
import type { Game } from "../game.js";
import { Random } from "../random.js";
import { Search, type SearchOptions, type SearchResult } from "./search.js";
import { type Terrain, terrainOf } from "./terrain.js";

export interface EvolutionaryOptions extends SearchOptions {
	readonly seed: number | string;
	/** Sizes to search, each by itself. @default kmax alone */
	readonly counts?: readonly number[];
	/** Random sets; the best one starts. @default 32 */
	readonly initial?: number;
	/** Children measured in each generation. @default 16 */
	readonly offspring?: number;
	/** Generations of each size. @default 20 */
	readonly generations?: number;
	/** Exchanges in a child: the smaller of two uniform draws from 1 to this number. @default 3 */
	readonly maxExchanges?: number;
}

/**
 * One parent has several children by a few random exchanges each, and the best of all is the next parent. This is the search of EvoPress
 * (arXiv 2410.14649) over whole blocks, or with half-block cuts over the pairs of neighbors in the stack as it is. Its selection on growing amounts of text is left out, since a game measures all its windows.
 * Critical blocks are kept as in every search here; `criticalLoss: Infinity` lets them move, as published.
 */
export async function evolutionary(game: Game, options: EvolutionaryOptions): Promise<SearchResult> {
	const { counts = [options.kmax], initial = 32, offspring = 16, generations = 20, maxExchanges = 3 } = options;
	for (const [name, value] of Object.entries({ initial, offspring, generations, maxExchanges })) {
		if (!Number.isInteger(value) || value < 1) throw new RangeError(`${name} must be a positive integer, got ${value}`);
	}
	const search = await Search.start(game, "evolutionary", { ...options, shiftedSingles: 0 }, false);
	const terrain = terrainOf(search);
	const random = new Random(options.seed);
	for (const count of counts) {
		const first = Array.from({ length: initial }, () => randomSet(terrain, count, random)).filter((set) => set !== undefined);
		await select(search, count, first, "first generation");
		for (let generation = 1; generation <= generations; generation++) {
			const parent = search.choice(count);
			if (!parent) break;
			const children = Array.from({ length: offspring }, () =>
				// The smaller of two draws: most children differ little from their parent.
				child(
					Coalition.ofRemoved(game.players, parent.removed),
					terrain,
					Math.min(random.integer(maxExchanges), random.integer(maxExchanges)),
					random,
				),
			);
			await select(search, count, children, `generation ${generation} of ${generations}, ${count} removed`);
		}
	}
	return search.result(counts);
}

/** Measures the sets; the search keeps the best one if it beats the parent. */
async function select(search: Search, count: number, sets: readonly Coalition[], phase: string): Promise<void> {
	if (sets.length === 0) return;
	const added = await search.meter.addedLosses(sets, phase);
	let best = 0;
	for (const [index, loss] of added.entries()) if (loss < (added[best] as number)) best = index;
	const parent = search.choice(count);
	if (!parent || (added[best] as number) < parent.addedLoss)
		search.choose((sets[best] as Coalition).removed(), added[best] as number, sets.length);
}

/** @param further exchanges beyond the first one */
function child(parent: Coalition, terrain: Terrain, further: number, random: Random): Coalition {
	const removed = terrain.flagsOf(parent);
	for (let exchange = 0; exchange <= further; exchange++) terrain.exchange(removed, random);
	return terrain.coalitionOf(removed);
}

function randomSet(terrain: Terrain, count: number, random: Random): Coalition | undefined {
	for (let attempt = 0; attempt < 100; attempt++) {
		const removed = terrain.random(count, random);
		if (removed) return terrain.coalitionOf(removed);
	}
	return undefined;
}
