import { Random } from "../game/random.js";
import type { Predictor } from "../game/predictor.js";
import type { Sample } from "../game/sample.js";
import { meanOf, rSquared, spearman } from "./statistics.js";
import { linkOfLoss } from "./surrogate.js";

/** Agreement of guesses with the truth. NaN (and no stratum counted) where the truth does not vary. */
export interface Agreement {
	/** Of v(S). */
	readonly r2: number;
	/** Of log(1 + added loss), which also tells bad from dead. */
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
	/** Held-out masks, all distinct and none of them in the training set. */
	readonly masks: number;
	/** Against the mean of each stratum: what is left after the number of removed blocks is known. Spearman: mean over strata, weighted by masks. */
	readonly within: Agreement;
	/** One entry a number of kept blocks, descending. */
	readonly strata: readonly StratumAgreement[];
	readonly baselines: {
		/** Guess: mean of the training masks of the same size. */
		readonly stratumMean: Agreement;
		/** Guess: mean of the training masks that agree on whether every critical block is kept. Absent without critical blocks. */
		readonly criticalKept?: Agreement;
	};
}

export interface JudgeOptions {
	/** What the surrogate was fitted to: for the baselines, and to refuse held-out masks that it has seen. */
	readonly training: readonly Sample[];
	/** Blocks whose single removal is too dear, for the second baseline. @default none */
	readonly critical?: readonly number[];
}

/**
 * Judges a surrogate on masks that it has not seen. Repeated held-out masks count once.
 * @throws RangeError where fewer than two masks are held out, or one of them is a training mask
 */
export function judge(predictor: Predictor, heldOut: readonly Sample[], options: JudgeOptions): Judgement {
	const seen = new Set(options.training.map((sample) => sample.coalition.key));
	const distinct = new Map<string, Sample>();
	for (const sample of heldOut) {
		if (seen.has(sample.coalition.key))
			throw new RangeError(`held-out mask ${sample.coalition} is a training mask; judge on masks unseen in training`);
		distinct.set(sample.coalition.key, sample);
	}
	const masks = [...distinct.values()];
	if (masks.length < 2) throw new RangeError(`at least two distinct held-out masks are needed, got ${masks.length}`);
	const guesses = predictor.predict(masks.map((sample) => sample.coalition));
	const strata = strataOf(masks).map(({ kept, indices }) => ({
		kept,
		masks: indices.length,
		...agreement(
			indices.map((i) => masks[i] as Sample),
			Float64Array.from(indices, (i) => guesses[i] as number),
		),
	}));
	const critical = options.critical ?? [];
	const criticalKept = critical.length > 0 ? { criticalKept: groupBaseline(masks, options.training, flagOf(critical)) } : {};
	return {
		...agreement(masks, guesses),
		masks: masks.length,
		within: withinStrata(masks, guesses, strata),
		strata,
		baselines: { stratumMean: groupBaseline(masks, options.training, (sample) => sample.coalition.size), ...criticalKept },
	};
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
			const mean = meanOf(indices.map((i) => truth(masks[i] as Sample)));
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

/** Guesses each mask by the mean of the training masks in its group, or of all where the group has none. */
function groupBaseline(masks: readonly Sample[], training: readonly Sample[], groupOf: (sample: Sample) => number): Agreement {
	const groups = new Map<number, number[]>();
	for (const sample of training) {
		const group = groupOf(sample);
		groups.set(group, [...(groups.get(group) ?? []), sample.value]);
	}
	const overall = meanOf(training.map((sample) => sample.value));
	const means = new Map([...groups].map(([group, values]) => [group, meanOf(values)]));
	return agreement(
		masks,
		Float64Array.from(masks, (sample) => means.get(groupOf(sample)) ?? overall),
	);
}

/**
 * Splits samples by distinct mask, so that no held-out mask is also trained on, with the same share of every size.
 * @param share share of the distinct masks to hold out, in (0, 1)
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
