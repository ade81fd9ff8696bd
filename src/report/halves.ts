import { formatBlocks } from "../notation.js";

/** What a half-block cut is, with the first one as the example; undefined if blocks are removed as a whole only. */
export function halvesNote(removed: readonly number[]): string | undefined {
	const [range, from, to] = /(\d+)f-(\d+)a/.exec(formatBlocks(removed)) ?? [];
	if (range === undefined) return undefined;
	return `${range} is a half-block cut: from the feed-forward part of block ${from} to the attention part of block ${to}. What is left of these two blocks is one block.`;
}
