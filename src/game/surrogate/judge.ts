import { Random } from "../random.js";
import type { Calibrated, Predictor } from "../predictor.js";
import type { Sample } from "../sample.js";
import { average } from "../statistics.js";
import { rSquared, spearman } from "./statistics.js";
import { linkOfLoss } from "./surrogate.js";

/** Agreement of predictions with the truth. NaN (and no stratum counted) if the truth does not vary. */
export interface Agreement {
	/** R2 of v(S). */
	readonly r2: number;
	/** R2 of log(1 + added loss), which also separates bad models from broken ones. */
	readonly r2Log: number;
	/** Rank correlation, the same in every scale. */
	readonly spearman: number;
}

export interface StratumAgreement extends Agreement {
	/** Number of kept blocks. */
	readonly kept: number;
	readonly masks: number;
}

export interface Judgement extends Agreement {
	/** Held-out coalitions, all distinct and none of them in the training set. */
	readonly masks: number;
	/** Relative to the mean of each stratum: what is left once the number of removed blocks is known. Spearman: mean over strata, weighted by coalitions. */
	readonly within: Agreement;
	/** One entry per number of kept blocks, descending. */
	readonly strata: readonly StratumAgreement[];
	/** Share of the coalitions inside the surrogate's 90 % intervals; absent if it gives none. */
	readonly coverage90?: number;
	readonly baselines: {
		/** Predicts the mean of the training coalitions of the same size; if the judged ones are held out in turn, of the other judged ones. */
		readonly stratumMean: Agreement;
		/** Predicts the mean of the training coalitions that agree on whether every critical block is kept. Absent without critical blocks. */
		readonly criticalKept?: Agreement;
	};
}

export interface JudgeOptions {
	/** What the surrogate was fitted to: used by the baselines, and to refuse held-out coalitions that it has seen. */
	readonly training: readonly Sample[];
	/** Blocks whose single removal is too costly, for the second baseline. @default none */
	readonly critical?: readonly number[];
}

/**
 * Judges a surrogate on coalitions that it has not seen. Repeated held-out coalitions count once.
 * @throws RangeError if fewer than two coalitions are held out, or one of them is a training coalition
 */
export function judgeSurrogate(predictor: Predictor, heldOut: readonly Sample[], options: JudgeOptions): Judgement {
	const seen = new Set(options.training.map((sample) => sample.coalition.key));
	const distinct = new Map<string, Sample>();
	for (const sample of heldOut) {
		if (seen.has(sample.coalition.key))
			throw new RangeError(`held-out coalition ${sample.coalition} is in the training set; judge on coalitions that training did not see`);
		distinct.set(sample.coalition.key, sample);
	}
	const masks = [...distinct.values()];
	if (masks.length < 2) throw new RangeError(`at least two distinct held-out coalitions are needed, got ${masks.length}`);
	return judgementOf(masks, guess(predictor, masks, options));
}

/** With fewer coalitions, {@link crossJudge} gives no result. */
export const FEWEST_JUDGED = 10;

export interface CrossJudgeOptions {
	readonly seed: number | string;
	/** Parts; each is held out once while the surrogate is fitted to everything else. @default 5 */
	readonly splits?: number;
	/** Blocks whose single removal is too costly, for the second baseline. @default none */
	readonly critical?: readonly number[];
}

/**
 * Judges a way of learning if coalitions are too costly to hold any out for good. Every judged coalition is held out once, in parts with the
 * same share of every size. The surrogate is fitted again to all other samples.
 * @param judged keys of the coalitions to judge on, which should be drawn at random; the others are always trained on
 * @returns undefined if fewer than {@link FEWEST_JUDGED} coalitions can be judged
 */
export async function crossJudge<P extends Predictor>(
	samples: readonly Sample[],
	judged: ReadonlySet<string>,
	learn: (training: readonly Sample[]) => Promise<P>,
	options: CrossJudgeOptions,
): Promise<Judgement | undefined> {
	const { seed, splits = 5, critical } = options;
	const distinct = [...new Map(samples.map((sample) => [sample.coalition.key, sample])).values()];
	const random = new Random(seed);
	const order = random.shuffle(distinct.filter((sample) => judged.has(sample.coalition.key)));
	if (order.length < FEWEST_JUDGED) return undefined;
	order.sort((a, b) => a.coalition.size - b.coalition.size);
	const guesses: Guesses[] = [];
	const masks: Sample[] = [];
	for (let split = 0; split < splits; split++) {
		const held = order.filter((_, i) => i % splits === split);
		if (held.length === 0) continue;
		const keys = new Set(held.map((sample) => sample.coalition.key));
		const training = distinct.filter((sample) => !keys.has(sample.coalition.key));
		// Sets that a search looked for are better than random ones of their size, so their mean would be a weak baseline.
		const alike = training.filter((sample) => judged.has(sample.coalition.key));
		guesses.push(guess(await learn(training), held, { training: alike, ...(critical ? { critical } : {}) }));
		masks.push(...held);
	}
	return judgementOf(masks, joined(guesses));
}

/** The prediction for each coalition, by the surrogate and by the baselines. */
interface Guesses {
	readonly values: readonly number[];
	readonly stratumMean: readonly number[];
	readonly criticalKept?: readonly number[];
	/** Deviation from the prediction in standard deviations, link scale. */
	readonly scores?: readonly number[];
}

function guess(predictor: Predictor & Partial<Calibrated>, masks: readonly Sample[], options: JudgeOptions): Guesses {
	const coalitions = masks.map((sample) => sample.coalition);
	const critical = options.critical ?? [];
	const links = predictor.predictLinks?.(coalitions);
	return {
		values: Array.from(predictor.predict(coalitions)),
		stratumMean: groupMeans(masks, options.training, (sample) => sample.coalition.size),
		...(critical.length > 0 ? { criticalKept: groupMeans(masks, options.training, flagOf(critical)) } : {}),
		...(links
			? { scores: masks.map((sample, i) => (logScale(sample) - (links.mean[i] as number)) / Math.max(1e-12, links.sd[i] as number)) }
			: {}),
	};
}

function joined(parts: readonly Guesses[]): Guesses {
	const all = (pick: (part: Guesses) => readonly number[] | undefined) => parts.flatMap((part) => pick(part) ?? []);
	return {
		values: all((part) => part.values),
		stratumMean: all((part) => part.stratumMean),
		...(parts.every((part) => part.criticalKept) ? { criticalKept: all((part) => part.criticalKept) } : {}),
		...(parts.every((part) => part.scores) ? { scores: all((part) => part.scores) } : {}),
	};
}

function judgementOf(masks: readonly Sample[], { values, stratumMean, criticalKept, scores }: Guesses): Judgement {
	const guesses = Float64Array.from(values);
	const of = (list: readonly number[]) => agreement(masks, Float64Array.from(list));
	const strata = strataOf(masks).map(({ kept, indices }) => ({
		kept,
		masks: indices.length,
		...agreement(
			indices.map((i) => masks[i] as Sample),
			Float64Array.from(indices, (i) => guesses[i] as number),
		),
	}));
	return {
		...agreement(masks, guesses),
		masks: masks.length,
		within: withinStrata(masks, guesses, strata),
		strata,
		baselines: { stratumMean: of(stratumMean), ...(criticalKept ? { criticalKept: of(criticalKept) } : {}) },
		...(scores ? { coverage90: coverage90(scores) } : {}),
	};
}

/** Share of scores inside the central 90 % of a standard normal. */
export function coverage90(scores: readonly number[]): number {
	return scores.filter((score) => Math.abs(score) <= 1.6449).length / scores.length;
}

function flagOf(critical: readonly number[]): (sample: Sample) => number {
	return (sample) => (critical.every((block) => sample.coalition.has(block)) ? 1 : 0);
}

function agreement(masks: readonly Sample[], guesses: Float64Array): Agreement {
	const values = masks.map((sample) => sample.value);
	return {
		r2: rSquared(values, guesses),
		r2Log: rSquared(masks.map(logScale), guesses.map(logOfValue)),
		spearman: spearman(values, guesses),
	};
}

function logScale(sample: Sample): number {
	return linkOfLoss(sample.addedLoss);
}

function logOfValue(value: number): number {
	return linkOfLoss(value > 0 ? -Math.log(value) : Number.POSITIVE_INFINITY);
}

function strataOf(masks: readonly Sample[]): { kept: number; indices: number[] }[] {
	const byKept = new Map<number, number[]>();
	for (const [i, sample] of masks.entries()) {
		const kept = sample.coalition.size;
		byKept.set(kept, [...(byKept.get(kept) ?? []), i]);
	}
	return [...byKept].map(([kept, indices]) => ({ kept, indices })).sort((a, b) => b.kept - a.kept);
}

function withinStrata(masks: readonly Sample[], guesses: Float64Array, strata: readonly StratumAgreement[]): Agreement {
	const groups = strataOf(masks).filter(({ indices }) => indices.length > 1);
	const pooled = (truth: (sample: Sample) => number, guess: (value: number) => number): number => {
		let error = 0;
		let total = 0;
		for (const { indices } of groups) {
			const mean = average(indices.map((i) => truth(masks[i] as Sample)));
			for (const i of indices) {
				error += (truth(masks[i] as Sample) - guess(guesses[i] as number)) ** 2;
				total += (truth(masks[i] as Sample) - mean) ** 2;
			}
		}
		return total > 0 ? 1 - error / total : Number.NaN;
	};
	const ranked = strata.filter((stratum) => Number.isFinite(stratum.spearman));
	const weight = ranked.reduce((sum, stratum) => sum + stratum.masks, 0);
	return {
		r2: pooled(
			(sample) => sample.value,
			(value) => value,
		),
		r2Log: pooled(logScale, logOfValue),
		spearman: weight > 0 ? ranked.reduce((sum, stratum) => sum + stratum.masks * stratum.spearman, 0) / weight : Number.NaN,
	};
}

/** Predicts for each coalition the mean of the training coalitions in its group, or of all if the group has none. */
function groupMeans(masks: readonly Sample[], training: readonly Sample[], groupOf: (sample: Sample) => number): number[] {
	const groups = new Map<number, number[]>();
	for (const sample of training) {
		const group = groupOf(sample);
		groups.set(group, [...(groups.get(group) ?? []), sample.value]);
	}
	const overall = average(training.map((sample) => sample.value));
	const means = new Map([...groups].map(([group, values]) => [group, average(values)]));
	return masks.map((sample) => means.get(groupOf(sample)) ?? overall);
}

/**
 * Splits samples by distinct coalition, so that no held-out coalition is also trained on, with the same share of every size.
 * @param share share of the distinct coalitions to hold out, in (0, 1)
 */
export function splitHeldOut(samples: readonly Sample[], share: number, seed: number | string): { training: Sample[]; heldOut: Sample[] } {
	if (!(share > 0 && share < 1)) throw new RangeError(`the held-out share must be in (0, 1), got ${share}`);
	const random = new Random(seed);
	const bySize = new Map<number, Set<string>>();
	for (const { coalition } of samples) bySize.set(coalition.size, (bySize.get(coalition.size) ?? new Set()).add(coalition.key));
	const held = new Set<string>();
	for (const keys of bySize.values()) {
		for (const key of random.sample([...keys], Math.round(keys.size * share))) held.add(key);
	}
	return {
		training: samples.filter((sample) => !held.has(sample.coalition.key)),
		heldOut: samples.filter((sample) => held.has(sample.coalition.key)),
	};
}
