// Random sets with half-block cuts: sets of parts whose kept ones alternate.
import type { Coalition } from "./coalition.js";
import { checkedWindow, type DesignBoard, Draw, type WindowOptions } from "./designs.js";
import type { Random } from "./random.js";
import { binomial } from "./strata.js";

/**
 * Equal shares of `kmin` to `kmax` removed blocks, with half-block cuts. Inside a size it is uniform over sets, not over orders of removal:
 * every set of so many whole blocks and shifted pairs that share no part is as likely as any other, if the game allows it. No part goes of
 * blocks that are frozen, in `keep`, or tied to others.
 * @throws RangeError for an option out of range
 */
export function alternatingDesign(game: DesignBoard, options: WindowOptions): Coalition[] {
	const { kmin = 1, kmax, random } = checkedWindow(game, options);
	const draw = new Draw(game, options);
	const sets = new AlternatingSets(game.players, draw.free());
	return draw.until(options.count, (turn) => sets.draw(kmin + (turn % (kmax - kmin + 1)), random));
}

/** Blocks next to each other, as a run of parts. */
interface Run {
	readonly first: number;
	readonly parts: number;
}

/** The sets of blocks and shifted pairs of some blocks, of which it draws uniformly. */
export class AlternatingSets {
	readonly #runs: readonly Run[];
	/** How many sets of each size the runs from one on hold. */
	readonly #ways: readonly (readonly number[])[];

	/** @param free blocks whose parts may go */
	constructor(players: number, free: Iterable<number>) {
		this.#runs = runsOf(players, new Set(free));
		const ways: number[][] = [[1]];
		for (const run of this.#runs.toReversed()) ways.unshift(combined(waysOf(run), ways[0]!));
		this.#ways = ways;
	}

	/** How many sets of so many blocks' worth there are. */
	count(size: number): number {
		return this.#ways[0]![size] ?? 0;
	}

	/** Removed positions of one of them, ascending; undefined if there is none. */
	draw(size: number, random: Random): number[] | undefined {
		if (this.count(size) === 0) return undefined;
		let left = size;
		return this.#runs.flatMap((run, at) => {
			const here = sizeOf(run, left, { ways: this.#ways[at]![left]!, after: this.#ways[at + 1]!, random });
			left -= here;
			return positionsIn(run, here, random);
		});
	}
}

function runsOf(players: number, free: ReadonlySet<number>): Run[] {
	const runs: Run[] = [];
	for (let block = 0; block < players; block++) {
		if (!free.has(block)) continue;
		let end = block;
		while (free.has(end)) end++;
		runs.push({ first: 2 * block, parts: 2 * (end - block) });
		block = end;
	}
	return runs;
}

/** Sets of 0, 1, ... pairs of neighboring parts in a run: k pairs leave parts - 2k, and k of parts - k places are pairs. */
function waysOf({ parts }: Run): number[] {
	return Array.from({ length: parts / 2 + 1 }, (_, pairs) => binomial(parts - pairs, pairs));
}

function combined(one: readonly number[], other: readonly number[]): number[] {
	const ways = new Array<number>(one.length + other.length - 1).fill(0);
	for (const [i, a] of one.entries()) for (const [j, b] of other.entries()) ways[i + j]! += a * b;
	return ways;
}

/** How many of `left` pairs lie in this run rather than in those after it. */
function sizeOf(
	run: Run,
	left: number,
	{ ways, after, random }: { readonly ways: number; readonly after: readonly number[]; readonly random: Random },
): number {
	const own = waysOf(run);
	const possible = own.flatMap((count, pairs) => {
		const rest = pairs <= left ? (after[left - pairs] ?? 0) : 0;
		return rest > 0 ? [{ pairs, ways: count * rest }] : [];
	});
	let place = random.uniform() * ways;
	for (const { pairs, ways: those } of possible) {
		place -= those;
		if (place < 0) return pairs;
	}
	// Rounding may leave a trace beyond the last one.
	return possible.at(-1)!.pairs;
}

function positionsIn({ first, parts }: Run, pairs: number, random: Random): number[] {
	const places = Array.from({ length: parts - pairs }, (_, place) => place);
	const chosen = random.sample(places, pairs).sort((a, b) => a - b);
	// Each pair before it moves a place one part further.
	return chosen.map((place, before) => (first + place + before) / 2);
}
