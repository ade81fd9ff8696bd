import { isWhole, type RemovedParts, removedParts, type StackedBlock, stackWithout } from "../../game/parts.js";
import { formatBlocks } from "../../notation.js";
import { isKind, type RuledModel } from "./rules.js";
import { FEED_FORWARD_KEYS, USUAL_FEED_FORWARD } from "./table/parts.js";
import type { ArchitectureEntry, PartsAllowed } from "./types.js";

// Halves of blocks: what is of the attention part, what of the feed-forward part, and which parts may become one block.

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

/** Whether halves of blocks can be removed from this model. */
export function partsOf({ entry, keys }: RuledModel, refused: string | undefined): PartsAllowed {
	const no = (reason: string): PartsAllowed => ({ allowed: false, reason });
	if (refused !== undefined) return no(refused);
	if (!entry.parts) return no("it is not known which tensors of an unknown architecture are of its feed-forward part");
	const { whole, unless } = entry.parts;
	if (whole !== undefined) return no(whole);
	return unless && keys.holds(unless.when, entry) ? no(unless.why) : { allowed: true };
}

/** Why the parts of these blocks cannot become one block; undefined if all can. */
export function joinProblem({ entry, facts }: RuledModel, stack: readonly StackedBlock[]): string | undefined {
	const join = entry.parts?.join;
	if (!join) return undefined;
	const [kind, alike] = "alike" in join ? [join.alike, true] : [join.both, false];
	const is = (block: number) => isKind(kind, block, facts);
	const fits = (a: number, b: number) => a === b || (alike ? is(a) === is(b) : is(a) && is(b));
	const fault = stack.find(({ attention, feedForward }) => !fits(attention, feedForward));
	return (
		fault && `the attention of block ${fault.attention} and the feed-forward of block ${fault.feedForward} cannot be one block: ${join.why}`
	);
}

/** What is wrong with the positions of a set, whatever the architecture: they are outside the model, or share a part. */
export function malformed(positions: readonly number[], blocks: number): string | undefined {
	const last = blocks - 1;
	const stranger = positions.find((position) => !Number.isInteger(2 * position) || position < 0 || position > last);
	if (stranger !== undefined) {
		const shifted = stranger > last && Number.isInteger(2 * stranger) && !Number.isInteger(stranger);
		return `${shifted ? `${formatBlocks([stranger])} reaches beyond the model` : `there is no block ${stranger}`}: the blocks are 0 to ${last}`;
	}
	const ascending = [...positions].sort((a, b) => a - b);
	const at = ascending.findIndex((position, i) => i > 0 && position < ascending[i - 1]! + 1);
	if (at < 0) return undefined;
	const [one, other] = [ascending[at - 1]!, ascending[at]!];
	return one === other ? "a block is named twice" : `${formatBlocks([one])} and ${formatBlocks([other])} share a part`;
}

/** The two sets of whole blocks that a set with halves must satisfy as both, for people and by number; one set if it has none. */
export function halvesOf(positions: readonly number[]): { readonly what: string; readonly removed: readonly number[] }[] {
	const removed: RemovedParts = removedParts(positions);
	if (isWhole(positions)) return [{ what: "", removed: removed.attention }];
	return [
		{ what: `without the attention of ${blocksText(removed.attention)}: `, removed: removed.attention },
		{ what: `without the feed-forward of ${blocksText(removed.feedForward)}: `, removed: removed.feedForward },
	];
}

function blocksText(blocks: readonly number[]): string {
	return `${blocks.length === 1 ? "block" : "blocks"} ${formatBlocks(blocks)}`;
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
 * @throws RangeError for positions that {@link malformed} complains about
 */
export function placesWithout(blocks: number, positions: readonly number[]): Places {
	const stack = stackWithout(blocks, positions);
	const removed = removedParts(positions);
	const places = { attention: new Map<number, number>(), feedForward: new Map<number, number>() };
	for (const [place, { attention, feedForward }] of stack.entries()) {
		places.attention.set(attention, place);
		places.feedForward.set(feedForward, place);
	}
	return {
		stack,
		of: (owner, block) => (block < blocks ? places[owner].get(block) : block - positions.length),
		below: (owner, bound) => removed[owner].filter((block) => block < bound).length,
		removed,
	};
}
