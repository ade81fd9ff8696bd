import { keptParts, removedPositions, type StackedBlock, stackWithout } from "./parts.js";

/** Bytes of a mask: what is kept of a block. Others, from 2 on, name versions of blocks. */
export const MASK = { removed: 0, kept: 1, attention: 254, feedForward: 255 } as const;

/** Every form that a coalition's key can have. */
export const COALITION_KEY = /^(?:[01f]|a0*f)+$/;

const BYTE_OF: Readonly<Record<string, number>> = { "0": MASK.removed, "1": MASK.kept, a: MASK.attention, f: MASK.feedForward };

/**
 * A set of kept blocks among `players` blocks (0-based, as in the tensor names `blk.N.`). Immutable. A block may keep its attention part
 * alone, if the next part kept is the feed-forward part of a later block: the two are one block then. A block may keep its feed-forward
 * part alone.
 */
export class Coalition {
	/**
	 * One character per block: `1` kept, `0` removed, `a` only its attention part kept, `f` only its feed-forward part. It is the form in
	 * ledgers and plans, and a key for maps.
	 */
	readonly key: string;

	private constructor(key: string) {
		this.key = key;
	}

	/** All blocks kept. */
	static full(players: number): Coalition {
		return new Coalition("1".repeat(checkPlayers(players)));
	}

	/** No block kept: the LM head alone. */
	static empty(players: number): Coalition {
		return new Coalition("0".repeat(checkPlayers(players)));
	}

	/** @throws RangeError for a block outside 0..players-1 */
	static ofKept(players: number, kept: Iterable<number>): Coalition {
		const bits = new Array<string>(checkPlayers(players)).fill("0");
		for (const block of kept) bits[checkBlock(block, players)] = "1";
		return new Coalition(bits.join(""));
	}

	/**
	 * @param removed i for block i, i + 0.25 for its attention part alone, i + 0.5 for the feed-forward part of block i and the attention
	 * part of block i + 1
	 * @throws RangeError for a position outside 0..players-1, or if two share a part
	 */
	static ofRemoved(players: number, removed: Iterable<number>): Coalition {
		const parts = keptParts(checkPlayers(players), new Set(removed));
		return new Coalition(Array.from({ length: players }, (_, i) => keyOf(parts[2 * i]!, parts[2 * i + 1]!)).join(""));
	}

	/** @throws RangeError for anything but a string of `0`, `1`, `f`, and of `a` each followed by its `f` with only `0` between them */
	static parse(key: string): Coalition {
		if (!COALITION_KEY.test(key)) throw new RangeError(`a coalition is a string of 0, 1, f or a...f, got ${JSON.stringify(key)}`);
		return new Coalition(key);
	}

	/** Number of blocks, kept or not. */
	get players(): number {
		return this.key.length;
	}

	/** Number of blocks of what is left. */
	get size(): number {
		let size = 0;
		for (const char of this.key) if (char === "1" || char === "f") size++;
		return size;
	}

	/** Number of removed positions ({@link removed}): an attention part alone is one too, though its block stays. */
	get removals(): number {
		let count = 0;
		for (const char of this.key) if (char === "0" || char === "f") count++;
		return count;
	}

	/** Whether nothing is removed: the original model. A model without some attention parts has as many blocks. */
	get isFull(): boolean {
		return this.removals === 0;
	}

	/** Whether blocks are kept or removed as a whole. */
	get whole(): boolean {
		return !/[af]/.test(this.key);
	}

	/** Whether the block is kept as a whole. */
	has(block: number): boolean {
		return this.key.charCodeAt(block) === 49;
	}

	with(block: number): Coalition {
		return this.has(block) ? this : this.flip(block);
	}

	without(block: number): Coalition {
		return this.has(block) ? this.flip(block) : this;
	}

	/** @throws RangeError for a block of which a part is kept */
	flip(block: number): Coalition {
		checkBlock(block, this.players);
		if (/[af]/.test(this.key[block]!)) throw new RangeError(`a part of block ${block} is kept: it is neither in the set nor out of it`);
		return new Coalition(this.key.slice(0, block) + (this.has(block) ? "0" : "1") + this.key.slice(block + 1));
	}

	/** Kept blocks, ascending. @throws RangeError if a part of a block is kept, see {@link stack} */
	kept(): number[] {
		if (!this.whole) throw new RangeError(`parts of blocks are kept in ${this.key}: ask for the stack`);
		return Array.from(this.key).flatMap((char, block) => (char === "1" ? [block] : []));
	}

	/**
	 * What is removed, ascending: i for block i, i + 0.25 for its attention part alone, i + 0.5 for the feed-forward part of block i and the
	 * attention part of block i + 1.
	 */
	removed(): number[] {
		return removedPositions(Array.from(this.key).flatMap((char) => [char === "1" || char === "a", char === "1" || char === "f"]));
	}

	/** The blocks of what is left, in order. */
	stack(): StackedBlock[] {
		return stackWithout(this.players, this.removed());
	}

	/** One byte per block, see {@link MASK}: the form in which masks cross to the native side. */
	toBytes(): Uint8Array {
		return Uint8Array.from(this.key, (char) => BYTE_OF[char]!);
	}

	equals(other: Coalition): boolean {
		return this.key === other.key;
	}

	toString(): string {
		return this.key;
	}
}

function keyOf(attention: boolean, feedForward: boolean): string {
	if (attention) return feedForward ? "1" : "a";
	return feedForward ? "f" : "0";
}

function checkPlayers(players: number): number {
	if (!Number.isInteger(players) || players < 1) throw new RangeError(`players must be a positive integer, got ${players}`);
	return players;
}

function checkBlock(block: number, players: number): number {
	if (!Number.isInteger(block) || block < 0 || block >= players) {
		throw new RangeError(`block ${block} is not one of 0..${players - 1}`);
	}
	return block;
}

/** Each coalition once, in the order of their first appearance. */
export function distinct(coalitions: readonly Coalition[]): Coalition[] {
	return [...new Map(coalitions.map((coalition) => [coalition.key, coalition])).values()];
}
