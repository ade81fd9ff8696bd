import type { Evaluation } from "../runtime/evaluator.js";
import { differences, meanAndError, studentT95 } from "../../game/statistics.js";
import type { PartValues } from "../../storage/part-ledger.js";
import type { TextComparison, TextFigures, WindowMean } from "./text-types.js";

// Figures from windows of a text: perplexity, and how a model differs from a reference.

/** Results of one window: sums over its scored tokens; with a reference also the means of divergence and agreement over them. */
export function windowValues({ tokenLosses, divergences, agreements }: Evaluation, window: number, scored: number): PartValues {
	const { sum, squares } = sumsOf(tokenLosses!.subarray(window * scored, (window + 1) * scored));
	return { loss: [sum, squares], ...(divergences ? { divergence: [divergences[window]!], agreement: [agreements![window]!] } : {}) };
}

/** Whether values are those of a window, as they are read back: what is not finite is NaN. @param compared whether with a reference */
export function areWindowValues({ loss, divergence, agreement }: PartValues, compared: boolean): boolean {
	// A sum of squares is finite where the sum is.
	if (loss?.length !== 2 || Number.isFinite(loss[0]) !== Number.isFinite(loss[1])) return false;
	return !compared || (divergence?.length === 1 && agreement?.length === 1);
}

function sumsOf(losses: ArrayLike<number>): { sum: number; squares: number } {
	let sum = 0;
	let squares = 0;
	for (let i = 0; i < losses.length; i++) {
		sum += losses[i]!;
		squares += losses[i]! ** 2;
	}
	return { sum, squares };
}

/** Mean, perplexity and its standard error as llama-perplexity prints it: exp(mean) times the error of the mean. */
export function summarizeLosses(losses: ArrayLike<number>): TextFigures {
	const { sum, squares } = sumsOf(losses);
	return figuresOfSums(sum, squares, losses.length);
}

/** The same for windows. @param scored tokens of each */
export function summarizeWindows(windows: readonly PartValues[], scored: number): TextFigures {
	const total = (index: number) => windows.reduce((sum, { loss }) => sum + loss![index]!, 0);
	return figuresOfSums(total(0), total(1), windows.length * scored);
}

function figuresOfSums(sum: number, squares: number, tokens: number): TextFigures {
	const loss = sum / tokens;
	const variance = squares / tokens - loss * loss;
	const perplexity = Math.exp(loss);
	return { loss, perplexity, perplexityError: variance > 0 ? perplexity * Math.sqrt(variance / (tokens - 1)) : 0 };
}

/** A model compared with the reference of its windows. @param scored tokens of each window */
export function compareWindows(
	model: string,
	windows: readonly PartValues[],
	reference: readonly PartValues[],
	scored: number,
): TextComparison {
	const losses = (all: readonly PartValues[]) => all.map(({ loss }) => loss![0]! / scored);
	const difference = windowMean(differences(losses(windows), losses(reference)));
	const ratio = Math.exp(difference.mean);
	return {
		model,
		...summarizeWindows(reference, scored),
		divergence: within(windowMean(windows.map(({ divergence }) => divergence![0]!)), Number.POSITIVE_INFINITY),
		agreement: within(windowMean(windows.map(({ agreement }) => agreement![0]!)), 1),
		difference,
		ratio: {
			mean: ratio,
			standardError: ratio * difference.standardError,
			low: Math.exp(difference.low),
			high: Math.exp(difference.high),
		},
	};
}

/** An interval cut to the possible values: 0 to `most`. */
function within({ low, high, ...rest }: WindowMean, most: number): WindowMean {
	return { ...rest, low: Math.max(0, low), high: Math.min(most, high) };
}

function windowMean(values: ArrayLike<number>): WindowMean {
	const { mean, standardError = Number.NaN } = meanAndError(values);
	const half = studentT95(Math.max(1, values.length - 1)) * standardError;
	return { mean, standardError, low: mean - half, high: mean + half };
}
