// What the parts of a model cost at the context that it is used at: time per generated token, and keys and values.
import type { JobOptions } from "../../api/index.js";
import { logger } from "../../api/logger.js";
import { InvalidOptionError } from "../../errors.js";
import { kvHeadsOf } from "../../model/architectures/facts.js";
import { ModelKeys } from "../../model/architectures/keys.js";
import type { FileType } from "../../model/runtime/file-type-names.js";
import { loadAsRead } from "../../model/runtime/load-model.js";
import { keyValueNumbers } from "../../model/runtime/memory.js";
import type { Model } from "../../model/runtime/model.js";
import { runSpeed, type SpeedShape } from "../../model/runtime/speed.js";
import { isExtrapolated } from "../../report/context.js";
import type { MeasuredTimes, PartTimes, TurnTimes } from "../../storage/plan-speed.js";
import type { SeenText } from "../preflight/context.js";
import type { Header } from "../preflight/model-header.js";
import { partSizes, storedBytes } from "../preflight/model-sizes.js";
import type { MachineSettings, UnknownSettings } from "../../api/options/settings.js";
import { median, probeWithin } from "./figures.js";
import { KeptPartTimes, keptSince, measuredEarlier, type TimedParts } from "./kept.js";
import { partTimes, type TimesWithTurns } from "./part-times.js";
import { speedPhase, speedSide } from "./speed.js";
import { spreadSet } from "./target.js";

/** What a run knows of the context that the model is used at. */
export interface AtContext {
	readonly context: number;
	/** Missing if it was not measured: in a dry run that needs no time. */
	readonly times?: MeasuredTimes | undefined;
	/** The same by single repetitions, and the file that all of them are kept in. */
	readonly turns?: readonly TurnTimes[];
	readonly keptIn?: string;
	/** Bytes of keys and values of each block there: 0 of one without attention. */
	readonly kv: readonly number[];
	/** What the search sees of it; missing where nothing is searched. */
	readonly seen?: SeenText | undefined;
}

type Measuring = MachineSettings & UnknownSettings & JobOptions;

/** Right after the start of a text. */
const startShape: SpeedShape = { promptTokens: 1, generatedTokens: 24, repetitions: 3 };
/** Tokens generated at the context, and how often. */
const farShape = { generatedTokens: 32, repetitions: 2 };
/** Seconds that measuring at the context should take at most; tokens of context that are measured in any case, if the model has them. */
const farSeconds = 60;
const leastFar = 256;

/**
 * Times of the parts at a context: as an earlier run measured them, or measured now, in memory and in turns with the model without half
 * of its blocks.
 * @throws InvalidOptionError where no half of the blocks can be left out, and the errors of loading and measuring
 */
export async function partTimesAt(header: Header, context: number, options: Measuring): Promise<TimedParts> {
	const kept = await KeptPartTimes.of(header, { context }, options);
	return keptOr(kept, "", options, async () => {
		const model = await loadAsRead(header, options);
		try {
			return await measured(model, context, options);
		} finally {
			await model.dispose();
		}
	});
}

/**
 * The same of a copy of these weights in another type.
 * @param copy makes it, if no earlier run has measured it
 */
export async function partTimesOfCopy(
	weights: Pick<Header, "path" | "file">,
	copy: { readonly type: FileType; readonly model: () => Promise<Model> },
	context: number,
	options: Measuring,
): Promise<MeasuredTimes> {
	const kept = await KeptPartTimes.of(weights, { context, type: copy.type }, options);
	const { times } = await keptOr(kept, ` in ${copy.type}`, options, async () => measured(await copy.model(), context, options));
	return times;
}

/** @param weights whose times they are, for people */
async function keptOr(
	kept: KeptPartTimes,
	weights: string,
	options: JobOptions,
	measure: () => Promise<TimesWithTurns>,
): Promise<TimedParts> {
	const earlier = await kept.read();
	if (earlier) return toldEarlier(options, weights, earlier);
	return told(options, weights, await kept.write(await measure()));
}

/** Says of kept times when they were measured. @param how as this run may measure them again, or not */
function toldEarlier(options: JobOptions, weights: string, earlier: TimedParts, how = measuredEarlier): TimedParts {
	const { times, keptIn } = earlier;
	logger(options)("note", `time at a context of ${times.context}${weights} ${how(times.measured, keptIn)}`);
	return told(options, weights, earlier);
}

/** Says of times, measured now or kept, where they were measured at clearly fewer tokens. @param weights whose they are */
function told(options: JobOptions, weights: string, timed: TimedParts): TimedParts {
	const { times } = timed;
	if (isExtrapolated(times))
		logger(options)(
			"note",
			`time at a context of ${times.context}${weights} is measured at ${times.measuredAt} tokens, and taken to grow in a straight line: a longer prompt would take more than ${farSeconds} s`,
		);
	return timed;
}

/** Seconds at most that measuring such times again takes, as far as they tell: a token of a prompt takes no longer than a generated one. */
export const secondsToTimeParts = ({ measuredAt, model }: PartTimes): number =>
	Math.min(farSeconds, 1.5 * (farShape.repetitions + 1) * measuredAt * model);

/** What is known of a context, with the times that an earlier run measured, where this one has no time to measure them. */
export async function withKeptTimes(header: Header, at: AtContext, options: Measuring): Promise<AtContext> {
	if (at.times || !canTimeParts(header)) return at;
	const earlier = await (await KeptPartTimes.of(header, { context: at.context }, options)).read();
	return earlier ? { ...at, ...toldEarlier(options, "", earlier, keptSince) } : at;
}

async function measured(model: Model, context: number, options: Measuring): Promise<TimesWithTurns> {
	const { blocks } = model.blocks;
	const half = comparedHalf(model);
	if (!half)
		throw new InvalidOptionError(
			`${model.path}: no half of the blocks, with attention among them, can be left out, so the time of a part cannot be measured: leave out --target-speedup`,
		);
	const { removed, attentions } = half;
	const { signal, progress } = options;
	const sides = [speedSide({ model }), speedSide({ model, removed })];
	const run = (shape: SpeedShape) =>
		runSpeed(sides, {
			...{ ...shape, context, threads: model.threads, signal },
			onProgress: (done, total) =>
				progress?.work({ phase: speedPhase, done: Math.round((100 * done) / total), total: 100, unit: "percent" }),
		});
	const most = Math.min(context, model.facts.contextLength);
	const probeShape = probeWithin(most);
	const [probe] = await runSpeed(sides.slice(0, 1), { ...probeShape, context, threads: model.threads, signal });
	const perToken = median(probe!.promptSeconds) / probeShape.promptTokens;
	const far = { ...farShape, promptTokens: promptWithin(most - farShape.generatedTokens, perToken) };
	const turns = async (shape: SpeedShape) => {
		const [whole, fewer] = await run(shape);
		const each = (seconds: ArrayLike<number>) => Array.from(seconds, (all) => all / shape.generatedTokens);
		const tokens = shape.promptTokens + shape.generatedTokens / 2;
		return { whole: each(whole!.generationSeconds), fewer: each(fewer!.generationSeconds), tokens };
	};
	return partTimes(context, {
		...{ blocks, without: removed.length, attentions },
		...{ atStart: await turns(startShape), far: await turns(far) },
		attentionBytes: attentionShareOfBlock(model),
	});
}

/** Prompt tokens before the measured ones: as many as fit the time. */
function promptWithin(most: number, secondsPerToken: number): number {
	const seconds = (tokens: number) => 1.5 * (farShape.repetitions + 1) * tokens * secondsPerToken;
	let tokens = most;
	while (tokens > leastFar && seconds(tokens) > farSeconds) tokens = Math.max(leastFar, Math.floor(tokens / 2));
	return Math.max(1, Math.min(tokens, most));
}

/**
 * Half of the blocks, whose absence shows the time of a part, and how many have attention: about half of those. Undefined if none of them
 * can go that has.
 */
export function comparedHalf(
	header: Pick<Header, "file" | "blocks">,
): { readonly removed: readonly number[]; readonly attentions: { readonly all: number; readonly without: number } } | undefined {
	const attending = blocksWithAttention(header);
	const removed = spreadSet(header.blocks, Math.floor(header.blocks.blocks / 2), (block) => attending.has(block));
	const attentions = { all: attending.size, without: removed?.filter((block) => attending.has(block)).length ?? 0 };
	return removed && attentions.without > 0 ? { removed, attentions } : undefined;
}

/** Whether the time of parts can be measured. */
export const canTimeParts = (header: Pick<Header, "file" | "blocks">): boolean => comparedHalf(header) !== undefined;

/** Blocks that keys and values are kept for, ascending. */
export function blocksWithAttention(header: Pick<Header, "file" | "blocks">): ReadonlySet<number> {
	const heads = kvHeadsOf(new ModelKeys(header.file), header.blocks.blocks);
	return new Set(heads.flatMap((count, block) => (count > 0 ? [block] : [])));
}

/** Share of the bytes of a block with attention that the attention part holds, in the mean of such blocks. */
export function attentionShareOfBlock(header: Pick<Header, "file" | "blocks">): number {
	const attending = blocksWithAttention(header);
	return attentionShareOf(header, (block) => attending.has(block));
}

/** Share of the blocks' bytes that their attention parts hold. */
export const attentionShareOfBytes = (header: Pick<Header, "file" | "blocks">): number => attentionShareOf(header, () => true);

function attentionShareOf(header: Pick<Header, "file" | "blocks">, counted: (block: number) => boolean): number {
	const sizes = partSizes(header, storedBytes);
	const sum = (kind: number) =>
		sizes.reduce((total, size, part) => total + (part % 2 === kind && counted(Math.floor(part / 2)) ? size : 0), 0);
	return sum(0) / Math.max(1, sum(0) + sum(1));
}

/** Factor between the largest and the smallest part from which on one time for all is worth a word: more than mixed types of weights make. */
const unequal = 1.25;

/** Which parts of this model differ clearly in size, for people: one time is taken for all of a kind. Undefined if none do. */
export function unequalParts(header: Pick<Header, "file" | "blocks">): string | undefined {
	const sizes = partSizes(header, storedBytes);
	const attending = [...blocksWithAttention(header)];
	const kv = kvBytes(header, 1);
	const factor = (bytes: readonly number[]) => (bytes.length === 0 ? 1 : Math.max(...bytes) / Math.min(...bytes));
	const factors = {
		"attention parts": Math.max(factor(attending.map((block) => sizes[2 * block]!)), factor(attending.map((block) => kv[block]!))),
		"feed-forward parts": factor(sizes.filter((size, part) => part % 2 === 1 && size > 0)),
	};
	const found = Object.entries(factors).filter(([, by]) => by >= unequal);
	return found.length === 0
		? undefined
		: found.map(([parts, by]) => `${parts} by a factor of up to ${Number(by.toPrecision(2))}`).join(" and ");
}

/** Bytes of an F16 value, in which llama.cpp keeps keys and values unless told otherwise. */
const valueBytes = 2;

/**
 * Bytes of keys and values of each block for so many tokens, in F16, of a model that can lose attention parts: every block with attention
 * attends to the whole context. Without flash attention llama.cpp may take more.
 */
export function kvBytes({ file, blocks }: Pick<Header, "file" | "blocks">, context: number): number[] {
	const { keys, values } = keyValueNumbers(file);
	return keys.slice(0, blocks.blocks).map((count, block) => (count + values[block]!) * valueBytes * context);
}
