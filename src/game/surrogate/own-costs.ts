// Prior of what blocks, or parts of blocks, cost by themselves.

/**
 * Coefficients of single blocks (or parts), of mean 0. A weight w_p is the standard deviation. Those of blocks are independent. Over parts
 * the coefficients of two alike parts p and q, both attention or both feed-forward, have the covariance
 * w_p w_q exp(-|p - q| / (2 smooth)), where |p - q| / 2 is how many blocks they are apart. So it is nearly the same to remove the
 * feed-forward part of one block or that of the next one: what was measured of one tells about the other. Parts of different kinds are
 * independent.
 */
export class OwnCosts {
	/** Variance of each coefficient. */
	readonly variances: Float64Array;
	readonly #weights: Float64Array;
	/** Correlation of alike parts of two neighboring blocks. */
	readonly #near: number;
	/** Correlation by the number of blocks apart; 0 for none. */
	readonly #byBlocks: Float64Array;

	/** @param smooth blocks over which the correlation falls e times; 0 if all are independent */
	constructor(weights: Float64Array, smooth = 0) {
		this.variances = weights.map((weight) => weight * weight);
		this.#weights = weights;
		this.#near = smooth > 0 ? Math.exp(-1 / smooth) : 0;
		this.#byBlocks = Float64Array.from(weights, (_, apart) => (apart === 0 ? 0 : this.#near ** apart));
	}

	/** Covariance of two sums of coefficients that different parts give; those of the same part have their variance. */
	between(a: readonly number[], b: readonly number[]): number {
		if (this.#near === 0) return 0;
		let sum = 0;
		for (const p of a) {
			let row = 0;
			for (const q of b) if (((p ^ q) & 1) === 0) row += this.#weights[q]! * this.#byBlocks[Math.abs(p - q) / 2]!;
			sum += this.#weights[p]! * row;
		}
		return sum;
	}

	/** Covariance of each coefficient with a sum of them. @param shares how often each is in the sum */
	with(shares: Float64Array): Float64Array {
		const sums = shares.map((share, p) => share * this.variances[p]!);
		if (this.#near === 0) return sums;
		return sums.map((sum, p) => {
			let rest = 0;
			for (let q = p % 2; q < shares.length; q += 2) rest += shares[q]! * this.#weights[q]! * this.#byBlocks[Math.abs(p - q) / 2]!;
			return sum + this.#weights[p]! * rest;
		});
	}

	/** Coefficients drawn from the prior. @param sd scale of all of them */
	draw(sd: number, normal: () => number): Float64Array {
		if (this.#near === 0) return this.variances.map((variance) => sd * Math.sqrt(variance) * normal());
		// The correlation falls by one factor a block: each is the one before, and noise.
		const fresh = Math.sqrt(1 - this.#near ** 2);
		const drawn = new Float64Array(this.#weights.length);
		for (const p of drawn.keys()) drawn[p] = p < 2 ? normal() : this.#near * drawn[p - 2]! + fresh * normal();
		return drawn.map((z, p) => sd * this.#weights[p]! * z);
	}
}
