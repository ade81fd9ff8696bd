import { type Sample, toRows } from "../sample.js";
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
}

/** Coalitions (1 removed) and targets log(1 + added loss). */
export class Masks {
	readonly players: number;
	readonly count: number;
	/** Shape: count x players. */
	readonly rows: Uint8Array;
	/** The same memory, coalition by coalition. */
	readonly flags: readonly Uint8Array[];
	readonly lists: readonly (readonly number[])[];
	readonly targets: Float64Array;

	constructor(samples: readonly Sample[], players: number) {
		this.players = players;
		this.count = samples.length;
		this.rows = toRows(
			samples.map((sample) => sample.coalition),
			players,
		).map((kept) => 1 - kept);
		this.flags = samples.map((_, m) => this.rows.subarray(m * players, (m + 1) * players));
		this.lists = samples.map((sample) => sample.coalition.removed());
		this.targets = Float64Array.from(samples, (sample) => linkOfLoss(sample.addedLoss));
	}
}

/** Prior variances under one setting. */
export class MixedKernel {
	readonly players: number;
	readonly setting: MixedSetting;
	/** Variance of each block's own coefficient. */
	readonly linear: Float64Array;
	/** Variance of each pair's coefficient; symmetric, zero diagonal. */
	readonly pairs: Float64Array;
	/** Weight of a block in the distance, in length scales. */
	readonly steps: Float64Array;
	/** Scratch array for the blocks that two coalitions share. */
	readonly #common: Uint16Array;

	constructor(weights: Float64Array, setting: MixedSetting) {
		const players = weights.length;
		this.players = players;
		this.#common = new Uint16Array(players);
		this.setting = setting;
		this.linear = weights.map((weight) => weight * weight);
		this.pairs = pairVariances(weights, setting.reach).map((variance) => variance * setting.pairs);
		this.steps = weights.map((weight) => weight / setting.length);
	}

	/** Covariance of two coalitions, given as flags; `b` also as its list of removed blocks. */
	of(a: Uint8Array, b: Uint8Array, listB: readonly number[]): number {
		const { players, linear, pairs, steps } = this;
		const common = this.#common;
		let count = 0;
		let sum = 0;
		for (const i of listB) {
			if (a[i] !== 1) continue;
			sum += linear[i] as number;
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
				matrix[a * count + b] = this.of(row, flags[b] as Uint8Array, lists[b] as readonly number[]) + (a === b ? this.setting.noise : 0);
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
		return matrix;
	}

	async #pairsOf(reach: number, pause: (() => Promise<void>) | undefined): Promise<Float64Array> {
		const known = this.#pairs.get(reach);
		if (known) return known;
		const { count, players, rows, lists } = this.#masks;
		const variances = pairVariances(this.#weights, reach);
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

/** Neighbors in the residual stream are more often redundant than distant blocks; costly blocks interact more. */
function pairVariances(weights: Float64Array, reach: number): Float64Array {
	const players = weights.length;
	const variances = new Float64Array(players * players);
	for (let i = 0; i < players; i++) {
		for (let j = 0; j < players; j++) {
			if (i === j) continue;
			const near = Number.isFinite(reach) ? 0.1 + 0.9 * Math.exp(-(Math.abs(i - j) - 1) / reach) : 1;
			variances[i * players + j] = (weights[i] as number) * (weights[j] as number) * near;
		}
	}
	return variances;
}
