import { type RemovedParts, removedParts, type StackedBlock, stackWithout } from "../../game/parts.js";
import { FEED_FORWARD_KEYS, USUAL_FEED_FORWARD } from "./table/parts.js";
import type { ArchitectureEntry } from "./types.js";

// Halves of blocks: what is of the attention part, what of the feed-forward part, and where they go.

/** The half of a block that something belongs to. */
export type Owner = keyof StackedBlock;

/**
 * By its name alone, also if only whole blocks can be removed: then it makes no difference.
 * @param rest name of a tensor after `blk.N.`
 */
export function ownerOfTensor({ parts }: ArchitectureEntry, rest: string): Owner {
	const names = [...USUAL_FEED_FORWARD, ...(parts?.feedForward ?? [])];
	return names.some((name) => rest === name || rest.startsWith(`${name}.`)) ? "feedForward" : "attention";
}

/** @param key with the architecture's name or without */
export function ownerOfKey(key: string): Owner {
	return FEED_FORWARD_KEYS.some((name) => key === name || key.endsWith(`.${name}`)) ? "feedForward" : "attention";
}

/** Where the parts of the original's blocks go. */
export interface Places {
	/** The blocks of what is left, in order, with the tail. */
	readonly stack: readonly StackedBlock[];
	/** New number of a part; undefined if it is removed. */
	of(owner: Owner, block: number): number | undefined;
	/** Number of removed parts of blocks below this one. */
	below(owner: Owner, block: number): number;
	/** Numbers of blocks without this part, ascending. */
	readonly removed: RemovedParts;
}

/**
 * @param blocks of the original, with the tail
 * @throws RangeError for positions that are outside the model or share a part
 */
export function placesWithout(blocks: number, positions: readonly number[]): Places {
	const stack = stackWithout(blocks, positions);
	const removed = removedParts(positions);
	const places = { attention: new Map<number, number>(), feedForward: new Map<number, number>() };
	for (const [place, { attention, feedForward }] of stack.entries()) {
		if (attention !== undefined) places.attention.set(attention, place);
		places.feedForward.set(feedForward, place);
	}
	return {
		stack,
		of: (owner, block) => (block < blocks ? places[owner].get(block) : block - (blocks - stack.length)),
		below: (owner, bound) => removed[owner].filter((block) => block < bound).length,
		removed,
	};
}
