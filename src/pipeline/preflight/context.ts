// The context that a model is used at, and how much of it a search sees.
import { stat } from "node:fs/promises";
import type { JobOptions } from "../../api/job.js";
import { logger } from "../../api/logger.js";
import { InvalidOptionError } from "../../errors.js";
import { isAttention } from "../../game/parts.js";
import { weightedFiles } from "../../model/calibration/index.js";
import type { ContextSettings, MethodSettings, MetricSettings, ScoredSettings, TextSettings } from "../../api/options/settings.js";
import type { Header } from "./model-header.js";
import { jobWith } from "./job.js";

/** Tokens of context that memory and time are counted for where nothing else is said. */
export const usualContext = 4096;

/** Tokens of an evaluation where nothing is said: twice those of a search of blocks, which evaluates twice as many candidates. */
const seenTokens = 2560;
/** Windows at least: fewer say too little of the error. */
const fewestWindows = 5;

/**
 * Windows at least and tokens of one at most, where nothing is said: as many as the tokens of an evaluation hold up to the usual context,
 * on which attention parts were measured to be chosen well. Longer contexts have fewer, longer windows, and a little more tokens.
 */
function longestWindows(context: number): { readonly fewest: number; readonly longest: number } {
	if (context >= 4 * usualContext) return { fewest: 2, longest: 2048 };
	if (context > usualContext) return { fewest: 3, longest: 1024 };
	return { fewest: fewestWindows, longest: seenTokens / fewestWindows };
}

/** The same at least: a text that is too short for these is refused when it is read. */
const shortestWindow = 128;
/** Windows of all three splits for each of the search. */
const allSplits = 3.5;

/** What the search sees of a context. */
export interface SeenText {
	readonly windows: number;
	/** Tokens of each. */
	readonly windowLength: number;
	/** First position that is scored: what is before it is context only. */
	readonly scoreFrom: number;
}

/** Tokens that the model was trained on at once. Files that do not say so bound nothing. */
export function trainedContext({ file }: Pick<Header, "file">): number {
	const tokens = file.number(`${file.architecture}.context_length`) ?? 0;
	return tokens > 0 ? tokens : Number.POSITIVE_INFINITY;
}

/** @throws InvalidOptionError for a context that the model was not trained for */
export function contextFor(header: Pick<Header, "file" | "path">, { context }: ContextSettings): number {
	const trained = trainedContext(header);
	if (context === undefined) return Math.min(usualContext, trained);
	if (!Number.isInteger(context) || context < 256)
		throw new InvalidOptionError(`context must be a whole number of at least 256 tokens, got ${context}`);
	if (context > trained)
		throw new InvalidOptionError(
			`${header.path} was trained on a context of ${trained} tokens, got --context ${context}: give ${trained} or less`,
		);
	return context;
}

/**
 * Fewer, longer windows than in a search of blocks, of which the second half counts.
 * @param context tokens that the model is used at
 * @param given what was said of the windows, which holds
 * @param text tokens of each text that windows are cut from. @default as many as are wanted
 */
export function seenText(
	context: number,
	{ windows, windowLength }: Pick<TextSettings, "windows" | "windowLength">,
	text = Number.POSITIVE_INFINITY,
): SeenText {
	const { fewest, longest } = windowLength === undefined ? longestWindows(context) : { fewest: fewestWindows, longest: windowLength };
	const allowed = Math.max(shortestWindow, Math.floor(text / (allSplits * (windows ?? fewest))));
	const length = windowLength ?? Math.min(context, longest, allowed);
	const count = windows ?? Math.max(fewest, Math.floor(Math.min(seenTokens, text / allSplits) / length));
	return { windows: count, windowLength: length, scoreFrom: Math.floor(length / 2) };
}

/**
 * The job with its context, and the windows that see it. Only a search of attention parts has one.
 * @param named what else has a context, for people
 * @throws InvalidOptionError
 */
export async function withContext<J extends Contextual>(job: J, header: Pick<Header, "file" | "path" | "blocks">, named = ""): Promise<J> {
	if (!searchesAttention(job)) {
		checkContextOf(job, header, named);
		return job;
	}
	const context = contextFor(header, job);
	const seen = seenText(context, job, await tokensOf(job));
	return jobWith<Contextual>(job, { context, ...seen }) as J;
}

/**
 * A context is weighed by counting equal attention parts. Sliding windows, recurrent blocks, shared or compressed keys and values are not
 * equal; the models whose attention parts can be removed alone have none of these.
 * @throws InvalidOptionError for a context of anything else
 */
function checkContextOf({ context, remove }: Contextual, { path, blocks }: Pick<Header, "path" | "blocks">, named: string): void {
	if (context === undefined) return;
	if (remove === undefined)
		throw new InvalidOptionError(
			`--context says at how many tokens attention parts cost their time and KV cache: it belongs to --granularity attention${named}`,
		);
	if (!blocks.attention.allowed)
		throw new InvalidOptionError(
			`--context counts time and the KV cache only of models that can lose attention parts alone, not of ${path}: ${blocks.attention.reason}. Leave it out, and measure both with prune-gguf speed (--remove, --prompt-tokens, --context)`,
		);
}

/**
 * A context of which only windows depend, since nothing is weighed by it.
 * @returns whether they do: not if their length was given
 * @throws InvalidOptionError for a context of questions
 */
export function windowsSeeContext({ metric, context, windowLength, ...options }: SeenOnly): boolean {
	if (context !== undefined && metric === "accuracy")
		throw new InvalidOptionError(
			"--context makes windows of text longer, and --metric accuracy sees its questions whole: leave --context out",
		);
	if (context !== undefined && windowLength !== undefined)
		logger(options)("note", `--context ${context} changes nothing: --window-length ${windowLength} says how long the windows are`);
	return windowLength === undefined;
}

type SeenOnly = ContextSettings & Pick<MetricSettings, "metric"> & Pick<TextSettings, "windowLength"> & JobOptions;

/** Whether attention parts are searched: blocks that are named take part as they are. */
export const searchesAttention = ({ granularity, remove }: Pick<MethodSettings, "granularity"> & { readonly remove?: unknown }): boolean =>
	granularity === "attention" && remove === undefined;

/** Whether attention parts alone are among those that are named. */
export const namesAttention = ({ remove = [] }: { readonly remove?: readonly number[] | undefined }): boolean => remove.some(isAttention);

/** Bytes of text that surely hold a token. */
const bytesOfToken = 5;

/** Tokens that the calibration texts hold together if all were as short as the shortest, as far as their sizes tell. */
async function tokensOf({ calibration = [] }: Pick<TextSettings, "calibration">): Promise<number> {
	const files = weightedFiles(calibration);
	const sizes = await Promise.all(
		files.map(({ path }) =>
			stat(path).then(
				({ size }) => size,
				() => 0,
			),
		),
	);
	if (sizes.length === 0) return Number.POSITIVE_INFINITY;
	return (Math.min(...sizes) * files.length) / bytesOfToken;
}

type Contextual = ContextSettings &
	ScoredSettings &
	Pick<TextSettings, "windows" | "windowLength" | "calibration"> &
	Pick<MethodSettings, "granularity"> & { readonly remove?: unknown };
