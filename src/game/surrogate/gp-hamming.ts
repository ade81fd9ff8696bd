import type { Coalition } from "../coalition.js";
import type { Granularity } from "../pairs.js";
import { rowLength, type Sample, toRows } from "../sample.js";
import { blockWeights } from "./block-weights.js";
import { Cholesky } from "./cholesky.js";
import { MixedLoss, type MixedTerms } from "./mixed-loss.js";
import { drawParities } from "./parities.js";
import { type FitReport, linkOfLoss, type PartFitOptions, playersOf, type PosteriorSurrogate, thinned, valueOfLink } from "./surrogate.js";

export interface GpHammingOptions extends PartFitOptions {
	/** Length scales of the Hamming part to choose from, in blocks of mean weight. @default 2, 4, 8, 16 */
	readonly lengths?: readonly number[];
	/** Noise variances to choose from, as shares of the signal's variance. @default 0.0001, 0.001, 0.01 */
	readonly noises?: readonly number[];
	/** Variance of the additive part over that of the Hamming part. @default 1, 10 */
	readonly linearShares?: readonly number[];
	/** Most coalitions to use, evenly spaced: the cost grows with the cube. @default 800 */
	readonly maxMasks?: number;
}

const TUNING_MASKS = 300;

interface Setting {
	readonly length: number;
	readonly noise: number;
	readonly linearShare: number;
}

/**
 * Gaussian process on log(1 + added loss): an additive part plus exp(-weighted Hamming distance / length), anchored at the original model.
 * A block's weight in the distance is what its own removal costs in an additive fit. So two coalitions that differ in a harmless block
 * are near. Length, noise and share are chosen by marginal likelihood. With granularity `half-block` it is the same over parts of blocks.
 * @throws RangeError for no samples
 */
export async function fitGpHamming(samples: readonly Sample[], options: GpHammingOptions = {}): Promise<GpHammingSurrogate> {
	const { granularity = "block" } = options;
	const players = playersOf(samples, granularity);
	const distinct = [...new Map(samples.map((sample) => [sample.coalition.key, sample])).values()];
	const used = thinned(distinct, options.maxMasks ?? 800);
	const weights = blockWeights(thinned(used, TUNING_MASKS), players, granularity);
	const tuning = new Data(thinned(used, TUNING_MASKS), players, granularity);
	let best: { setting: Setting; likelihood: number } | undefined;
	for (const setting of settingsOf(options)) {
		await options.pause?.();
		options.signal?.throwIfAborted();
		const { likelihood } = solve(tuning, weights, setting);
		if (!best || likelihood > best.likelihood) best = { setting, likelihood };
	}
	const data = new Data(used, players, granularity);
	const { setting } = best!;
	await options.pause?.();
	const report = { masks: used.length, settings: { ...setting } };
	return new GpHammingSurrogate(data, weights, setting, report);
}

function settingsOf(options: GpHammingOptions): Setting[] {
	const { lengths = [2, 4, 8, 16], noises = [1e-4, 1e-3, 1e-2], linearShares = [1, 10] } = options;
	return lengths.flatMap((length) => noises.flatMap((noise) => linearShares.map((linearShare) => ({ length, noise, linearShare }))));
}

/** Rows of coalitions (1 kept) and targets in the link scale. */
class Data {
	/** Number of blocks. */
	readonly players: number;
	readonly granularity: Granularity;
	readonly rows: Uint8Array;
	readonly targets: Float64Array;

	constructor(samples: readonly Sample[], players: number, granularity: Granularity) {
		this.players = players;
		this.granularity = granularity;
		this.rows = toRows(
			samples.map((sample) => sample.coalition),
			players,
			granularity,
		);
		this.targets = Float64Array.from(samples, (sample) => linkOfLoss(sample.addedLoss));
	}
}

/** k(a, b), anchored: the covariance given that the original model's value is 0. */
class Kernel {
	readonly #players: number;
	readonly #weights: Float64Array;
	readonly #setting: Setting;

	constructor(weights: Float64Array, setting: Setting) {
		this.#players = weights.length;
		this.#weights = weights;
		this.#setting = setting;
	}

	of(a: Uint8Array, at: number, b: Uint8Array, bt: number): number {
		let apart = 0;
		let fromA = 0;
		let fromB = 0;
		let common = 0;
		for (let i = 0; i < this.#players; i++) {
			const weight = this.#weights[i] as number;
			const goneA = a[at + i] === 0;
			const goneB = b[bt + i] === 0;
			if (goneA !== goneB) apart += weight;
			if (goneA) fromA += weight;
			if (goneB) fromB += weight;
			// The additive part expects a costly block's coefficient to be large.
			if (goneA && goneB) common += weight * weight;
		}
		const { length, linearShare } = this.#setting;
		return (linearShare * common) / this.#players + Math.exp(-apart / length) - Math.exp(-(fromA + fromB) / length);
	}
}

function solve(data: Data, weights: Float64Array, setting: Setting) {
	const players = weights.length;
	const size = data.targets.length;
	const kernel = new Kernel(weights, setting);
	const matrix = new Float64Array(size * size);
	for (let a = 0; a < size; a++) {
		for (let b = 0; b <= a; b++)
			matrix[a * size + b] = kernel.of(data.rows, a * players, data.rows, b * players) + (a === b ? setting.noise : 0);
	}
	const factor = new Cholesky(matrix, size);
	const alpha = factor.solve(data.targets);
	// The signal's variance in closed form; floored so that an exact fit of a constant game has a likelihood.
	const variance = Math.max(1e-12, alpha.reduce((sum, a, i) => sum + a * (data.targets[i] as number), 0) / size);
	return { kernel, factor, alpha, variance, likelihood: -0.5 * (size * Math.log(variance) + factor.logDeterminant()) };
}

/** A Gaussian process over coalitions: near the measurements it follows them, and far from them its uncertainty is large. */
export class GpHammingSurrogate implements PosteriorSurrogate {
	readonly kind = "gp-hamming";
	readonly players: number;
	readonly granularity: Granularity;
	readonly fit: FitReport;
	/** Blocks, or parts of blocks. */
	readonly #length: number;
	readonly #data: Data;
	readonly #weights: Float64Array;
	readonly #setting: Setting;
	readonly #mean: MixedLoss;
	readonly #solved: ReturnType<typeof solve>;

	/** @internal */
	constructor(data: Data, weights: Float64Array, setting: Setting, fit: FitReport) {
		this.players = data.players;
		this.granularity = data.granularity;
		this.#length = rowLength(data.players, data.granularity);
		this.fit = fit;
		this.#data = data;
		this.#weights = weights;
		this.#setting = setting;
		this.#solved = solve(data, weights, setting);
		this.#mean = new MixedLoss(this.#terms(this.#solved.alpha));
	}

	predict(coalitions: readonly Coalition[]): Float64Array {
		const removed = toRows(coalitions, this.players, this.granularity).map((kept) => 1 - kept);
		return Float64Array.from(coalitions, (_, c) => valueOfLink(this.#mean.of(removed.subarray(c * this.#length, (c + 1) * this.#length))));
	}

	mean(): MixedLoss {
		return this.#mean;
	}

	toValue(loss: number): number {
		return valueOfLink(loss);
	}

	/** A draw from the prior, corrected by the data. */
	draw(normal: () => number): MixedLoss {
		const { variance, factor } = this.#solved;
		const players = this.#length;
		const { noise } = this.#setting;
		const sd = Math.sqrt(variance);
		const none = this.#terms(new Float64Array(this.#data.targets.length));
		const linear = this.#linearVariances().map((own) => sd * Math.sqrt(own) * normal());
		const parities = drawParities(none.steps, sd, normal);
		// The drawn function's value at the original model fades as the covariance with it does.
		const atFull = parities.heights.reduce((sum, height) => sum + height, 0);
		const prior: MixedTerms = { ...none, linear, centers: new Uint8Array(players), heights: Float64Array.of(-atFull), parities };
		const drawn = new MixedLoss(prior);
		const removed = this.#data.rows.map((kept) => 1 - kept);
		const missing = this.#data.targets.map(
			(target, m) => target - drawn.of(removed.subarray(m * players, (m + 1) * players)) - sd * Math.sqrt(noise) * normal(),
		);
		return new MixedLoss(this.#terms(factor.solve(missing), prior));
	}

	/** Mean and standard deviation of log(1 + added loss). The deviation is that of a new measurement, noise included. */
	predictLinks(coalitions: readonly Coalition[]): { mean: Float64Array; sd: Float64Array } {
		const { kernel, factor, variance, alpha } = this.#solved;
		const rows = toRows(coalitions, this.players, this.granularity);
		const mean = new Float64Array(coalitions.length);
		const sd = new Float64Array(coalitions.length);
		for (let c = 0; c < coalitions.length; c++) {
			const at = c * this.#length;
			const covariances = this.#covariances(rows, c);
			mean[c] = covariances.reduce((sum, covariance, m) => sum + covariance * (alpha[m] as number), 0);
			const explained = factor.forward(covariances).reduce((sum, x) => sum + x * x, 0);
			sd[c] = Math.sqrt(variance * Math.max(0, kernel.of(rows, at, rows, at) - explained + this.#setting.noise));
		}
		return { mean, sd };
	}

	#covariances(rows: Uint8Array, row: number): Float64Array {
		const { kernel, alpha } = this.#solved;
		return alpha.map((_, m) => kernel.of(rows, row * this.#length, this.#data.rows, m * this.#length));
	}

	/** Variance of the additive part, as a share of the process's variance. */
	#linearVariances(): Float64Array {
		return this.#weights.map((weight) => (this.#setting.linearShare * weight * weight) / this.#length);
	}

	/** The function sum of a_m k(., mask m), on top of a prior draw if there is one. */
	#terms(dual: Float64Array, prior?: MixedTerms): MixedTerms {
		const players = this.#length;
		const { rows } = this.#data;
		const count = dual.length;
		const steps = this.#weights.map((weight) => weight / this.#setting.length);
		const linear = new Float64Array(players);
		const centers = new Uint8Array((count + 1) * players);
		const heights = new Float64Array(count + 1);
		for (let m = 0; m < count; m++) {
			let fromOriginal = 0;
			for (let i = 0; i < players; i++) {
				if (rows[m * players + i] === 1) continue;
				linear[i]! += dual[m] as number;
				centers[m * players + i] = 1;
				fromOriginal += steps[i] as number;
			}
			heights[m] = dual[m] as number;
			heights[count]! -= (dual[m] as number) * Math.exp(-fromOriginal);
		}
		heights[count]! += prior?.heights[0] ?? 0;
		const variances = this.#linearVariances();
		return {
			players,
			linear: linear.map((sum, i) => sum * (variances[i] as number) + (prior?.linear[i] ?? 0)),
			pairs: new Float64Array(players * players),
			centers,
			heights,
			steps,
			...(prior?.parities ? { parities: prior.parities } : {}),
		};
	}
}
