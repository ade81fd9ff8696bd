// Parts of blocks: block i is its attention part 2i, then its feed-forward part 2i + 1. A set of parts can run if the kept ones alternate.

/** One block of what is left: the attention part of one block of the original, then the feed-forward part of the same or a later one. */
export interface StackedBlock {
	/** Number of the block that the attention part is of, from 0. */
	readonly attention: number;
	/** Number of the block that the feed-forward part is of; at least `attention`. */
	readonly feedForward: number;
}

/**
 * Whether each of the 2 x `blocks` parts is kept.
 * @param positions removed ones: i for block i, i + 0.5 for the feed-forward part of block i and the attention part of block i + 1
 * @throws RangeError for a position that the model lacks, or that shares a part with another
 */
export function keptParts(blocks: number, positions: Iterable<number>): boolean[] {
	const kept = new Array<boolean>(2 * blocks).fill(true);
	for (const position of positions) {
		const part = 2 * position;
		if (!Number.isInteger(part) || part < 0 || part + 1 >= kept.length) throw new RangeError(noSuchPosition(position, blocks));
		if (!kept[part] || !kept[part + 1]) throw new RangeError(`position ${position} shares a part with another one`);
		kept[part] = false;
		kept[part + 1] = false;
	}
	return kept;
}

/** One byte per part, 1 if it is removed. @param positions removed ones @throws RangeError as {@link keptParts} */
export function removedFlags(blocks: number, positions: Iterable<number>): Uint8Array {
	return Uint8Array.from(keptParts(blocks, positions), (kept) => (kept ? 0 : 1));
}

/** Whether both parts are of one block of the original. */
export const isWholeBlock = ({ attention, feedForward }: StackedBlock): boolean => attention === feedForward;

function noSuchPosition(position: number, blocks: number): string {
	return `block ${position} is not one of 0..${blocks - 1}, and no shifted pair between two of them`;
}

/**
 * The removed positions of parts whose kept ones alternate, ascending.
 * @throws RangeError if they do not
 */
export function removedPositions(kept: readonly boolean[]): number[] {
	const positions: number[] = [];
	for (let part = 0; part < kept.length; part++) {
		if (kept[part]) continue;
		if (kept[part + 1] ?? true) throw new RangeError("the kept parts of a model must alternate between attention and feed-forward");
		positions.push(part / 2);
		part++;
	}
	return positions;
}

/** Numbers of the parts that are left, ascending. @param positions removed ones @throws RangeError as {@link keptParts} */
export function partsLeft(blocks: number, positions: Iterable<number>): number[] {
	return keptParts(blocks, positions).flatMap((stays, part) => (stays ? [part] : []));
}

/**
 * The blocks of what is left, in order.
 * @param positions removed ones, in any order
 * @throws RangeError as {@link keptParts}
 */
export function stackWithout(blocks: number, positions: Iterable<number>): StackedBlock[] {
	const kept = partsLeft(blocks, positions);
	return Array.from({ length: kept.length / 2 }, (_, i) => ({ attention: kept[2 * i]! / 2, feedForward: (kept[2 * i + 1]! - 1) / 2 }));
}

/** Whether all positions are blocks as a whole. */
export function isWhole(positions: readonly number[]): boolean {
	return positions.every(Number.isInteger);
}

/** Blocks without their attention part, and blocks without their feed-forward part, each ascending. */
export interface RemovedParts {
	readonly attention: number[];
	readonly feedForward: number[];
}

/** @param positions removed ones, in any order */
export function removedParts(positions: readonly number[]): RemovedParts {
	const ascending = [...positions].sort((a, b) => a - b);
	return { attention: ascending.map(Math.ceil), feedForward: ascending.map(Math.floor) };
}
