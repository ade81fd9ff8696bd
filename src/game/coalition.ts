/** A set of kept blocks among `players` blocks (0-based, as in the tensor names `blk.N.`). Immutable. */
export class Coalition {
	/** One character per block, `1` kept and `0` removed: the form in ledgers and plans, and a key for maps. */
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

	/** @throws RangeError for a block outside 0..players-1 */
	static ofRemoved(players: number, removed: Iterable<number>): Coalition {
		const bits = new Array<string>(checkPlayers(players)).fill("1");
		for (const block of removed) bits[checkBlock(block, players)] = "0";
		return new Coalition(bits.join(""));
	}

	/** @throws RangeError for anything but a string of `0` and `1` */
	static parse(key: string): Coalition {
		if (!/^[01]+$/.test(key)) throw new RangeError(`a coalition is a string of 0 and 1, got ${JSON.stringify(key)}`);
		return new Coalition(key);
	}

	/** Number of blocks, kept or not. */
	get players(): number {
		return this.key.length;
	}

	/** Number of kept blocks. */
	get size(): number {
		let size = 0;
		for (let i = 0; i < this.key.length; i++) if (this.has(i)) size++;
		return size;
	}

	has(block: number): boolean {
		return this.key.charCodeAt(block) === 49;
	}

	with(block: number): Coalition {
		return this.has(block) ? this : this.flip(block);
	}

	without(block: number): Coalition {
		return this.has(block) ? this.flip(block) : this;
	}

	flip(block: number): Coalition {
		checkBlock(block, this.players);
		return new Coalition(this.key.slice(0, block) + (this.has(block) ? "0" : "1") + this.key.slice(block + 1));
	}

	/** Kept blocks, ascending. */
	kept(): number[] {
		return this.blocks(true);
	}

	/** Removed blocks, ascending. */
	removed(): number[] {
		return this.blocks(false);
	}

	/** One byte per block, 1 kept and 0 removed: the form in which masks cross to the native side. */
	toBytes(): Uint8Array {
		return Uint8Array.from({ length: this.players }, (_, i) => (this.has(i) ? 1 : 0));
	}

	equals(other: Coalition): boolean {
		return this.key === other.key;
	}

	toString(): string {
		return this.key;
	}

	private blocks(kept: boolean): number[] {
		const blocks: number[] = [];
		for (let i = 0; i < this.players; i++) if (this.has(i) === kept) blocks.push(i);
		return blocks;
	}
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
