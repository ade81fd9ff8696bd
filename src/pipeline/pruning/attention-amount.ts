// How many attention parts are to go, and what that is weighed by: time and keys and values at the context that the model is used at.
import type { JobOptions } from "../../api/index.js";
import { logger } from "../../api/logger.js";
import { InvalidOptionError } from "../../errors.js";
import { removedParts } from "../../game/parts.js";
import { formatBlocks } from "../../notation.js";
import { formatSignificant } from "../../report/format.js";
import type { PartTimes } from "../../storage/plan-speed.js";
import { tellArchitecture } from "../preflight/adapters.js";
import { contextFor, namesAttention, searchesAttention, seenText } from "../preflight/context.js";
import { removableAttentions } from "../preflight/method-options.js";
import type { Header } from "../preflight/model-header.js";
import type { SizeRange } from "../preflight/target-size.js";
import {
	type AtContext,
	attentionShareOfBlock,
	attentionShareOfBytes,
	blocksWithAttention,
	canTimeParts,
	kvBytes,
	partTimesAt,
	unequalParts,
	withKeptTimes,
} from "../speed/at-context.js";
import { attempt } from "./measure-pair.js";
import { defaultWindowLength } from "../session/calibration-windows.js";
import { attentionShare, attentionsFor, attentionsRange, speedupWithout } from "../speed/part-times.js";
import { isOpen } from "../speed/settle.js";
import { uncertainText } from "../speed/target.js";
import type { AskedAmount, AttentionAmount } from "./asked-amount.js";
import type {
	AmountSettings,
	ContextSettings,
	MachineSettings,
	Settings,
	TextSettings,
	UnknownSettings,
} from "../../api/options/settings.js";

/** What a search of attention parts sees. */
type SeenJob = ContextSettings &
	Pick<TextSettings, "windows" | "windowLength"> &
	Pick<Settings<"prune">, "granularity" | "metric"> &
	JobOptions & { readonly remove?: readonly number[] | undefined };

type ContextJob = SeenJob & AmountSettings & MachineSettings & UnknownSettings & Pick<Settings<"prune">, "dryRun" | "maxTime">;

/**
 * Share of a block's time that an attention part takes, below which blocks are pointed to. Later in a text, six blocks of SmolLM2 add 0.89
 * nats, nine attention parts 0.62 and twelve 1.24 (docs/research/attention-parts.md). So 10 to 11 lose as much as six blocks, and they take as
 * long at a share of 0.57.
 */
const worthwhile = 0.55;

/** Why no speed of prompts is a target. */
export const promptAtContext =
	"target-speedup prompt:N is measured for blocks; with --granularity attention it is the generation at the context: leave prompt: out";

/** Seconds of a run that is limited in time, from which on times are measured that no target needs. */
const timedFrom = 600;

/**
 * What is known of the context: of a search of attention parts, and where a context is given for parts that are named. Named attention
 * parts without one have their keys and values counted, which needs no measuring.
 * @throws InvalidOptionError, and the errors of loading and measuring
 */
async function atContext(header: Header, job: ContextJob): Promise<AtContext | undefined> {
	const timed = searchesAttention(job) || (job.remove !== undefined && job.context !== undefined);
	if (!timed && !namesAttention(job)) return undefined;
	const context = contextFor(header, job);
	const spared = job.dryRun || !isTimed(job);
	const measured = timed && (job.targetSpeedup !== undefined || (!spared && canTimeParts(header)));
	const times = () => partTimesAt(header, context, job);
	// What only informs ends no run.
	const tried = () => attempt("the times at the context were", job, times, undefined);
	const parts = !measured ? {} : job.targetSpeedup === undefined ? await tried() : await times();
	return { context, kv: kvBytes(header, context), ...parts, ...seenOf(context, job) };
}

/** Whether the limit of time holds the measuring of times that no target needs. */
const isTimed = ({ maxTime = Number.POSITIVE_INFINITY }: Pick<ContextJob, "maxTime">) => maxTime >= timedFrom;

/** What a search of attention parts sees of its text. Questions are seen whole, whatever the windows of the text are. */
const seenOf = (context: number, job: SeenJob): Pick<AtContext, "seen"> =>
	searchesAttention(job) && job.metric !== "accuracy" ? { seen: seenText(context, job) } : {};

/** The same where nothing is weighed by time or keys and values; undefined if no attention parts are searched. It says what is seen. */
export function toldSeen(header: Header, job: SeenJob): Pick<AtContext, "context" | "seen"> | undefined {
	if (!searchesAttention(job)) return undefined;
	const context = contextFor(header, job);
	const seen = { context, ...seenOf(context, job) };
	tellContext(header, seen, job);
	return seen;
}

/**
 * How much of a model's attention is to go, as far as nothing must be measured for it.
 * @returns what needs no number stays as it is; undefined for a speed-up
 * @throws InvalidOptionError for an amount of something else, or one that cannot be reached
 */
export function attentionAmount(header: Header, asked: AskedAmount, options: ContextJob): AttentionAmount | "gate" | "curve" | undefined {
	if (asked === "gate" || asked === "curve") return asked;
	if ("attentions" in asked) {
		const { attentions, blocks = 0 } = asked;
		// Blocks that have none take none with them.
		const taken = Math.max(0, blocks - (header.blocks.blocks - blocksWithParts(header).length));
		const theirs = taken === blocks ? ", which take theirs with them" : `, of which at least ${taken} take theirs with them`;
		const beside = blocks > 0 ? ` beside ${blocks} ${blocks === 1 ? "block" : "blocks"}${taken > 0 ? theirs : ""}` : "";
		const what = `${attentions} ${attentions === 1 ? "attention part" : "attention parts"} cannot be removed${beside}`;
		checkAttentions(header, attentions + taken, { what, advice: lessOf(header, { blocks, taken }) });
		return asked;
	}
	if ("kv" in asked) {
		const kv = kvBytes(header, contextFor(header, options));
		const range = rangeForKv(kv, removableAttentions(header.blocks), asked.kv);
		const [attentions = Number.POSITIVE_INFINITY] = range.counts;
		const what = `a KV cache of ${Number((100 * asked.kv).toPrecision(4))} % cannot be reached`;
		checkAttentions(header, attentions, { what, advice: largerShare(header, kv) });
		return { attentions, range };
	}
	if ("speedup" in asked) {
		if (options.speedupOf === "prompt") throw new InvalidOptionError(promptAtContext);
		return undefined;
	}
	if ("size" in asked) throw new InvalidOptionError(`${attentionSizeText(header)}, or give --remove-attention N`);
	throw new InvalidOptionError(
		`remove-blocks counts blocks, which --granularity attention does not remove: say how many attention parts with --remove-attention`,
	);
}

/**
 * As many attention parts as a speed-up needs by what was measured; all that can go if only sets with blocks reach it.
 * @param alone whether no sets with blocks are searched
 * @throws InvalidOptionError for one that cannot be reached
 */
export function attentionsForSpeedup(header: Header, speedup: number, { times, kv, context }: AtContext, alone: boolean): AttentionAmount {
	const needed = attentionsFor(times!, speedup, { blocks: attending(kv) });
	const free = removableAttentions(header.blocks).length;
	const target = `target-speedup ${speedup} cannot be reached at a context of ${context}`;
	const fastest = (feedForward: number) => speedupWithout(times!, { attention: free, feedForward });
	const asFast = (speed: number) => `generation at a context of ${context} is ${formatSignificant(speed)} times as fast`;
	const most = fastest(header.blocks.maxRemovable);
	if (needed > free && most < speedup - 1e-9)
		throw new InvalidOptionError(`${target}: without all attention parts and blocks that can go ${asFast(most)}. Give a smaller one`);
	if (alone) {
		const more = `, with which ${asFast(fastest(0))}`;
		const withBlocks = "Leave out --max-time, with which no candidates of attention parts and blocks are searched. Or: ";
		const advice = `${withBlocks}${moreThanAttention(header)}`;
		checkAttentions(header, needed, { what: `${target} by attention parts alone`, more, advice });
	}
	return { attentions: Math.max(1, Math.min(needed, free)), time: timeFor(times!, speedup, kv) };
}

/** Blocks with attention. */
const attending = (kv: readonly number[]): number => kv.filter((bytes) => bytes > 0).length;

/** Warns of a number of attention parts that the repetitions of the measurement leave open, by the rule for blocks. */
export function warnUncertain({ blocks }: Header, target: number, { turns, keptIn, kv }: AtContext, options: JobOptions): void {
	if (!turns || !keptIn) return;
	const most = removableAttentions(blocks).length;
	const range = attentionsRange(turns, target, { blocks: attending(kv), most });
	if (!isOpen([...Array(most + 1).keys()], range)) return;
	const known = `the number of attention parts for target-speedup ${target} is uncertain: repetitions of the measurement differ`;
	logger(options)("warning", uncertainText(known, { of: "attention parts", range, path: keptIn, option: "--remove-attention" }));
}

/** Blocks with an attention part that could be removed by itself: those with linear attention have none. */
function blocksWithParts(header: Header): number[] {
	return [...blocksWithAttention(header)].filter((block) => !header.blocks.withoutAttention.includes(block));
}

/** What to say where a model cannot lose as many attention parts. */
interface TooManyAttentions {
	readonly what: string;
	/** What else is known of the largest number. */
	readonly more?: string;
	readonly advice: string;
}

/** @throws InvalidOptionError with the largest number and what keeps the others, where the model cannot lose that many attention parts */
function checkAttentions(header: Header, count: number, { what, more = "", advice }: TooManyAttentions): void {
	const { blocks: plan } = header;
	const free = removableAttentions(plan);
	if (count <= free.length) return;
	const own = blocksWithParts(header);
	const stays = own.filter((block) => !free.includes(block)).map((block) => block + 0.25);
	const [first] = stays;
	const why = first === undefined ? "" : `, all but ${formatBlocks(stays)} (${plan.check([first])})`;
	throw new InvalidOptionError(`${what}: at most ${free.length} of ${own.length} attention parts can go${why}${more}. ${advice}`);
}

/** The largest number of attention parts beside so many blocks, as it is asked for. @param beside blocks, and attention parts that they take */
function lessOf({ blocks }: Header, beside: { readonly blocks: number; readonly taken: number }): string {
	const most = removableAttentions(blocks).length - beside.taken;
	if (most >= 1) return `Give --remove-attention ${most} or less${beside.taken === 0 ? "" : `, or fewer blocks`}.`;
	return beside.taken === 0 ? blocksInstead : "Give fewer blocks.";
}

/** What to do where no attention part can go. */
const blocksInstead = "Remove blocks instead, with -n N.";

/** The smallest share of the KV cache that can be left, as it is asked for. */
function largerShare({ blocks }: Header, kv: readonly number[]): string {
	const all = sum(kv);
	const least = Math.ceil((100 * (all - sum(removableAttentions(blocks).map((block) => kv[block]!)))) / all - 1e-9);
	return least < 100 ? `Give --target-kv ${least}% or more.` : blocksInstead;
}

/** What reaches more than attention parts alone do. */
const moreThanAttention = ({ blocks: { parts } }: Header): string =>
	`Give -n N --remove-attention M for blocks beside them, or --granularity ${parts.allowed ? "half-block" : "block"} for a speed-up without them.`;

/** What sets of any parts must save, and which do. */
function timeFor(times: PartTimes, target: number, kv: readonly number[]): NonNullable<AttentionAmount["time"]> {
	const { model, attention, feedForward } = times;
	const attends = (block: number) => kv[block]! > 0;
	const reaches = (removed: readonly number[]) => {
		const parts = removedParts(removed);
		const attention = parts.attention.filter(attends).length;
		const counts = { attention, feedForward: parts.feedForward.length };
		return speedupWithout(times, counts) >= target - 1e-9;
	};
	return { seconds: { attention, feedForward, attends }, save: model * (1 - 1 / target), reaches };
}

/** Why a size is none of attention parts. */
export function attentionSizeText(header: Header): string {
	const share = Math.round(100 * attentionShareOfBytes(header));
	return `a size is better reached with blocks: attention parts hold ${share} % of the bytes of this model's blocks. Leave out --granularity attention`;
}

const sum = (bytes: readonly number[]): number => bytes.reduce((all, some) => all + some, 0);

/** Attention parts without which so much of the keys and values is left: blocks may have different numbers of heads. */
function rangeForKv(kv: readonly number[], free: readonly number[], share: number): SizeRange {
	const missing = (1 - share) * sum(kv) - 1e-9;
	const ascending = free.map((block) => kv[block]!).sort((a, b) => a - b);
	const counts = ascending.map((_, i) => i + 1);
	const fewest = counts.find((count) => sum(ascending.slice(-count)) >= missing);
	// Any set of as many leaves no more.
	const certain = counts.find((count) => sum(ascending.slice(0, count)) >= missing);
	return {
		counts: counts.filter((count) => count >= (fewest ?? Number.POSITIVE_INFINITY) && count <= certain!),
		reaches: (removed) => sum(removedParts(removed).attention.map((block) => kv[block]!)) >= missing,
	};
}

/**
 * {@link atContext}, with the times that an earlier run measured if this one spares them. It says what that means for the choice, and which
 * adapters the file will not take.
 * @throws InvalidOptionError, and the errors of loading and measuring
 */
export async function toldContext(header: Header, job: ContextJob): Promise<AtContext | undefined> {
	tellArchitecture(header, job);
	const weighed = await atContext(header, job);
	const at = weighed && (await withKeptTimes(header, weighed, job));
	if (at) tellContext(header, at, job);
	if (at && !at.times && job.dryRun && searchesAttention(job) && canTimeParts(header) && isTimed(job))
		logger(job)("note", `not counted: the run measures the time at the context first, which may take a minute`);
	return at;
}

/** Says what a search or the figures of named attention parts see, and where blocks are the better choice, with this model's figures. */
function tellContext(
	header: Header,
	{ context, times, seen }: Omit<AtContext, "kv">,
	options: SeenJob & Pick<AmountSettings, "targetKv">,
): void {
	const log = logger(options);
	if (seen && seen.windowLength < context)
		log(
			"note",
			`the search sees ${seen.windows} windows of ${seen.windowLength} tokens, and scores positions from ${seen.scoreFrom} on, of a context of ${context}; --window-length sees more, and takes as much longer`,
		);
	const named = namesAttention(options);
	const { windowLength = defaultWindowLength } = options;
	if (named && windowLength < context)
		log(
			"note",
			`losses are of windows of ${windowLength} tokens, at all positions, beside a context of ${context}. Attention matters more later in a text: --window-length sees more, and --remove-attention N chooses by later positions`,
		);
	if (!times) return;
	const differ = unequalParts(header);
	if (differ !== undefined)
		log(
			"note",
			`times are those of an average part, but parts of this model differ in size: ${differ}. So the time of a candidate is approximate; prune-gguf speed compares two files`,
		);
	const share = attentionShare(times);
	const per = share > 0 ? `${formatSignificant(1 / share)} of them take as long as a block` : "they take next to no time";
	const of = `at a context of ${context} an attention part takes ${Math.round(100 * share)} % of a block's time: ${per}`;
	// Whoever wants a smaller KV cache is not served better by blocks.
	if (share >= worthwhile || options.targetKv !== undefined || !(named || searchesAttention(options))) log("note", of);
	else
		log(
			"warning",
			`${of}, and each holds ${Math.round(100 * attentionShareOfBlock(header))} % of its bytes. At such a context blocks or half-block cuts cost less for the same speed: prune-gguf MODEL OUTPUT -n N removes them`,
		);
}
