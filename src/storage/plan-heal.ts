import * as v from "valibot";
import { healFromV1 } from "./plan-v1.js";
import { finiteNumber, finiteOrNull, parsedAs, position, positiveWhole, sha256Hex, someText, wholeNumber } from "./plan-values.js";

// What a plan says of healing: enough to do it again, and what it gave.

/** Windows of the text at most: each is an array of its own while they are drawn. */
const MAX_WINDOWS = 2 ** 20;

/** Figures of the pruned model before and after it was healed, paired by window; nats per token, null where not finite. */
const comparison = v.strictObject({
	before: finiteOrNull,
	after: finiteOrNull,
	/** after - before, and its standard error. */
	difference: finiteOrNull,
	standardError: finiteOrNull,
});

const cut = v.strictObject({
	/** Block of the kept part before the removed ones; null where the cut is at the very start. */
	before: v.nullable(wholeNumber),
	/** First and last removed position: 12 for block 12, 12.5 for a shifted pair, which a file has as text: `12f-13a`. */
	first: position,
	last: position,
	/** At a half-block cut, the part that the matrix belongs to: the attention part before the cut, or the feed-forward part behind it. */
	part: v.optional(v.picklist(["attention", "feed-forward"], "expected attention or feed-forward")),
	/** Matrix that was changed, as the source names it, and the type that it is stored in. */
	tensor: v.optional(someText),
	type: v.optional(someText),
	/** Norm whose weights were changed. */
	norm: v.optional(someText),
	/** Hash of the bytes of the new matrix, and of the norm's behind them. What is healed again must have it. */
	sha256: v.optional(sha256Hex),
	/** Missing where the cut was left alone. */
	recipe: v.optional(
		v.strictObject({
			/** `refit`: the whole matrix; `map`: a square map on what it gives; `norm`: only the norm behind it. */
			kind: v.picklist(["refit", "map", "norm"], "expected refit, map or norm"),
			/** In units of the mean diagonal of the normal equations, where a token counts as ten median tokens at most. */
			ridge: v.pipe(finiteNumber, v.gtValue(0, "expected a number above 0")),
			/** Tokens count by the mean square of their wanted state to the power of - `relative`. */
			relative: finiteNumber,
			/** Where the norm behind the new matrix was fitted as well, in units of the mean square of what it divides to. */
			normRidge: v.optional(v.pipe(finiteNumber, v.gtValue(0, "expected a number above 0"))),
		}),
	),
	/** Share of the squares of what was missing (and a norm behind the matrix can give) that is given back, on the tokens of the fit; a missing huge state outweighs all else. */
	explained: v.optional(finiteNumber),
	/** Mean loss on the text that decided on kind and ridge, or divergence from the original model there, where that decided. */
	tuning: v.optional(
		v.strictObject({
			before: finiteNumber,
			after: finiteNumber,
			by: v.optional(v.literal("divergence", "expected divergence, or nothing")),
		}),
	),
	/** Why the cut was left alone. */
	reason: v.optional(someText),
});

/** Tokens that healing is fitted to, at most: days of work on most machines. */
const MOST_TOKENS = 2 ** 24;

export const healSchema = v.strictObject({
	/** Whether the written file is healed: not where the validation split does not say that it helps. */
	applied: v.boolean(),
	/** Text that matrices were fitted to: self-generated text with this seed. */
	fit: v.pipe(
		v.strictObject({ seed: wholeNumber, sha256: sha256Hex, count: positiveWhole, length: positiveWhole }),
		v.check(({ count, length }) => count * length <= MOST_TOKENS, `expected at most ${MOST_TOKENS} tokens, count times length`),
	),
	/** `auto`, `same`, or a type of ggml. */
	type: someText,
	/** That the healed matrices take more than those in their place. */
	addedBytes: v.pipe(v.number(), v.integer("expected a whole number")),
	cuts: v.array(cut),
	/**
	 * Matrices and norms behind the cuts whose rows (what attention heads ask with) or columns (what they give) were multiplied, head by
	 * head or few heads by few, from the first on.
	 */
	heads: v.optional(
		v.array(
			v.strictObject({
				tensor: someText,
				/** @default columns */
				by: v.optional(v.picklist(["rows", "columns"], "expected rows or columns"), "columns"),
				factors: v.pipe(v.array(finiteNumber), v.minLength(1, "expected a factor")),
			}),
		),
	),
	validation: v.optional(comparison),
	heldOut: v.optional(comparison),
	/** Healed model - original model on the held-out split, paired by window. */
	added: v.optional(v.strictObject({ mean: finiteOrNull, standardError: finiteOrNull })),
	/** Seconds for drawing the text and for everything else. */
	seconds: v.strictObject({ text: finiteNumber, rest: finiteNumber }),
});

/** What the shape cannot say; each with the place in the plan. */
export function* healFaults({ applied, fit: { count }, cuts, heads = [] }: PlanHeal): Generator<string> {
	if (count > MAX_WINDOWS) yield `heal.fit.count: expected at most ${MAX_WINDOWS} windows, got ${count}`;
	if (applied && heads.length === 0 && cuts.every(({ recipe }) => recipe === undefined))
		yield "heal.applied: true, but no cut has a recipe and no heads are named";
}

export type PlanHeal = v.InferOutput<typeof healSchema>;
export type HealComparison = v.InferOutput<typeof comparison>;

/** What was kept of healing a set, by this version or the one before; undefined for what is torn, or of another version. */
export const readKeptHeal = (text: string): PlanHeal | undefined => parsedAs(healSchema, text) ?? parsedAs(healSchema, text, healFromV1);

/** What a set was compared by in a race of healed sets, window by window: infinite where it was kept as null; undefined for what is torn. */
export function readKeptValues(text: string): Float64Array | undefined {
	const kept = parsedAs(v.strictObject({ values: v.array(finiteOrNull) }), text);
	return kept && Float64Array.from(kept.values, (value) => value ?? Number.POSITIVE_INFINITY);
}

const keptTokens = v.strictObject({ healTokens: positiveWhole, seconds: v.optional(finiteNumber) });

/** The number of tokens that was found for a time, and the seconds that healing takes with them, about; undefined for what is torn. */
export const readKeptTokens = (text: string): v.InferOutput<typeof keptTokens> | undefined => parsedAs(keptTokens, text);
