import type { LossFunction } from "../predictor.js";

/** The terms of a function over sets of removed blocks; its value at the original model is subtracted. */
export interface MixedTerms {
	readonly players: number;
	readonly linear: Float64Array;
	/** Symmetric, zero diagonal. */
	readonly pairs: Float64Array;
	/** Coalitions (1 removed) that the exponential terms are centered on; shape centers x players. */
	readonly centers: Uint8Array;
	readonly heights: Float64Array;
	/** Distance that each block adds in which two coalitions differ. */
	readonly steps: Float64Array;
	/** Parity terms: blocks whose removals are counted, and the height of (-1)^count. */
	readonly parities?: { readonly blocks: readonly (readonly number[])[]; readonly heights: Float64Array };
}

/** Blocks whose states are looked up together. */
const BITS = 6;
const STATES = 1 << BITS;

/**
 * Additive, pair, exponential and parity terms. The last set is remembered with the change of every flip, since one walk over the centers
 * gives all of them. A search by swaps needs all flips of one set, then of the next. The walk takes six blocks at a time. For each of their
 * 64 states it keeps what they add to a distance, and how often a center differs in each block.
 */
export class MixedLoss implements LossFunction {
	readonly #t: MixedTerms;
	readonly #groups: number;
	/** Shape centers x groups: states of the groups' blocks. */
	readonly #packed: Uint8Array;
	/** Shape groups x 64: exp(-distance) if the blocks of a group differ as the bits say. */
	readonly #factors: Float64Array;
	readonly #up: Float64Array;
	readonly #down: Float64Array;
	readonly #full: number;
	readonly #state: Uint8Array;
	#flips: Float64Array | undefined;
	#value = 0;

	constructor(terms: MixedTerms) {
		const { players, centers, heights, steps } = terms;
		this.#t = terms;
		this.#groups = Math.ceil(players / BITS);
		this.#packed = new Uint8Array(heights.length * this.#groups);
		for (let m = 0; m < heights.length; m++)
			this.#packed.set(this.#pack(centers.subarray(m * players, (m + 1) * players)), m * this.#groups);
		this.#factors = Float64Array.from({ length: this.#groups * STATES }, (_, at) => {
			let apart = 0;
			for (let bit = 0; bit < BITS; bit++) {
				const block = Math.floor(at / STATES) * BITS + bit;
				if (((at >> bit) & 1) === 1 && block < players) apart += steps[block] as number;
			}
			return Math.exp(-apart);
		});
		this.#up = steps.map((step) => Math.expm1(step));
		this.#down = steps.map((step) => Math.expm1(-step));
		this.#state = new Uint8Array(players).fill(2);
		this.#full = this.#raw(new Uint8Array(players));
	}

	of(removed: Uint8Array): number {
		return this.#knows(removed) ? this.#value : this.#raw(removed) - this.#full;
	}

	flip(removed: Uint8Array, block: number): number {
		return this.flips(removed)[block] as number;
	}

	/** Change of {@link of} for each block flipped. */
	flips(removed: Uint8Array): Float64Array {
		if (!this.#flips || !this.#knows(removed)) {
			this.#state.set(removed);
			this.#flips = this.#allFlips(removed);
		}
		return this.#flips;
	}

	#knows(removed: Uint8Array): boolean {
		const state = this.#state;
		for (let i = 0; i < state.length; i++) if (state[i] !== removed[i]) return false;
		return true;
	}

	#pack(removed: Uint8Array): Uint8Array {
		const packed = new Uint8Array(this.#groups);
		for (let i = 0; i < removed.length; i++) packed[Math.floor(i / BITS)]! |= (removed[i] as number) << (i % BITS);
		return packed;
	}

	#raw(removed: Uint8Array): number {
		const { heights, parities } = this.#t;
		const groups = this.#groups;
		const packed = this.#packed;
		const factors = this.#factors;
		const here = this.#pack(removed);
		let sum = this.#quadratic(removed);
		for (let m = 0; m < heights.length; m++) {
			let height = heights[m] as number;
			for (let g = 0; g < groups; g++) height *= factors[g * STATES + ((packed[m * groups + g] as number) ^ (here[g] as number))] as number;
			sum += height;
		}
		if (parities) for (const [r, blocks] of parities.blocks.entries()) sum += sign(removed, blocks) * (parities.heights[r] as number);
		return sum;
	}

	#quadratic(removed: Uint8Array): number {
		const { players, linear, pairs } = this.#t;
		let sum = 0;
		for (let i = 0; i < players; i++) {
			if (removed[i] !== 1) continue;
			sum += linear[i] as number;
			for (let j = 0; j < i; j++) if (removed[j] === 1) sum += pairs[i * players + j] as number;
		}
		return sum;
	}

	#allFlips(removed: Uint8Array): Float64Array {
		const { parities } = this.#t;
		const { total, differing } = this.#walk(this.#pack(removed));
		const flips = differing.map((part, i) => part * (this.#up[i] as number) + (total - part) * (this.#down[i] as number));
		let value = this.#quadratic(removed) + total;
		if (parities) {
			for (const [r, blocks] of parities.blocks.entries()) {
				const height = sign(removed, blocks) * (parities.heights[r] as number);
				value += height;
				for (const i of blocks) flips[i]! -= 2 * height;
			}
		}
		this.#addQuadraticFlips(removed, flips);
		this.#value = value - this.#full;
		return flips;
	}

	/** Sum of the exponential terms at a set, and for each block the part from centers that differ there. */
	#walk(here: Uint8Array): { total: number; differing: Float64Array } {
		const { players, heights } = this.#t;
		const groups = this.#groups;
		const packed = this.#packed;
		const factors = this.#factors;
		const sums = new Float64Array(groups * STATES);
		let total = 0;
		for (let m = 0; m < heights.length; m++) {
			let height = heights[m] as number;
			const at = m * groups;
			for (let g = 0; g < groups; g++) height *= factors[g * STATES + ((packed[at + g] as number) ^ (here[g] as number))] as number;
			total += height;
			for (let g = 0; g < groups; g++) sums[g * STATES + ((packed[at + g] as number) ^ (here[g] as number))]! += height;
		}
		const differing = new Float64Array(players);
		for (let i = 0; i < players; i++) {
			const first = Math.floor(i / BITS) * STATES;
			const bit = 1 << (i % BITS);
			let sum = 0;
			for (let state = bit; state < STATES; state++) if ((state & bit) !== 0) sum += sums[first + state] as number;
			differing[i] = sum;
		}
		return { total, differing };
	}

	#addQuadraticFlips(removed: Uint8Array, flips: Float64Array): void {
		const { players, linear, pairs } = this.#t;
		for (let i = 0; i < players; i++) {
			let change = linear[i] as number;
			for (let j = 0; j < players; j++) if (removed[j] === 1 && j !== i) change += pairs[i * players + j] as number;
			flips[i]! += removed[i] === 1 ? -change : change;
		}
	}
}

function sign(removed: Uint8Array, blocks: readonly number[]): 1 | -1 {
	let odd = 0;
	for (const i of blocks) odd ^= removed[i] as number;
	return odd === 1 ? -1 : 1;
}
