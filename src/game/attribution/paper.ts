import { Coalition } from "../coalition.js";
import type { Predictor } from "../predictor.js";
import { toRows } from "../sample.js";
import type { Attribution } from "./attribution.js";

export interface SurrogateContributionOptions {
	/** Kept for the report; the coalitions are drawn by the caller. */
	readonly seed?: number | string;
	/** Blocks that get no contribution. @default none */
	readonly frozen?: Iterable<number>;
	/** Awaited between slices, so that timers and input get their turn. */
	readonly pause?: (() => Promise<void>) | undefined;
	readonly signal?: AbortSignal | undefined;
}

/** Coalitions per slice. */
const SLICE = 256;

/**
 * The paper's step 4 as its code does it: phi_i = mean over the coalitions of f(m with i) - f(m without i).
 * (Its formula is the marginal f(m + i) - f(m), which is 0 if i is in m.)
 * Repeated coalitions are predicted once and counted as often as they were drawn.
 * @param masks drawn as for training; the paper draws 80,000
 * @throws RangeError if there are no coalitions
 */
export async function surrogateContributions(
	predictor: Predictor,
	masks: readonly Coalition[],
	options: SurrogateContributionOptions = {},
): Promise<Attribution> {
	if (masks.length === 0) throw new RangeError("contributions need at least one coalition, got none");
	const { players } = predictor;
	const counts = new Map<string, number>();
	for (const mask of masks) counts.set(mask.key, (counts.get(mask.key) ?? 0) + 1);
	const distinct = [...counts];
	const sums = new Float64Array(players);
	const squares = new Float64Array(players);
	for (let start = 0; start < distinct.length; start += SLICE) {
		const slice = distinct.slice(start, start + SLICE);
		const rows = toRows(
			slice.map(([key]) => Coalition.parse(key)),
			players,
		);
		const marginals = marginalsOf(predictor, rows);
		for (const [row, [, count]] of slice.entries()) {
			for (let i = 0; i < players; i++) {
				const marginal = marginals[row * players + i] as number;
				sums[i]! += count * marginal;
				squares[i]! += count * marginal * marginal;
			}
		}
		await options.pause?.();
		options.signal?.throwIfAborted();
	}
	return report({ sums, squares, drawn: masks.length, distinct: distinct.length }, options);
}

/** Sum of each block's marginals and of their squares, over the drawn coalitions. */
interface Marginals {
	readonly sums: Float64Array;
	readonly squares: Float64Array;
	readonly drawn: number;
	readonly distinct: number;
}

function report({ sums, squares, drawn, distinct }: Marginals, options: SurrogateContributionOptions): Attribution {
	const contributions = sums.map((sum) => sum / drawn);
	const standardErrors = contributions.map((mean, i) =>
		Math.sqrt(Math.max(0, (squares[i] as number) / drawn - mean * mean) / Math.max(1, drawn - 1)),
	);
	for (const block of options.frozen ?? []) {
		contributions[block] = Number.NaN;
		standardErrors[block] = Number.NaN;
	}
	const seed = options.seed === undefined ? {} : { seed: options.seed };
	return {
		...{ estimator: "paper-step-4", contributions, standardErrors, errorsOf: "asking", scale: "value" },
		...{ masks: distinct, settings: { drawn }, ...seed },
	};
}

/** f(m with i) - f(m without i) of every row and block, by the predictor's own shortcut if it has one. Shape: rows x players. @internal */
export function marginalsOf(predictor: Predictor, rows: Uint8Array): Float64Array {
	const shortcut = predictor.granularity === "half-block" ? undefined : predictor.marginals?.(rows);
	return shortcut ?? marginalsByPrediction(predictor, rows);
}

/** f(m with i) - f(m without i) for predictors without a shortcut. */
function marginalsByPrediction(predictor: Predictor, rows: Uint8Array): Float64Array {
	const { players } = predictor;
	const count = rows.length / players;
	const coalitions: Coalition[] = [];
	for (let row = 0; row < count; row++) {
		const here = Coalition.parse(Array.from(rows.subarray(row * players, (row + 1) * players)).join(""));
		coalitions.push(here);
		for (let i = 0; i < players; i++) coalitions.push(here.flip(i));
	}
	const values = predictor.predict(coalitions);
	const result = new Float64Array(rows.length);
	for (let row = 0; row < count; row++) {
		const here = values[row * (players + 1)] as number;
		for (let i = 0; i < players; i++) {
			const there = values[row * (players + 1) + 1 + i] as number;
			result[row * players + i] = rows[row * players + i] === 1 ? here - there : there - here;
		}
	}
	return result;
}
