/**
 * A seeded generator (xoshiro128**), so that equal seeds give equal draws on every machine.
 * The pure folders draw only from here: `Math.random` could not be replayed.
 */
export class Random {
	readonly #state: Uint32Array;
	#spareNormal: number | undefined;

	/** @param seed any finite number or any string; `1` and `"1"` are the same seed */
	constructor(seed: number | string) {
		if (typeof seed === "number" && !Number.isFinite(seed)) throw new RangeError(`a seed is a finite number or a string, got ${seed}`);
		this.#state = expandSeed(String(seed));
	}

	/** A separate generator for one purpose, so that a change in one part of a run does not shift the draws of another. */
	fork(label: string): Random {
		return new Random(`${this.uint32()}/${this.uint32()}/${label}`);
	}

	/** Integer in 0..2^32-1. */
	uint32(): number {
		const s = this.#state;
		const s1 = s[1] as number;
		const result = Math.imul(rotateLeft(Math.imul(s1, 5), 7), 9) >>> 0;
		const shifted = s1 << 9;
		s[2]! ^= s[0] as number;
		s[3]! ^= s1;
		s[1]! ^= s[2] as number;
		s[0]! ^= s[3] as number;
		s[2]! ^= shifted;
		s[3] = rotateLeft(s[3] as number, 11);
		return result;
	}

	/** Uniform in [0, 1), 53 bits. */
	uniform(): number {
		return ((this.uint32() >>> 5) * 67108864 + (this.uint32() >>> 6)) / 9007199254740992;
	}

	/**
	 * Uniform integer in 0..below-1.
	 * @throws RangeError unless `below` is an integer in 1..2^32
	 */
	integer(below: number): number {
		if (!Number.isInteger(below) || below < 1 || below > 4294967296)
			throw new RangeError(`below must be an integer in 1..2^32, got ${below}`);
		// Draws above the largest multiple of `below` are discarded: the remainder of such a draw would favor small numbers.
		const limit = 4294967296 - (4294967296 % below);
		let draw = this.uint32();
		while (draw >= limit) draw = this.uint32();
		return draw % below;
	}

	/** Standard normal (polar method). */
	normal(): number {
		if (this.#spareNormal !== undefined) {
			const spare = this.#spareNormal;
			this.#spareNormal = undefined;
			return spare;
		}
		for (;;) {
			const x = 2 * this.uniform() - 1;
			const y = 2 * this.uniform() - 1;
			const square = x * x + y * y;
			if (square >= 1 || square === 0) continue;
			const scale = Math.sqrt((-2 * Math.log(square)) / square);
			this.#spareNormal = y * scale;
			return x * scale;
		}
	}

	/** Shuffles in place and returns the same array. */
	shuffle<T extends { length: number; [index: number]: unknown }>(items: T): T {
		for (let i = items.length - 1; i > 0; i--) {
			const j = this.integer(i + 1);
			const held = items[i];
			items[i] = items[j];
			items[j] = held;
		}
		return items;
	}

	/**
	 * `count` different items, in random order.
	 * @throws RangeError if there are fewer
	 */
	sample<T>(items: readonly T[], count: number): T[] {
		if (!Number.isInteger(count) || count < 0 || count > items.length) {
			throw new RangeError(`count must be an integer in 0..${items.length}, got ${count}`);
		}
		const pool = items.slice();
		for (let i = 0; i < count; i++) {
			const j = i + this.integer(pool.length - i);
			const held = pool[i] as T;
			pool[i] = pool[j] as T;
			pool[j] = held;
		}
		return pool.slice(0, count);
	}
}

function rotateLeft(x: number, by: number): number {
	return ((x << by) | (x >>> (32 - by))) >>> 0;
}

/** Four words from a text: one FNV-1a hash each from its own offset, mixed by splitmix so that similar seeds give different states. */
function expandSeed(text: string): Uint32Array {
	const state = new Uint32Array(4);
	for (let word = 0; word < 4; word++) {
		let hash = (0x811c9dc5 + Math.imul(word, 0x9e3779b9)) >>> 0;
		for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
		state[word] = splitmix(hash ^ text.length);
	}
	// The all-zero state would stay zero forever.
	if (state.every((word) => word === 0)) state[0] = 1;
	return state;
}

function splitmix(seed: number): number {
	let x = (seed + 0x9e3779b9) >>> 0;
	x = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
	x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
	return (x ^ (x >>> 15)) >>> 0;
}
