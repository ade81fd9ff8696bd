import type { PreparedQuestions } from "./prepared-questions.js";

// Results from the log-likelihoods of choices: picks, accuracies, and how two models differ.

/** A model's answer to one question. */
export interface Answer {
	readonly gold: number;
	/** Sum of the log-likelihoods of the tokens of each choice, nats; NaN if the model broke down. */
	readonly logLikelihoods: readonly number[];
	/** The most likely choice, and the one of the highest log-likelihood divided by its length; the first one among equals. */
	readonly pick: number;
	readonly normalizedPick: number;
	/**
	 * -log of the right choice's share among the choices, nats: a softmax of log-likelihoods divided by lengths, in the scale of nats per token
	 * (the lengths of a question's choices together over their tokens). Infinity if the right choice has no finite score.
	 */
	readonly goldLoss: number;
}

/** A share of right answers. */
export interface Accuracy {
	/** 0..1 */
	readonly value: number;
	/** Standard error of the share: the sample's deviation over the root of the questions, as in lm-evaluation-harness; undefined for one question. */
	readonly standardError?: number | undefined;
	/** Number of correctly answered questions. */
	readonly correct: number;
}

/** Two models on the same questions. */
export interface AccuracyDifference {
	/** Share of the second minus share of the first. */
	readonly value: number;
	readonly standardError?: number | undefined;
	/** Questions that only the second model answers correctly, and those that only the first does. */
	readonly gained: number;
	readonly lost: number;
	/** p-value of the exact McNemar test, two-sided: how likely such an uneven split of the changed answers is by chance. */
	readonly pValue: number;
}

/** Answers from the log-likelihoods that {@link scoreChoices} gives for one mask. */
export function answersOf({ questions }: PreparedQuestions, logLikelihoods: Float64Array): Answer[] {
	let at = 0;
	return questions.map(({ gold, choices }) => {
		const sums = Array.from(logLikelihoods.subarray(at, at + choices.length));
		at += choices.length;
		const lengths = choices.map(({ length }) => length);
		const tokens = choices.map((choice) => choice.tokens.length - choice.from);
		return answer(gold, sums, lengths, tokens);
	});
}

/** One answer. @param tokens tokens of each choice that count */
export function answer(gold: number, logLikelihoods: readonly number[], lengths: readonly number[], tokens: readonly number[]): Answer {
	const scores = logLikelihoods.map((sum) => (Number.isNaN(sum) ? Number.NEGATIVE_INFINITY : sum));
	const normalized = scores.map((sum, i) => sum / lengths[i]!);
	const scale = sumOf(lengths) / sumOf(tokens);
	return {
		gold,
		logLikelihoods,
		pick: highest(scores),
		normalizedPick: highest(normalized),
		goldLoss: goldLoss(
			normalized.map((score) => score * scale),
			gold,
		),
	};
}

function goldLoss(scores: readonly number[], gold: number): number {
	if (!Number.isFinite(scores[gold])) return Number.POSITIVE_INFINITY;
	const max = highestOf(scores);
	return max + Math.log(sumOf(scores.map((score) => Math.exp(score - max)))) - scores[gold]!;
}

/** -1 if every choice broke down: no choice is right then. */
function highest(scores: readonly number[]): number {
	const max = highestOf(scores);
	return max === Number.NEGATIVE_INFINITY ? -1 : scores.indexOf(max);
}

// A question may have more choices than a call takes arguments.
const highestOf = (values: readonly number[]) => values.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
const sumOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0);

/** Whether each answer is right. */
export const rightOf = (answers: readonly Answer[], normalized: boolean): boolean[] =>
	answers.map(({ gold, pick, normalizedPick }) => gold === (normalized ? normalizedPick : pick));

export function accuracyOf(right: readonly boolean[]): Accuracy {
	const n = right.length;
	const correct = right.filter(Boolean).length;
	const value = correct / n;
	return { value, correct, standardError: n < 2 ? undefined : Math.sqrt((value * (1 - value)) / (n - 1)) };
}

/** How the second model's answers differ from the first one's, question by question. */
export function compareAnswers(first: readonly boolean[], second: readonly boolean[]): AccuracyDifference {
	const n = first.length;
	const gained = second.filter((right, i) => right && !first[i]).length;
	const lost = first.filter((right, i) => right && !second[i]).length;
	const value = (gained - lost) / n;
	const variance = n < 2 ? undefined : ((gained + lost) / n - value ** 2) / (n - 1);
	return {
		value,
		standardError: variance === undefined ? undefined : Math.sqrt(Math.max(0, variance)),
		gained,
		lost,
		pValue: mcnemar(gained, lost),
	};
}

/**
 * Two-sided p-value of the exact McNemar test. If a changed answer were as likely a gain as a loss, it is the probability that the smaller
 * of the two counts is that small. 1 if nothing changed.
 */
export function mcnemar(gained: number, lost: number): number {
	const changed = gained + lost;
	const smaller = Math.min(gained, lost);
	let term = -changed * Math.LN2;
	let sum = 0;
	for (let i = 0; i <= smaller; i++) {
		sum += Math.exp(term);
		term += Math.log((changed - i) / (i + 1));
	}
	return Math.min(1, 2 * sum);
}
