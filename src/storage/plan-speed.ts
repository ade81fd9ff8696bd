import * as v from "valibot";
import { parsedAs, positiveWhole, wholeNumber } from "./plan-values.js";

// What a plan says of speed and memory: two models, or views of one, measured in turns on one machine.

const speed = v.pipe(v.number(), v.finite("expected a finite number"), v.gtValue(0, "expected a number above 0"));

/** Tokens per second: median, least and most of the repetitions. */
const spread = v.strictObject({ median: speed, low: speed, high: speed });

const side = v.strictObject({
	/** Prompt tokens per second, all of them at once. */
	prompt: spread,
	/** Tokens per second one by one, after the prompt. */
	generation: spread,
	/** Bytes of the tensors that are run. */
	weights: wholeNumber,
	/** Bytes of keys and values (or recurrent states) for `context` tokens. */
	kvCache: wholeNumber,
	/** Bytes of the buffers that graphs compute in, with that context. */
	compute: wholeNumber,
	/** Sum of the three. */
	memory: wholeNumber,
	/** Bytes of the file, or of what it would be without the masked blocks. */
	file: wholeNumber,
});

/** Speed after / before: median over the repetitions, paired. */
const ratio = v.strictObject({
	value: speed,
	/** 95 % interval of the median by order statistics; missing with fewer than six repetitions. */
	interval: v.optional(v.strictObject({ low: speed, high: speed })),
});

export const speedSchema = v.strictObject({
	promptTokens: positiveWhole,
	generatedTokens: positiveWhole,
	/** That were kept; one before them was thrown away. */
	repetitions: positiveWhole,
	threads: positiveWhole,
	/** Backend that computed. */
	backend: v.pipe(v.string(), v.nonEmpty("expected text, got an empty string")),
	/** Where the blocks of each file were, if any was on a device. */
	placement: v.optional(v.strictObject({ before: v.string(), after: v.optional(v.string()) })),
	/** Tokens of context that memory is counted for. */
	context: positiveWhole,
	before: side,
	/** Missing if one model was measured alone. */
	after: v.optional(side),
	/** How the second one was run: as a `file`, or in `memory`, as the first one without some of its blocks. */
	through: v.optional(v.picklist(["file", "memory"], "expected file or memory")),
	ratio: v.optional(v.strictObject({ prompt: ratio, generation: ratio })),
});

/** Speed and memory of a model, or of two of them in turns. */
export type PlanSpeed = v.InferOutput<typeof speedSchema>;
/** Of one of them. */
export type SpeedSideFigures = PlanSpeed["before"];
/** Speed after / before. */
export type SpeedRatio = NonNullable<PlanSpeed["ratio"]>["prompt"];

const keptSpeed = v.strictObject({
	/** ISO 8601. */
	measured: v.pipe(v.string(), v.isoTimestamp()),
	count: positiveWhole,
	/** Numbers of blocks that it may take as well. */
	range: v.optional(v.strictObject({ least: positiveWhole, most: positiveWhole })),
	/** Of the model without so many blocks. */
	ratios: v.array(v.strictObject({ blocks: positiveWhole, ...ratio.entries })),
});

/** What was measured for a target speed-up; undefined for what is torn. */
export const readKeptSpeed = (text: string): v.InferOutput<typeof keptSpeed> | undefined => parsedAs(keptSpeed, text);
