import type { Coalition } from "../coalition.js";
import type { Granularity } from "../pairs.js";
import { removedUnits, type Sample, toRows } from "../sample.js";
import { blockWeights } from "./block-weights.js";
import { Cholesky } from "./cholesky.js";
import { KernelParts, Masks, MixedKernel, type MixedSetting } from "./mixed-kernel.js";
import { MixedLoss, type MixedTerms } from "./mixed-loss.js";
import { drawParities } from "./parities.js";
import { type FitReport, type PartFitOptions, playersOf, type PosteriorSurrogate, thinned, valueOfLink } from "./surrogate.js";

export interface MixedGpOptions extends PartFitOptions {
	/** Most coalitions to use, the best of each size and others evenly spaced: the cost grows with the cube. @default 1000 */
	readonly maxMasks?: number;
	/** Start of the search for a setting: that of the fit before. @default a usual one */
	readonly start?: MixedSetting;
	/** Rounds of the search for a setting, each over all its numbers; 0 takes `start` unchanged. @default 2, or 1 with `start` */
	readonly rounds?: number;
}

/** Coalitions that choose the setting: more cost time and change little. */
const TUNING_MASKS = 300;

const CHOICES: { readonly [K in keyof MixedSetting]-?: readonly number[] } = {
	pairs: [0.003, 0.01, 0.03, 0.1, 0.3, 1],
	reach: [1.5, 4, 12, Number.POSITIVE_INFINITY],
	rest: [0.001, 0.01, 0.1, 1, 10, 100],
	length: [1, 2, 4, 8, 16, 32],
	noise: [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1],
	smooth: [0, 0.5, 1, 2, 4, 8],
};
const USUAL: MixedSetting = { pairs: 0.1, reach: 4, rest: 0.1, length: 8, noise: 1e-4 };
const USUAL_OF_PARTS: MixedSetting = { ...USUAL, smooth: 1 };
const SEARCHED = ["noise", "pairs", "rest", "length", "reach"] as const;

/**
 * Gaussian process on log(1 + added loss), 0 at the original model, of three parts: each block's own cost, pairs of blocks (near ones may
 * interact more), and exp(-weighted Hamming distance) for all the rest. Shares, reach, length and noise are chosen by marginal likelihood.
 * With granularity `half-block` the three are over parts of blocks. The own costs of alike parts of nearby blocks are correlated then
 * ({@link OwnCosts}), and `smooth`, how far that reaches, is chosen with the others.
 * @throws RangeError for no samples, or half-block cuts among them if blocks are learned
 */
export async function fitMixedGp(samples: readonly Sample[], options: MixedGpOptions = {}): Promise<MixedGp> {
	const { granularity = "block" } = options;
	const players = playersOf(samples, granularity);
	// The original model is known: it is the anchor, and a row of zeros would only make the matrix singular.
	const distinct = [...new Map(samples.map((sample) => [sample.coalition.key, sample])).values()].filter(
		(sample) => !sample.coalition.isFull,
	);
	const used = chosen(distinct, options.maxMasks ?? 1000);
	const tuning = thinned(used, TUNING_MASKS);
	const weights = blockWeights(tuning, players, granularity);
	const setting = await chooseSetting(new Masks(tuning, players, granularity), weights, options);
	await options.pause?.();
	options.signal?.throwIfAborted();
	const { reach, ...rest } = setting;
	const report = { masks: used.length, settings: { ...rest, reach: Number.isFinite(reach) ? reach : "all" } };
	const masks = new Masks(used, players, granularity);
	const kernel = new MixedKernel(weights, setting, granularity);
	const factor = await Cholesky.inSlices(await kernel.matrix(masks, options.pause), masks.count, options.pause);
	return new MixedGp(masks, kernel, factor, report);
}

/** Half of the places for the best coalitions of every size, which a search depends on; the other half is spread over the rest. */
function chosen(samples: readonly Sample[], limit: number): readonly Sample[] {
	if (samples.length <= limit) return samples;
	const rank = new Map<Sample, number>();
	const seen = new Map<number, number>();
	for (const sample of [...samples].sort((a, b) => a.addedLoss - b.addedLoss)) {
		const place = seen.get(sample.coalition.size) ?? 0;
		rank.set(sample, place);
		seen.set(sample.coalition.size, place + 1);
	}
	const best = new Set([...samples].sort((a, b) => (rank.get(a) as number) - (rank.get(b) as number)).slice(0, Math.ceil(limit / 2)));
	const rest = thinned(
		samples.filter((sample) => !best.has(sample)),
		limit - best.size,
	);
	const used = new Set([...best, ...rest]);
	return samples.filter((sample) => used.has(sample));
}

/** One number after another; each step takes the best of its neighbors on the list. */
async function chooseSetting(masks: Masks, weights: Float64Array, options: MixedGpOptions): Promise<MixedSetting> {
	const overParts = masks.granularity === "half-block";
	const searched = overParts ? ([...SEARCHED, "smooth"] as const) : SEARCHED;
	let setting = options.start ?? (overParts ? USUAL_OF_PARTS : USUAL);
	const rounds = options.rounds ?? (options.start ? 1 : 2);
	if (masks.count === 0 || rounds === 0) return setting;
	const parts = new KernelParts(masks, weights);
	const tried = new Map<string, number>();
	const likelihood = async (candidate: MixedSetting): Promise<number> => {
		const key = Object.values(candidate).join();
		const known = tried.get(key);
		if (known !== undefined) return known;
		await options.pause?.();
		options.signal?.throwIfAborted();
		const value = evidence(await parts.matrix(candidate, options.pause), masks.targets);
		tried.set(key, value);
		return value;
	};
	let best = await likelihood(setting);
	for (let round = 0; round < rounds; round++) {
		const before = best;
		for (const name of searched) {
			for (const direction of [1, -1]) {
				for (;;) {
					const next = CHOICES[name][CHOICES[name].indexOf(setting[name] ?? 0) + direction];
					if (next === undefined) break;
					const value = await likelihood({ ...setting, [name]: next });
					if (!(value > best)) break;
					best = value;
					setting = { ...setting, [name]: next };
				}
			}
		}
		if (best === before) break;
	}
	return setting;
}

/** Log marginal likelihood with the best overall variance, up to a constant. */
function evidence(matrix: Float64Array, targets: Float64Array): number {
	const size = targets.length;
	const factor = new Cholesky(matrix, size);
	const white = factor.forward(targets);
	const variance = Math.max(1e-12, white.reduce((sum, x) => sum + x * x, 0) / size);
	return -0.5 * (size * Math.log(variance) + factor.logDeterminant());
}

/** The fitted process: near the measurements it follows them, and far from them its uncertainty is large. */
export class MixedGp implements PosteriorSurrogate {
	readonly kind = "mixed-gp";
	readonly players: number;
	readonly granularity: Granularity;
	readonly fit: FitReport;
	readonly #masks: Masks;
	readonly #kernel: MixedKernel;
	readonly #factor: Cholesky;
	readonly #alpha: Float64Array;
	readonly #variance: number;
	#precisions: Float64Array | undefined;
	readonly #mean: MixedLoss;

	/** @internal */
	constructor(masks: Masks, kernel: MixedKernel, factor: Cholesky, fit: FitReport) {
		this.granularity = masks.granularity;
		this.players = this.granularity === "block" ? kernel.players : kernel.players / 2;
		this.fit = fit;
		this.#masks = masks;
		this.#kernel = kernel;
		this.#factor = factor;
		this.#alpha = this.#factor.solve(masks.targets);
		this.#variance = Math.max(
			1e-12,
			this.#alpha.reduce((sum, a, i) => sum + a * (masks.targets[i] as number), 0) / Math.max(1, masks.count),
		);
		this.#mean = new MixedLoss(this.#terms(this.#alpha));
	}

	/** The chosen setting: the next fit may start there. */
	get setting(): MixedSetting {
		return this.#kernel.setting;
	}

	/** The posterior mean term by term: contributions in closed form follow from it. */
	get terms(): MixedTerms {
		return this.#terms(this.#alpha);
	}

	predict(coalitions: readonly Coalition[]): Float64Array {
		const rows = this.#rows(coalitions);
		const { players } = this.#kernel;
		return Float64Array.from(coalitions, (_, c) => valueOfLink(this.#mean.of(rows.subarray(c * players, (c + 1) * players))));
	}

	marginals(rows: Uint8Array): Float64Array {
		const { players } = this;
		const result = new Float64Array(rows.length);
		for (let start = 0; start < rows.length; start += players) {
			const removed = rows.subarray(start, start + players).map((kept) => 1 - kept);
			const flips = this.#mean.flips(removed);
			const link = this.#mean.of(removed);
			const here = valueOfLink(link);
			for (let i = 0; i < players; i++) {
				const there = valueOfLink(link + (flips[i] as number));
				result[start + i] = removed[i] === 1 ? there - here : here - there;
			}
		}
		return result;
	}

	predictLinks(coalitions: readonly Coalition[]): { mean: Float64Array; sd: Float64Array } {
		const { players } = this.#kernel;
		const { flags, lists } = this.#masks;
		const rows = this.#rows(coalitions);
		const mean = new Float64Array(coalitions.length);
		const sd = new Float64Array(coalitions.length);
		for (let c = 0; c < coalitions.length; c++) {
			const row = rows.subarray(c * players, (c + 1) * players);
			const list = removedUnits(coalitions[c] as Coalition, this.granularity);
			const covariances = Float64Array.from(flags, (known, m) => this.#kernel.of(known, lists[m]!, row, list));
			const explained = this.#factor.forward(covariances).reduce((sum, x) => sum + x * x, 0);
			const own = this.#kernel.of(row, list, row, list);
			mean[c] = this.#mean.of(row);
			sd[c] = Math.sqrt(this.#variance * (Math.max(0, own - explained) + this.#kernel.setting.noise));
		}
		return { mean, sd };
	}

	/**
	 * Mean and standard deviation of log(1 + added loss), as {@link predictLinks}, but of each coalition that it learned from as if that one had
	 * not been measured. So what was chosen because it came out low is not believed for that.
	 */
	predictUnseen(coalitions: readonly Coalition[]): { mean: Float64Array; sd: Float64Array } {
		const { mean, sd } = this.predictLinks(coalitions);
		this.#precisions ??= this.#factor.inverseDiagonal();
		const known = new Map(this.#masks.flags.map((flags, m) => [flags.join(""), m]));
		const { players } = this.#kernel;
		const rows = this.#rows(coalitions);
		for (const c of coalitions.keys()) {
			const m = known.get(rows.subarray(c * players, (c + 1) * players).join(""));
			if (m === undefined) continue;
			mean[c] = this.#masks.targets[m]! - this.#alpha[m]! / this.#precisions[m]!;
			sd[c] = Math.sqrt(this.#variance / this.#precisions[m]!);
		}
		return { mean, sd };
	}

	mean(): MixedLoss {
		return this.#mean;
	}

	toValue(loss: number): number {
		return valueOfLink(loss);
	}

	/** A draw from the prior, corrected by the data. The exponential part's draw is made of parities of sets of blocks. */
	draw(normal: () => number): MixedLoss {
		const { players, own, pairs, setting } = this.#kernel;
		const sd = Math.sqrt(this.#variance);
		const prior: MixedTerms = {
			players,
			linear: own.draw(sd, normal),
			pairs: new Float64Array(players * players),
			centers: new Uint8Array(0),
			heights: new Float64Array(0),
			steps: this.#kernel.steps,
			parities: drawParities(this.#kernel.steps, sd * Math.sqrt(setting.rest), normal),
		};
		for (let i = 0; i < players; i++) {
			for (let j = 0; j < i; j++) {
				const value = sd * Math.sqrt(pairs[i * players + j] as number) * normal();
				prior.pairs[i * players + j] = value;
				prior.pairs[j * players + i] = value;
			}
		}
		const drawn = new MixedLoss(prior);
		const noise = sd * Math.sqrt(setting.noise);
		const missing = this.#masks.targets.map(
			(target, m) => target - drawn.of(this.#masks.rows.subarray(m * players, (m + 1) * players)) - noise * normal(),
		);
		return new MixedLoss(this.#terms(this.#factor.solve(missing), prior));
	}

	/** The function sum of a_m k(., mask m), on top of a prior draw if there is one. */
	#terms(dual: Float64Array, prior?: MixedTerms): MixedTerms {
		const { players, own, pairs, steps, setting } = this.#kernel;
		const { lists, rows, count } = this.#masks;
		const shares = new Float64Array(players);
		const both = new Float64Array(players * players);
		for (const [m, list] of lists.entries()) {
			const a = dual[m] as number;
			for (const i of list) {
				shares[i]! += a;
				for (const j of list) both[i * players + j]! += a;
			}
		}
		const centers = new Uint8Array((count + 1) * players);
		centers.set(rows);
		const heights = new Float64Array(count + 1);
		for (let m = 0; m < count; m++) {
			heights[m] = setting.rest * (dual[m] as number);
			heights[count]! -= heights[m] as number;
		}
		return {
			players,
			linear: own.with(shares).map((sum, i) => sum + (prior?.linear[i] ?? 0)),
			pairs: both.map((sum, at) => sum * (pairs[at] as number) + (prior?.pairs[at] ?? 0)),
			centers,
			heights,
			steps,
			...(prior?.parities ? { parities: prior.parities } : {}),
		};
	}

	#rows(coalitions: readonly Coalition[]): Uint8Array {
		return toRows(coalitions, this.players, this.granularity).map((kept) => 1 - kept);
	}
}
