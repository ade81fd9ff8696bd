// Moves of the finer game: with m blocks left there are m of them to remove, and m - 1 pairs of one's feed-forward and the next one's
// attention part. A block that was merged from parts of two others is a block like any other for the next move.
import { canRun, keptParts, partsLeft, removedPositions } from "./parts.js";

/** What a search may remove: whole blocks, or shifted pairs too, which are the feed-forward part of a block and the attention part of the next one left. */
export const granularities = ["block", "half-block"] as const;
export type Granularity = (typeof granularities)[number];

/** An attention part and a feed-forward part that are kept, with no other kept part between them. */
export interface AdjacentPair {
	/** Numbers of the parts: 2i is the attention part of block i, 2i + 1 its feed-forward part. */
	readonly first: number;
	readonly second: number;
}

/** Whether the pair is one block of the original. */
export function isBlock({ first, second }: AdjacentPair): boolean {
	return first % 2 === 0 && second === first + 1;
}

/** The blocks that the two parts are of. */
export function blocksOf({ first, second }: AdjacentPair): readonly [number, number] {
	return [first >> 1, second >> 1];
}

/**
 * Every adjacent pair of what is left, in the order of the first part: of m blocks 2m - 1, less if some have no attention part.
 * @param positions removed ones, in any order
 */
export function adjacentPairs(blocks: number, positions: Iterable<number>): AdjacentPair[] {
	const kept = partsLeft(blocks, positions);
	const pairs = kept.slice(1).map((second, i) => ({ first: kept[i]!, second }));
	return pairs.filter(({ first, second }) => first % 2 !== second % 2);
}

/** The removed positions without the pair, ascending. @param positions removed ones */
export function withoutPair(blocks: number, positions: Iterable<number>, { first, second }: AdjacentPair): number[] {
	const kept = keptParts(blocks, positions);
	kept[first] = false;
	kept[second] = false;
	return removedPositions(kept);
}

/**
 * Each run of neighboring removed parts moved by half a block, to either side: what was whole is then shifted, and the reverse. A run
 * that is not made of pairs cannot be moved so.
 * @param positions removed ones
 */
export function runsMovedByHalf(blocks: number, positions: Iterable<number>): number[][] {
	const kept = keptParts(blocks, positions);
	const moved: number[][] = [];
	for (let start = 0; start < kept.length; start++) {
		if (kept[start]) continue;
		let end = start;
		while (end < kept.length && !kept[end]) end++;
		for (const [back, out] of [
			[end - 1, start - 1],
			[start, end],
		] as const) {
			if (out < 0 || out >= kept.length) continue;
			const next = kept.slice();
			next[back] = true;
			next[out] = false;
			if (canRun(next)) moved.push(removedPositions(next));
		}
		start = end;
	}
	return moved;
}

/** Every set of so many positions that share no part, in the order of their first parts: C(2n - k, k) for k of n blocks. */
export function removalsOf(blocks: number, count: number): number[][] {
	const extend = (removed: readonly number[], from: number): number[][] => {
		if (removed.length === count) return [[...removed]];
		const found: number[][] = [];
		for (let part = from; part + 2 * (count - removed.length) <= 2 * blocks; part++)
			found.push(...extend([...removed, part / 2], part + 2));
		return found;
	};
	return extend([], 0);
}
