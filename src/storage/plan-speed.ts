import * as v from "valibot";
import { parsedAs, positiveWhole, wholeNumber } from "./plan-values.js";

// What a plan says of speed and memory: two models, or views of one, measured in turns on one machine.

const speed = v.pipe(v.number(), v.finite("expected a finite number"), v.gtValue(0, "expected a number above 0"));

/** Seconds or a share, at least 0. */
const seconds = v.pipe(v.number(), v.finite("expected a finite number"), v.minValue(0, "expected 0 or more"));

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

/** Seconds per generated token at a context, of a model and of a block's parts in the mean, derived from measured times. */
export const partTimesSchema = v.strictObject({
	/** Tokens. */
	context: positiveWhole,
	/** Tokens of context that were measured; from there to `context` it is a straight line. */
	measuredAt: seconds,
	/** The original model. */
	model: speed,
	/** The attention part of a block, and its feed-forward part. */
	attention: seconds,
	feedForward: seconds,
	/** Share of a block's bytes that its attention part holds, 0..1. */
	attentionBytes: seconds,
});
export type PartTimes = Readonly<v.InferOutput<typeof partTimesSchema>>;

const measuredTimes = v.strictObject({
	/** When they were measured, in ISO 8601. */
	measured: v.pipe(v.string(), v.isoTimestamp()),
	...partTimesSchema.entries,
});

/** Such times, and when they were measured, in ISO 8601. */
export type MeasuredTimes = Readonly<v.InferOutput<typeof measuredTimes>>;

const turnTimes = v.pick(partTimesSchema, ["model", "attention", "feedForward"]);

/** The same by single repetitions, which show how far they spread. */
export type TurnTimes = Readonly<v.InferOutput<typeof turnTimes>>;

const keptPartTimes = v.strictObject({ ...measuredTimes.entries, turns: v.array(turnTimes) });

/** Undefined for what is torn. */
export const readKeptPartTimes = (text: string): v.InferOutput<typeof keptPartTimes> | undefined => parsedAs(keptPartTimes, text);

/** What a removal saves at the context that the model is used at. */
export const contextSchema = v.strictObject({
	/** Tokens. */
	context: positiveWhole,
	/** Derived from measured times; missing if these were not measured. Their date is missing in plans of earlier states. */
	times: v.optional(v.partial(measuredTimes, ["measured"])),
	/** Milliseconds per generated token of the original model and of the pruned one, by these times. */
	milliseconds: v.optional(v.strictObject({ before: speed, after: speed })),
	/** Bytes of keys and values in F16 for the context, with flash attention. */
	kvCache: v.strictObject({ before: wholeNumber, after: wholeNumber }),
	/** What the search saw: windows, tokens of each, and the first position of a window that was scored. Missing if nothing was searched. */
	seen: v.optional(v.strictObject({ windows: positiveWhole, windowLength: positiveWhole, scoreFrom: wholeNumber })),
});
export type PlanContext = v.InferOutput<typeof contextSchema>;
