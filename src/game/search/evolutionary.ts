import { Coalition } from "../coalition.js";
import type { Game } from "../game.js";
import { Random } from "../random.js";
import { coalitionOfFlags, flagsOf, type SwapSpace, swapSpaceOf } from "./proposals.js";
import { onlyBlocks, Search, type SearchOptions, type SearchResult } from "./search.js";

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
 * (arXiv 2410.14649) over whole blocks. Its selection on growing amounts of text is left out, since a game measures all its windows.
 * Critical blocks are kept as in every search here; `criticalLoss: Infinity` lets them move, as published.
 */
export async function evolutionary(game: Game, options: EvolutionaryOptions): Promise<SearchResult> {
	const { counts = [options.kmax], initial = 32, offspring = 16, generations = 20, maxExchanges = 3 } = options;
	for (const [name, value] of Object.entries({ initial, offspring, generations, maxExchanges })) {
		if (!Number.isInteger(value) || value < 1) throw new RangeError(`${name} must be a positive integer, got ${value}`);
	}
	const search = await Search.start(game, "evolutionary", onlyBlocks("evolutionary", options), false);
	const space = swapSpaceOf(search);
	const random = new Random(options.seed);
	for (const count of counts) {
		const first = Array.from({ length: initial }, () => randomSet(space, count, random)).filter((set) => set !== undefined);
		await select(search, count, first, "first generation");
		for (let generation = 1; generation <= generations; generation++) {
			const parent = search.choice(count);
			if (!parent) break;
			const children = Array.from({ length: offspring }, () =>
				// The smaller of two draws: most children differ little from their parent.
				child(parent.removed, space, Math.min(random.integer(maxExchanges), random.integer(maxExchanges)), random),
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
function child(parent: readonly number[], space: SwapSpace, further: number, random: Random): Coalition {
	const removed = flagsOf(Coalition.ofRemoved(space.players, parent));
	for (let exchange = 0; exchange <= further; exchange++) exchangeOne(removed, space, random);
	return coalitionOfFlags(removed);
}

/** Restores a random removed move and removes a random kept one of its length; nothing happens if the game refuses every try. */
function exchangeOne(removed: Uint8Array, space: SwapSpace, random: Random): void {
	for (let attempt = 0; attempt < 20; attempt++) {
		const back = space.moves[random.integer(space.moves.length)] as readonly number[];
		const out = space.moves[random.integer(space.moves.length)] as readonly number[];
		if (out.length !== back.length || back.some((block) => removed[block] === 0) || out.some((block) => removed[block] === 1)) continue;
		const next = removed.slice();
		for (const block of back) next[block] = 0;
		for (const block of out) next[block] = 1;
		if (!space.allows(next)) continue;
		removed.set(next);
		return;
	}
}

function randomSet(space: SwapSpace, count: number, random: Random): Coalition | undefined {
	for (let attempt = 0; attempt < 100; attempt++) {
		const removed = new Uint8Array(space.players);
		let left = count;
		for (const move of random.shuffle(space.moves.slice())) {
			if (move.length > left || move.some((block) => removed[block] === 1)) continue;
			for (const block of move) removed[block] = 1;
			left -= move.length;
		}
		if (left === 0 && space.allows(removed)) return coalitionOfFlags(removed);
	}
	return undefined;
}
