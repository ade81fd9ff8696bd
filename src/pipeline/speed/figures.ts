// Seconds of repetitions as speeds, and what a repetition should run. Pure: measures nothing.
import type { SpeedFigures } from "../../model/runtime/addon.js";
import type { SpeedShape } from "../../model/runtime/speed.js";
import type { SpeedRatio, SpeedSideFigures } from "../../storage/plan-speed.js";

/** What is measured where nothing else is said: llama-bench's prompt, and half of its generation. */
export const usualSpeedShape: SpeedShape = { promptTokens: 512, generatedTokens: 64, repetitions: 6 };

export function median(values: ArrayLike<number>): number {
	const sorted = Array.from(values).sort((a, b) => a - b);
	const middle = sorted.length / 2;
	return (sorted[Math.floor(middle - 0.5)]! + sorted[Math.floor(middle)]!) / 2;
}

/** Speeds of one side. @param file bytes of its file */
export function sideOf(
	{ promptSeconds, generationSeconds, weights, kvCache, compute }: SpeedFigures,
	{ promptTokens, generatedTokens }: SpeedShape,
	file: number,
): SpeedSideFigures {
	const spread = (seconds: Float64Array, tokens: number) => {
		const speeds = Array.from(seconds, (each) => tokens / each);
		return { median: median(speeds), low: Math.min(...speeds), high: Math.max(...speeds) };
	};
	return {
		prompt: spread(promptSeconds, promptTokens),
		generation: spread(generationSeconds, generatedTokens),
		...{ weights, kvCache, compute, memory: weights + kvCache + compute, file },
	};
}

/** How many times as fast: the median of the repetitions' ratios, each of the two sides in one repetition. */
export function ratioOf(before: ArrayLike<number>, after: ArrayLike<number>): SpeedRatio {
	const ratios = Array.from(before, (seconds, i) => seconds / after[i]!).sort((a, b) => a - b);
	const skipped = orderStatistic95(ratios.length);
	const interval = skipped === undefined ? undefined : { low: ratios[skipped]!, high: ratios[ratios.length - 1 - skipped]! };
	return { value: median(ratios), ...(interval ? { interval } : {}) };
}

/**
 * Values to leave out at either end of `n` sorted ones so that the rest spans the median with a confidence of at least 95 %, whatever
 * the distribution (binomial, 1/2); undefined where even all of them do not: below six.
 */
export function orderStatistic95(n: number): number | undefined {
	let outside = 0;
	let term = 0.5 ** n;
	for (let skipped = 0; skipped < n / 2; skipped++) {
		outside += 2 * term;
		if (outside > 0.05) return skipped === 0 ? undefined : skipped - 1;
		term *= (n - skipped) / (skipped + 1);
	}
	return Math.floor((n - 1) / 2);
}

/** A short run, to see how fast the model is. */
const probeShape: SpeedShape = { promptTokens: 32, generatedTokens: 4, repetitions: 1 };

/** The same in a context of so many tokens. */
export function probeWithin(most: number): SpeedShape {
	const generatedTokens = Math.max(1, Math.min(probeShape.generatedTokens, Math.floor(most / 4)));
	return { ...probeShape, generatedTokens, promptTokens: Math.max(1, Math.min(probeShape.promptTokens, most - generatedTokens)) };
}

/** Tokens that a short measurement still takes: fewer say little. */
const least = { prompt: 16, generated: 4 };

/**
 * The largest shape, halved from the usual one, that takes no longer than so many seconds, by what a probe of the slowest side took.
 * @param probe what {@link probeWithin} of the same context took
 * @param sides that take turns
 * @param most tokens that fit the context
 */
export function shapeWithin(probe: SpeedFigures, seconds: number, sides: number, most: number): SpeedShape {
	const perToken = {
		prompt: median(probe.promptSeconds) / probeWithin(most).promptTokens,
		generated: median(probe.generationSeconds) / probeWithin(most).generatedTokens,
	};
	const { repetitions } = usualSpeedShape;
	const rounds = (repetitions + 1) * sides;
	const halved = (usual: number, smallest: number, room: number, each: number) => {
		let tokens = usual;
		while (tokens > smallest && (tokens > room || rounds * tokens * each > seconds / 2)) tokens /= 2;
		return Math.max(1, Math.min(tokens, room));
	};
	const generatedTokens = halved(usualSpeedShape.generatedTokens, least.generated, Math.floor(most / 4), perToken.generated);
	const promptTokens = halved(usualSpeedShape.promptTokens, least.prompt, most - generatedTokens, perToken.prompt);
	return { promptTokens, generatedTokens, repetitions };
}

/** Seconds that a shape takes, by what a probe took: more than was wished for where the model is too slow for the smallest shape. */
export function secondsOfShape(probe: SpeedFigures, shape: SpeedShape, sides: number, most: number): number {
	const { promptTokens, generatedTokens, repetitions } = shape;
	const probed = probeWithin(most);
	const each =
		(promptTokens * median(probe.promptSeconds)) / probed.promptTokens +
		(generatedTokens * median(probe.generationSeconds)) / probed.generatedTokens;
	return (repetitions + 1) * sides * each;
}
