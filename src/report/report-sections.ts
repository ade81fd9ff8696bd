import * as v from "valibot";
import { parseWritten } from "../notation.js";

// Sections of a report that a run has only where it was asked for them.

/** A schema with a sentence for the published JSON Schema. */
export const says = <Schema extends v.GenericSchema>(schema: Schema, sentence: string) => v.pipe(schema, v.description(sentence));

export const text = v.pipe(v.string(), v.nonEmpty("expected text, got an empty string"));
export const number = v.pipe(v.number(), v.finite("expected a finite number"));
export const natural = v.pipe(v.number(), v.integer("expected a whole number"), v.minValue(0, "expected a number of at least 0"));
export const share = v.pipe(number, v.minValue(0), v.maxValue(1));
export const positive = v.pipe(v.number(), v.integer("expected a whole number"), v.minValue(1, "expected a number of at least 1"));
/** JSON has no number for a loss that is not finite: null stands for it. */
export const loss = v.nullable(number);
const position = v.pipe(
	number,
	v.multipleOf(0.25, "expected a whole number, or one and a quarter for an attention part, or one and a half for a shifted pair"),
	v.minValue(0, "expected a number of at least 0"),
);
/** Read as ascending positions: i for block i, i + 0.25 for its attention part alone, i + 0.5 for the feed-forward part of block i and the attention part of block i + 1. */
export const blockList = v.pipe(
	v.union([v.string(), v.array(position)]),
	v.description(
		"Blocks of the original model, 0-based as in the tensor names: `3, 6-9a, 12f-15a`, or `none`. Here `6-9a` is the attention parts of blocks 6 to 9 alone, and `12f-15a` goes from the feed-forward part of block 12 to the attention part of block 15. Earlier reports have lists of numbers.",
	),
	v.rawTransform(({ dataset: { value }, addIssue, NEVER }): number[] => {
		if (typeof value !== "string") return value;
		const read = parseWritten(value);
		if ("positions" in read) return read.positions;
		addIssue({ message: read.problem });
		return NEVER;
	}),
);

export const interval = says(v.strictObject({ low: number, high: number }), "95 % interval.");

/** What a removal saves at the context that the model is used at. */
export const context = v.strictObject({
	context: says(positive, "Tokens."),
	times: v.optional(
		says(
			v.strictObject({ measuredAt: number, attention: number, feedForward: number }),
			"Seconds per generated token of the attention part of a block and of its feed-forward part in the mean, derived from times measured up to `measuredAt` tokens.",
		),
	),
	milliseconds: v.optional(
		says(
			v.strictObject({ before: number, after: number }),
			"Milliseconds per generated token of both models before quantizing, by these times.",
		),
	),
	kvCache: says(
		v.strictObject({ before: natural, after: natural }),
		"Bytes of keys and values in F16 for the context, with flash attention.",
	),
	seen: v.optional(
		says(
			v.strictObject({ windows: positive, windowLength: positive, scoreFrom: natural }),
			"What the search saw: windows, tokens of each, and the first position that was scored.",
		),
	),
});

const spread = v.strictObject({
	value: says(number, "Median or mean over the repetitions."),
	low: v.optional(says(number, "Least of the repetitions.")),
	high: v.optional(says(number, "Most of the repetitions.")),
});

export const speed = v.strictObject({
	conditions: says(text, "What was run and on what, in words: threads, prompt and generated tokens, repetitions."),
	context: v.optional(says(positive, "Tokens of context that the key-value cache is given for.")),
	figures: v.array(
		v.strictObject({
			name: says(
				text,
				"`prompt`, `generation`: tokens per second; `memory` and what of it are `weights`, `compute` (buffers) and `kvCache`: bytes.",
			),
			unit: v.picklist(["tokens per second", "bytes"]),
			before: spread,
			after: spread,
			ratio: says(number, "After / before."),
			interval: v.optional(interval),
		}),
	),
});

const collapseKind = says(
	v.picklist(["loop", "repetition", "script", "language", "empty"]),
	"`loop`: the end repeats one piece. `repetition`: less than half of the trigrams are new. `script`: letters that the prompt's scripts lack, or no text. `language`: another language than the prompt's. `empty`: nothing to see.",
);

export const samples = v.array(
	v.strictObject({
		prompt: v.string(),
		before: says(v.string(), "Continuation by the original model."),
		after: says(v.string(), "Continuation by the pruned model."),
		mode: v.optional(says(text, "How tokens were taken: `greedy` or `sampled`.")),
		marks: v.optional(
			says(v.strictObject({ before: v.array(collapseKind), after: v.array(collapseKind) }), "What is wrong with each continuation."),
		),
	}),
);

export const textCheck = v.strictObject({
	conditions: says(text, "What was drawn and how, in words."),
	texts: says(natural, "Continuations by each model."),
	kinds: says(
		v.array(
			v.strictObject({
				kind: collapseKind,
				before: natural,
				after: natural,
				worse: says(v.boolean(), "Whether so many more texts are marked than before that it counts as a change."),
			}),
		),
		"Texts of the original and of the pruned model that are marked, by kind.",
	),
	distinct: says(v.strictObject({ before: share, after: share }), "Mean share of trigrams that are not repeated."),
});

export const collapse = v.array(
	v.strictObject({
		kind: says(text, "What changed: `loop`, `repetition`, `script`, `language`, `empty`."),
		prompt: v.string(),
		before: v.string(),
		after: v.string(),
		message: text,
	}),
);

export const alternatives = v.strictObject({
	verdict: says(text, "Whether pruning or quantizing is the better way to this size, in words."),
	sourceQuantized: says(v.boolean(), "Whether the original model is quantized already: quantizing it again flatters pruning."),
	quantizedFrom: v.optional(
		says(text, "File that the other versions were quantized from, if that is not the original model; all are compared with it."),
	),
	versions: v.array(
		v.strictObject({
			name: says(text, "For example `Q4_K_S`, or `4 blocks removed`."),
			kind: says(
				v.picklist(["source", "pruned", "quantized", "pruned and quantized"]),
				"`source`: the original model that all are compared with.",
			),
			removed: v.optional(blockList),
			bytes: natural,
			added: v.optional(says(loss, "Loss added to that of the original model (`source`), nats per token.")),
			standardError: v.optional(number),
			divergence: v.optional(says(loss, "KL divergence from the original model, nats per token.")),
			divergenceError: v.optional(says(number, "Standard error of the divergence.")),
			agreement: v.optional(says(share, "Share of positions at which the original model finds the same token most likely.")),
			promptSpeed: v.optional(says(number, "Prompt tokens per second.")),
			generationSpeed: v.optional(says(number, "Generated tokens per second.")),
		}),
	),
});

export const heal = v.strictObject({
	applied: says(v.boolean(), "Whether the written file is healed: only if the validation split says that it helps."),
	tokens: says(natural, "Tokens of self-generated text that matrices were fitted to."),
	addedBytes: says(v.pipe(v.number(), v.integer()), "That the new matrices take more than those in their place."),
	cuts: says(
		v.array(
			v.strictObject({
				before: v.optional(says(natural, "Block of the kept part before the removed ones; missing at the very start.")),
				removed: blockList,
				part: v.optional(
					says(
						v.picklist(["attention", "feed-forward"]),
						"At a half-block cut: which part the matrix is of, the attention part before it or the feed-forward part behind it.",
					),
				),
				tensor: v.optional(says(text, "Matrix that was changed, as the source names it.")),
				type: v.optional(says(text, "Type that it is stored in.")),
				norm: v.optional(says(text, "Norm whose weights were changed.")),
				kind: v.optional(
					says(
						text,
						"`refit`: the whole matrix; `map`: a square map on what it gives; `norm`: the norm behind it. Missing if it was left alone.",
					),
				),
				ridge: v.optional(
					says(number, "In units of the mean diagonal of the normal equations, in which a token counts as ten median tokens at most."),
				),
				explained: v.optional(
					says(
						number,
						"Share that healing restores of the squared error, on the tokens of the fit. Only the part that a norm behind the matrix can give counts. A missing huge state outweighs all else.",
					),
				),
				change: v.optional(says(number, "On the text that decided on kind and ridge, nats per token.")),
				by: v.optional(
					says(v.literal("divergence"), "What `change` is of: the divergence from the original model; if missing, of the loss."),
				),
				reason: v.optional(says(text, "Why it was left alone.")),
			}),
		),
		"Runs of removed blocks, first to last.",
	),
	heads: says(
		v.optional(v.array(v.strictObject({ tensor: text, by: v.picklist(["rows", "columns"]), factors: v.array(number) }))),
		"Factors of attention heads behind the cuts, by the matrix or norm that holds them: of rows (what heads ask with) or columns (what they give).",
	),
	splits: says(
		v.array(v.strictObject({ split: text, before: loss, after: loss, difference: loss, standardError: loss })),
		"Losses of the pruned model before and after it was healed, nats per token.",
	),
	seconds: number,
});

export const limits = v.array(
	v.strictObject({
		name: says(text, "Option that set the limit, of an accuracy with the name of the questions."),
		limit: number,
		value: says(loss, "What was measured on the held-out split; of a quantized model of the file as written."),
		standardError: v.optional(says(number, "Of the value.")),
		met: v.boolean(),
	}),
);
