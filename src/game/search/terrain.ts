// Where a surrogate's draws are searched: sets of removed blocks, or of removed parts of blocks, as flags (1 removed).
import { AlternatingSets } from "../alternating.js";
import type { Coalition } from "../coalition.js";
import { removedFlags } from "../parts.js";
import type { LossFunction } from "../predictor.js";
import type { Random } from "../random.js";
import {
	cheapestPairs,
	coalitionOfParts,
	pairsGone,
	pairsLeft,
	partDescent,
	partFlagsOf,
	partNeighbors,
	type PartSpace,
	setPair,
} from "./part-exchanges.js";
import { coalitionOfFlags, flagsOf, quickDescent, type SwapSpace, swapNeighbors, swapSpaceOf } from "./proposals.js";
import type { Search } from "./search.js";

/** @internal */
export interface Terrain {
	/** Whether there is much to search: searches are kept short then. */
	readonly large: boolean;
	flagsOf(coalition: Coalition): Uint8Array;
	coalitionOf(flags: Uint8Array): Coalition;
	/** Exchanges until none lowers the loss. @param flags changed in place @returns loss at the end */
	descend(loss: LossFunction, flags: Uint8Array): number;
	/** All sets one exchange away. */
	neighbors(flags: Uint8Array): Uint8Array[];
	/** The loss's own greedy sets, by number of removed blocks. */
	greedyPath(loss: LossFunction, deepest: number): Map<number, Uint8Array>;
	/** A random set of the size, if one can be made. */
	random(size: number, random: Random): Uint8Array | undefined;
	/** A random exchange; flags are changed in place, but not if every try is refused. */
	exchange(flags: Uint8Array, random: Random): void;
	/** Removes the cheapest one more, or puts the costliest back; flags are changed in place. @returns whether the set can be run */
	step(loss: LossFunction, flags: Uint8Array, how: "remove" | "put back"): boolean;
}

/** Where the search moves. @param every tries every exchange of blocks at each step, however many there are @internal */
export function terrainOf(search: Search, every = false): Terrain {
	return search.halves ? new PartTerrain(search) : new BlockTerrain(swapSpaceOf(search), every);
}

/** With more moves than this, descents are kept short. */
const LARGE = 40;
/** Tries of a random exchange. */
const TRIES = 20;

class BlockTerrain implements Terrain {
	readonly large: boolean;
	readonly flagsOf = flagsOf;
	readonly coalitionOf = coalitionOfFlags;
	readonly #space: SwapSpace;
	readonly #width: number;

	constructor(space: SwapSpace, every: boolean) {
		this.#space = space;
		this.large = space.moves.length > LARGE;
		const quick = this.large ? 3 : 6;
		this.#width = every ? Number.POSITIVE_INFINITY : quick;
	}

	descend(loss: LossFunction, flags: Uint8Array): number {
		return quickDescent(loss, flags, this.#space, this.#width);
	}

	neighbors(flags: Uint8Array): Uint8Array[] {
		return swapNeighbors(flags, this.#space);
	}

	greedyPath(loss: LossFunction, deepest: number): Map<number, Uint8Array> {
		const { players, moves } = this.#space;
		const path = new Map<number, Uint8Array>();
		const removed = new Uint8Array(players);
		for (let count = 0; count < deepest; ) {
			const open = moves.filter((move) => move.length <= deepest - count && move.every((block) => removed[block] === 0));
			const ordered = open
				// A unit's blocks one by one: close enough for a start.
				.map((move) => ({ move, change: move.reduce((sum, block) => sum + loss.flip(removed, block), 0) / move.length }))
				.sort((a, b) => a.change - b.change);
			const next = ordered.find(({ move }) => {
				const tried = removed.slice();
				setMove(tried, move, 1);
				return this.#space.allows(tried);
			});
			if (!next) break;
			setMove(removed, next.move, 1);
			count += next.move.length;
			path.set(count, removed.slice());
		}
		return path;
	}

	random(size: number, random: Random): Uint8Array | undefined {
		const removed = new Uint8Array(this.#space.players);
		let count = 0;
		for (const move of random.shuffle(this.#space.moves.slice())) {
			if (count + move.length > size || move.some((block) => removed[block] === 1)) continue;
			setMove(removed, move, 1);
			count += move.length;
		}
		return count === size && this.#space.allows(removed) ? removed : undefined;
	}

	exchange(flags: Uint8Array, random: Random): void {
		const { moves } = this.#space;
		for (let attempt = 0; attempt < TRIES; attempt++) {
			const back = moves[random.integer(moves.length)] as readonly number[];
			const out = moves[random.integer(moves.length)] as readonly number[];
			if (out.length !== back.length || back.some((block) => flags[block] === 0) || out.some((block) => flags[block] === 1)) continue;
			const next = flags.slice();
			setMove(next, back, 0);
			setMove(next, out, 1);
			if (!this.#space.allows(next)) continue;
			flags.set(next);
			return;
		}
	}

	step(loss: LossFunction, flags: Uint8Array, how: "remove" | "put back"): boolean {
		const state = how === "remove" ? 0 : 1;
		const single = this.#space.moves.filter((move) => move.length === 1 && flags[move[0] as number] === state);
		if (single.length === 0) return false;
		const [block] = single.reduce((a, b) => (loss.flip(flags, b[0] as number) < loss.flip(flags, a[0] as number) ? b : a));
		flags[block as number] = 1 - state;
		return this.#space.allows(flags);
	}
}

function setMove(flags: Uint8Array, move: readonly number[], state: 0 | 1): void {
	for (const block of move) flags[block] = state;
}

/** Moves are pairs of neighbors in the stack as it is: whole blocks, merged ones, and shifted pairs. */
class PartTerrain implements Terrain {
	readonly large: boolean;
	readonly flagsOf = partFlagsOf;
	readonly coalitionOf = coalitionOfParts;
	readonly #space: PartSpace;
	readonly #sets: AlternatingSets;

	constructor(search: Search) {
		this.#space = partSpaceOf(search);
		const stays = new Set([...search.fixedBlocks(), ...search.frozenBlocks()]);
		const { players } = this.#space;
		const free = Array.from({ length: players }, (_, block) => block).filter((block) => !stays.has(block));
		this.#sets = new AlternatingSets(players, free);
		this.large = free.length > LARGE;
	}

	descend(loss: LossFunction, flags: Uint8Array): number {
		return partDescent(loss, flags, this.#space, this.large ? 4 : 8);
	}

	neighbors(flags: Uint8Array): Uint8Array[] {
		return partNeighbors(flags, this.#space);
	}

	greedyPath(loss: LossFunction, deepest: number): Map<number, Uint8Array> {
		const path = new Map<number, Uint8Array>();
		const removed = new Uint8Array(this.#space.fixed.length);
		for (let count = 1; count <= deepest && this.step(loss, removed, "remove"); count++) path.set(count, removed.slice());
		return path;
	}

	random(size: number, random: Random): Uint8Array | undefined {
		const positions = this.#sets.draw(size, random);
		const flags = positions && removedFlags(this.#space.players, positions);
		return flags && this.#space.allows(flags) ? flags : undefined;
	}

	exchange(flags: Uint8Array, random: Random): void {
		const backs = pairsGone(flags);
		for (let attempt = 0; attempt < TRIES && backs.length > 0; attempt++) {
			const next = flags.slice();
			setPair(next, backs[random.integer(backs.length)]!, 0);
			const outs = pairsLeft(next, this.#space);
			if (outs.length === 0) continue;
			setPair(next, outs[random.integer(outs.length)]!, 1);
			if (!this.#space.allows(next) || next.every((gone, part) => gone === flags[part])) continue;
			flags.set(next);
			return;
		}
	}

	step(loss: LossFunction, flags: Uint8Array, how: "remove" | "put back"): boolean {
		const state = how === "remove" ? 1 : 0;
		const pairs = how === "remove" ? cheapestPairs(loss, flags, this.#space, 8) : this.#backs(loss, flags);
		for (const { pair } of pairs) {
			setPair(flags, pair, state);
			if (this.#space.allows(flags)) return true;
			setPair(flags, pair, how === "remove" ? 0 : 1);
		}
		return false;
	}

	#backs(loss: LossFunction, flags: Uint8Array) {
		const backs = pairsGone(flags).map((pair) => ({ pair, change: loss.flip(flags, pair.first) + loss.flip(flags, pair.second) }));
		return backs.sort((a, b) => a.change - b.change);
	}
}

/** What a search over half-block cuts may exchange. @internal */
export function partSpaceOf(search: Search): PartSpace {
	const { players } = search.game;
	const fixed = new Uint8Array(2 * players);
	for (const block of search.fixedBlocks()) fixed.fill(1, 2 * block, 2 * block + 2);
	return { players, fixed, allows: (removed) => search.allowsHalves(coalitionOfParts(removed)) };
}
