import * as v from "valibot";

// What a plan says of healing: enough to do it again, and what it gave.

const text = v.pipe(v.string(), v.nonEmpty("expected text, got an empty string"));
const sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, "expected a SHA-256: 64 lower-case hexadecimal digits"));
const natural = v.pipe(v.number(), v.integer("expected a whole number"), v.minValue(0, "expected a number of at least 0"));
const positive = v.pipe(v.number(), v.integer("expected a whole number"), v.minValue(1, "expected a number of at least 1"));
const finite = v.pipe(v.number(), v.finite("expected a finite number"));
const loss = v.nullable(finite);

/** Of the pruned model before and after it was healed, paired by window; nats per token, null where not finite. */
const comparison = v.strictObject({
	before: loss,
	after: loss,
	/** after - before, and its standard error. */
	difference: loss,
	standardError: loss,
});

const cut = v.strictObject({
	/** Kept block before the removed ones; null where the cut is at the very start. */
	before: v.nullable(natural),
	/** First and last removed block. */
	first: natural,
	last: natural,
	/** Matrix that was changed, as the source names it, and the type that it is stored in. */
	tensor: v.optional(text),
	type: v.optional(text),
	/** Norm whose weights were changed. */
	norm: v.optional(text),
	/** Of the bytes of the new matrix, and of the norm's behind them: what is healed again must have it. */
	sha256: v.optional(sha256),
	/** Missing where the cut was left alone. */
	recipe: v.optional(
		v.strictObject({
			/** `refit`: the whole matrix; `map`: a square map on what it gives; `norm`: only the norm behind it. */
			kind: v.picklist(["refit", "map", "norm"], "expected refit, map or norm"),
			/** In units of the mean diagonal of the normal equations, where a token counts as ten median tokens at most. */
			ridge: v.pipe(finite, v.gtValue(0, "expected a number above 0")),
			/** Tokens count by the mean square of their wanted state to the power of - `relative`. */
			relative: finite,
			/** Where the norm behind the new matrix was fitted as well, in units of the mean square of what it divides to. */
			normRidge: v.optional(v.pipe(finite, v.gtValue(0, "expected a number above 0"))),
		}),
	),
	/** Share of the squares of what was missing (and a norm behind the matrix can give) that is given back, on the tokens of the fit; a missing huge state outweighs all else. */
	explained: v.optional(finite),
	/** Mean loss on the text that decided on kind and ridge, or divergence from the whole model there, where that decided. */
	tuning: v.optional(
		v.strictObject({ before: finite, after: finite, by: v.optional(v.literal("divergence", "expected divergence, or nothing")) }),
	),
	/** Why the cut was left alone. */
	reason: v.optional(text),
});

export const healSchema = v.strictObject({
	/** Whether the written file is healed: not where the validation fold does not say that it helps. */
	applied: v.boolean(),
	/** Text that matrices were fitted to: the model's own samples with this seed. */
	fit: v.strictObject({ seed: natural, sha256, count: positive, length: positive }),
	/** `auto`, `same`, or a type of ggml. */
	type: text,
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
				tensor: text,
				/** @default columns */
				by: v.optional(v.picklist(["rows", "columns"], "expected rows or columns"), "columns"),
				factors: v.pipe(v.array(finite), v.minLength(1, "expected a factor")),
			}),
		),
	),
	validation: v.optional(comparison),
	report: v.optional(comparison),
	/** Healed model - whole model on the report fold, paired by window. */
	added: v.optional(v.strictObject({ mean: loss, standardError: loss })),
	/** Of drawing the text and of everything else. */
	seconds: v.strictObject({ text: finite, rest: finite }),
});

export type PlanHeal = v.InferOutput<typeof healSchema>;
export type HealComparison = v.InferOutput<typeof comparison>;

/** What was kept of healing a set; undefined for what is torn, or of another version. */
export const readKeptHeal = (text: string): PlanHeal | undefined => parsedAs(healSchema, text);

/** What a set was compared by in a race of healed sets: infinite where it was kept as null; undefined for what is torn. */
export function readKeptFigure(text: string): number | undefined {
	const kept = parsedAs(v.strictObject({ figure: loss }), text);
	return kept && (kept.figure ?? Number.POSITIVE_INFINITY);
}

/** The number of tokens that was found for a time; undefined for what is torn. */
export const readKeptTokens = (text: string): number | undefined => parsedAs(v.strictObject({ healTokens: positive }), text)?.healTokens;

function parsedAs<T extends v.GenericSchema>(schema: T, text: string): v.InferOutput<T> | undefined {
	try {
		const parsed = v.safeParse(schema, JSON.parse(text));
		return parsed.success ? parsed.output : undefined;
	} catch {
		return undefined;
	}
}
