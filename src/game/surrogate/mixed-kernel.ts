import type { Granularity } from "../pairs.js";
import { removedUnits, rowLength, type Sample, toRows } from "../sample.js";
import { OwnCosts } from "./own-costs.js";
import { linkOfLoss } from "./surrogate.js";

/** Shares of the kernel's parts. The additive part's is 1, and all are shares of one variance that has a closed form. */
export interface MixedSetting {
	/** Share of pairs of blocks. */
	readonly pairs: number;
	/** Blocks apart over which a pair's prior variance falls e times; Infinity if all pairs are alike. */
	readonly reach: number;
	/** Share of the part that depends on everything at once. */
	readonly rest: number;
	/** Its length scale, blocks of mean weight. */
	readonly length: number;
	/** Share of a measurement's noise, and of what no part explains. */
	readonly noise: number;
	/**
	 * Over parts: blocks apart over which the correlation of two alike parts' own coefficients falls e times; 0 if they are independent.
	 * @default 0, and always over blocks
	 */
	readonly smooth?: number;
}

/** Coalitions (1 removed) and targets log(1 + added loss), over blocks or over parts of blocks. */
export class Masks {
	readonly granularity: Granularity;
	/** Blocks, or parts. */
	readonly players: number;
	readonly count: number;
	/** Shape: count x players. */
	readonly rows: Uint8Array;
	/** The same memory, coalition by coalition. */
	readonly flags: readonly Uint8Array[];
	readonly lists: readonly (readonly number[])[];
	readonly targets: Float64Array;

	/** @param blocks number of blocks */
	constructor(samples: readonly Sample[], blocks: number, granularity: Granularity = "block") {
		const players = rowLength(blocks, granularity);
		this.granularity = granularity;
		this.players = players;
		this.count = samples.length;
		this.rows = toRows(
			samples.map((sample) => sample.coalition),
			blocks,
			granularity,
		).map((kept) => 1 - kept);
		this.flags = samples.map((_, m) => this.rows.subarray(m * players, (m + 1) * players));
		this.lists = samples.map((sample) => removedUnits(sample.coalition, granularity));
		this.targets = Float64Array.from(samples, (sample) => linkOfLoss(sample.addedLoss));
	}
}

/** Prior variances under one setting. */
export class MixedKernel {
	readonly players: number;
	readonly setting: MixedSetting;
	/** Own coefficients of blocks, or of parts. */
	readonly own: OwnCosts;
	/** Variance of each pair's coefficient; symmetric, zero diagonal. */
	readonly pairs: Float64Array;
	/** Weight of a block in the distance, in length scales. */
	readonly steps: Float64Array;
	/** Scratch array for the blocks that two coalitions share. */
	readonly #common: Uint16Array;

	constructor(weights: Float64Array, setting: MixedSetting, granularity: Granularity = "block") {
		const players = weights.length;
		this.players = players;
		this.#common = new Uint16Array(players);
		this.setting = setting;
		this.own = new OwnCosts(weights, setting.smooth);
		this.pairs = pairVariances(weights, setting.reach, granularity).map((variance) => variance * setting.pairs);
		this.steps = weights.map((weight) => weight / setting.length);
	}

	/** Covariance of two coalitions, given as flags and as lists of what they remove. */
	of(a: Uint8Array, listA: readonly number[], b: Uint8Array, listB: readonly number[]): number {
		const { players, own, pairs, steps } = this;
		const common = this.#common;
		let count = 0;
		let sum = own.between(listA, listB);
		for (const i of listB) {
			if (a[i] !== 1) continue;
			sum += own.variances[i] as number;
			for (let c = 0; c < count; c++) sum += pairs[i * players + (common[c] as number)] as number;
			common[count++] = i;
		}
		let apart = 0;
		let fromA = 0;
		let fromB = 0;
		for (let i = 0; i < players; i++) {
			const x = a[i] as number;
			const y = b[i] as number;
			const step = steps[i] as number;
			apart += (x ^ y) * step;
			fromA += x * step;
			fromB += y * step;
		}
		return sum + this.setting.rest * (Math.exp(-apart) - Math.exp(-fromA) - Math.exp(-fromB) + 1);
	}

	/** Lower triangle of the covariance of all coalitions with each other, noise on the diagonal; shape count x count. */
	async matrix(masks: Masks, pause?: (() => Promise<void>) | undefined): Promise<Float64Array> {
		const { count, flags, lists } = masks;
		const matrix = new Float64Array(count * count);
		for (let a = 0; a < count; a++) {
			if (a % 16 === 15) await pause?.();
			const row = flags[a] as Uint8Array;
			for (let b = 0; b <= a; b++)
				matrix[a * count + b] =
					this.of(row, lists[a] as readonly number[], flags[b] as Uint8Array, lists[b] as readonly number[]) +
					(a === b ? this.setting.noise : 0);
		}
		return matrix;
	}
}

/** The coalitions' covariances part by part, so that trying another setting does not walk over blocks. */
export class KernelParts {
	readonly #masks: Masks;
	readonly #weights: Float64Array;
	readonly #linear: Float64Array;
	readonly #apart: Float64Array;
	readonly #fromOriginal: Float64Array;
	readonly #pairs = new Map<number, Float64Array>();
	readonly #alike = new Map<number, Float64Array>();

	constructor(masks: Masks, weights: Float64Array) {
		this.#masks = masks;
		this.#weights = weights;
		const { count, players, rows } = masks;
		this.#linear = new Float64Array(count * count);
		this.#apart = new Float64Array(count * count);
		this.#fromOriginal = new Float64Array(count);
		for (let a = 0; a < count; a++) {
			for (const i of masks.lists[a] as readonly number[]) this.#fromOriginal[a]! += weights[i] as number;
			for (let b = 0; b <= a; b++) {
				let common = 0;
				let apart = 0;
				for (let i = 0; i < players; i++) {
					const x = rows[a * players + i] as number;
					const y = rows[b * players + i] as number;
					const weight = weights[i] as number;
					common += (x & y) * weight * weight;
					apart += (x ^ y) * weight;
				}
				this.#linear[a * count + b] = common;
				this.#apart[a * count + b] = apart;
			}
		}
	}

	async matrix(setting: MixedSetting, pause?: (() => Promise<void>) | undefined): Promise<Float64Array> {
		const { count } = this.#masks;
		const pairs = await this.#pairsOf(setting.reach, pause);
		const alike = setting.smooth ? this.#alikeOf(setting.smooth) : undefined;
		const scale = 1 / setting.length;
		const far = this.#fromOriginal.map((distance) => Math.exp(-distance * scale));
		const matrix = new Float64Array(count * count);
		for (let a = 0; a < count; a++) {
			const farA = far[a] as number;
			for (let b = 0; b <= a; b++) {
				const at = a * count + b;
				const near = Math.exp(-(this.#apart[at] as number) * scale) - farA - (far[b] as number) + 1;
				matrix[at] = (this.#linear[at] as number) + setting.pairs * (pairs[at] as number) + setting.rest * near;
			}
			matrix[a * count + a]! += setting.noise;
		}
		return alike ? matrix.map((value, at) => value + (alike[at] as number)) : matrix;
	}

	/** What correlated coefficients of parts add. */
	#alikeOf(smooth: number): Float64Array {
		const known = this.#alike.get(smooth);
		if (known) return known;
		const { count, lists } = this.#masks;
		const own = new OwnCosts(this.#weights, smooth);
		const matrix = new Float64Array(count * count);
		for (const [a, list] of lists.entries()) for (let b = 0; b <= a; b++) matrix[a * count + b] = own.between(list, lists[b]!);
		this.#alike.set(smooth, matrix);
		return matrix;
	}

	async #pairsOf(reach: number, pause: (() => Promise<void>) | undefined): Promise<Float64Array> {
		const known = this.#pairs.get(reach);
		if (known) return known;
		const { count, players, rows, lists } = this.#masks;
		const variances = pairVariances(this.#weights, reach, this.#masks.granularity);
		const common = new Uint16Array(players);
		const matrix = new Float64Array(count * count);
		for (let b = 0; b < count; b++) {
			const list = lists[b] as readonly number[];
			for (let a = b; a < count; a++) {
				let shared = 0;
				let sum = 0;
				for (const i of list) {
					if (rows[a * players + i] !== 1) continue;
					for (let c = 0; c < shared; c++) sum += variances[i * players + (common[c] as number)] as number;
					common[shared++] = i;
				}
				matrix[a * count + b] = sum;
			}
			if (b % 16 === 15) await pause?.();
		}
		this.#pairs.set(reach, matrix);
		return matrix;
	}
}

/**
 * Neighbors in the residual stream are more often redundant than distant blocks; costly blocks interact more. Between parts |i - j| / 2 is
 * how many blocks they are apart, and the next part is nearest.
 */
function pairVariances(weights: Float64Array, reach: number, granularity: Granularity): Float64Array {
	const players = weights.length;
	const pitch = granularity === "block" ? 1 : 0.5;
	const variances = new Float64Array(players * players);
	for (let i = 0; i < players; i++) {
		for (let j = 0; j < players; j++) {
			if (i === j) continue;
			const near = Number.isFinite(reach) ? 0.1 + 0.9 * Math.exp((-(Math.abs(i - j) - 1) * pitch) / reach) : 1;
			variances[i * players + j] = (weights[i] as number) * (weights[j] as number) * near;
		}
	}
	return variances;
}
