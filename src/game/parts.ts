// Parts of blocks: block i is its attention part 2i, then its feed-forward part 2i + 1. A set of parts can run if a feed-forward part
// follows every attention part that is kept, before the next one: what is left is a row of blocks, of which some have no attention.

/**
 * One block of what is left: the attention part of one block of the original, then the feed-forward part of the same or a later one; or
 * a feed-forward part alone.
 */
export interface StackedBlock {
	/** Number of the block that the attention part is of, from 0; undefined if the block has none. */
	readonly attention: number | undefined;
	/** Number of the block that the feed-forward part is of; at least `attention`. */
	readonly feedForward: number;
}

/** Added to the number of a block, it is the position of the block's attention part alone. */
const ATTENTION = 0.25;

/** The parts that a position stands for: the first one's number, and how many. */
export function partsAt(position: number): { readonly first: number; readonly count: number } {
	const alone = isAttention(position);
	return { first: 2 * (alone ? Math.floor(position) : position), count: alone ? 1 : 2 };
}

/** Whether a number is a position of some model. */
export function isPosition(position: number): boolean {
	return position >= 0 && Number.isInteger(partsAt(position).first);
}

/** Whether a position is the attention part of a block alone. */
export function isAttention(position: number): boolean {
	return position - Math.floor(position) === ATTENTION;
}

/**
 * Whether each of the 2 x `blocks` parts is kept.
 * @param positions removed ones: i for block i, i + 0.25 for its attention part alone, i + 0.5 for the feed-forward part of block i and
 * the attention part of block i + 1
 * @throws RangeError for a position that the model lacks, or that shares a part with another
 */
export function keptParts(blocks: number, positions: Iterable<number>): boolean[] {
	const kept = new Array<boolean>(2 * blocks).fill(true);
	for (const position of positions) {
		const { first, count } = partsAt(position);
		const end = first + count;
		if (!Number.isInteger(first) || first < 0 || end > kept.length) throw new RangeError(noSuchPosition(position, blocks));
		if (kept.slice(first, end).includes(false)) throw new RangeError(`position ${position} shares a part with another one`);
		kept.fill(false, first, end);
	}
	return kept;
}

/** One byte per part, 1 if it is removed. @param positions removed ones @throws RangeError as {@link keptParts} */
export function removedFlags(blocks: number, positions: Iterable<number>): Uint8Array {
	return Uint8Array.from(keptParts(blocks, positions), (kept) => (kept ? 0 : 1));
}

/** The block of the original that a block of what is left goes by: that of its attention part, if it has one. */
export const originOf = ({ attention, feedForward }: StackedBlock): number => attention ?? feedForward;

/** Whether both parts are of one block of the original. */
export const isWholeBlock = ({ attention, feedForward }: StackedBlock): boolean => attention === feedForward;

function noSuchPosition(position: number, blocks: number): string {
	return `block ${position} is not one of 0..${blocks - 1}, no attention part of one, and no shifted pair between two of them`;
}

/** Whether these parts can run: a feed-forward part follows every kept attention part before the next one. */
export function canRun(kept: readonly boolean[]): boolean {
	let open = false;
	for (const [part, stays] of kept.entries()) {
		if (!stays) continue;
		const attention = part % 2 === 0;
		if (open && attention) return false;
		open = attention;
	}
	return !open;
}

/**
 * The removed positions of parts that can run, ascending. A block is read before a shifted pair: the attention part of
 * block 3 with 3f-4a is block 3 and the attention part of block 4.
 * @throws RangeError if they cannot run
 */
export function removedPositions(kept: readonly boolean[]): number[] {
	if (!canRun(kept)) throw new RangeError("in a model a feed-forward part must follow every attention part before the next one");
	const positions: number[] = [];
	for (let part = 0; part < kept.length; part++) {
		if (kept[part]) continue;
		const alone = kept[part + 1] === true;
		positions.push(part / 2 + (alone ? ATTENTION : 0));
		if (!alone) part++;
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
	const stack: StackedBlock[] = [];
	let attention: number | undefined;
	for (const part of partsLeft(blocks, positions)) {
		if (part % 2 === 0) {
			attention = part / 2;
			continue;
		}
		stack.push({ attention, feedForward: (part - 1) / 2 });
		attention = undefined;
	}
	return stack;
}

/** Whether all positions are blocks as a whole. */
export function isWhole(positions: readonly number[]): boolean {
	return positions.every(Number.isInteger);
}

/** Whether a half-block cut is among removed positions; attention parts are none. */
export function holdsCut(positions: readonly number[]): boolean {
	return positions.some((position) => position % 1 === 0.5);
}

/** Blocks without their attention part, and blocks without their feed-forward part, each ascending. */
export interface RemovedParts {
	readonly attention: number[];
	readonly feedForward: number[];
}

/** @param positions removed ones, in any order */
export function removedParts(positions: readonly number[]): RemovedParts {
	const parts = positions.flatMap((position) => {
		const { first, count } = partsAt(position);
		return count === 1 ? [first] : [first, first + 1];
	});
	const ofKind = (kind: number) => parts.filter((part) => part % 2 === kind).map((part) => (part - kind) / 2);
	const ascending = (a: number, b: number) => a - b;
	return { attention: ofKind(0).sort(ascending), feedForward: ofKind(1).sort(ascending) };
}
