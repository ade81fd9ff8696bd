// The verdict on a run, and what to do instead if it is poor.
import type { Speedup } from "../../api/speed.js";
import { formatDifference, formatRatio, formatSignificant } from "../../report/format.js";
import { amountsOf, amountText, askedAmount, formatBlocks, removedText } from "../../notation.js";
import type { Report, ReportCurve } from "../../report/report-data.js";
import type { MeanAndError } from "../../storage/plan-quantized.js";
import type { SpeedRatio } from "../../storage/plan-speed.js";
import { standingForSizes } from "../race/kinds.js";
import { errorOf } from "./quality.js";
import { damagingLoss, natsBesideBound, riseText, sensibleLoss, smallRise } from "../../report/trade.js";

/** What the verdict is about. */
export interface JudgedRemoval {
	readonly removed: readonly number[];
	readonly blocks: number;
	/** Whether a file was written. */
	readonly written: boolean;
	/** Whether its cuts were healed: losses are then those of the healed model. */
	readonly healed?: boolean | undefined;
	/** Whether it was not healed, and can be. */
	readonly healable?: boolean | undefined;
	/** Type that it was quantized to: losses are then those of the quantized file. */
	readonly quantized?: string | undefined;
	/** Whether quantizing clearly adds to the loss of the removal. */
	readonly quantizingCosts?: boolean | undefined;
	/** Whether the original model was quantized to the same size and measured: the report says what came of it. */
	readonly hasAlternatives?: boolean | undefined;
	/** Mean of the paired differences of losses on the held-out split, nats per token, and its standard error. */
	readonly added: number | null;
	readonly standardError: number | null;
	/** 95 % interval of that mean, the same that the figures show. @default twice the standard error on either side */
	readonly interval?: { readonly low: number; readonly high: number } | undefined;
	/** What other numbers of blocks cost. */
	readonly curve?: ReportCurve | undefined;
	/** What was measured for a target speed-up, by the number of removed blocks. */
	readonly speeds?: TargetSpeeds | undefined;
	/** What is newly wrong with the texts that the model writes. */
	readonly worseTexts?: string | undefined;
	/** Bytes that the file was asked to have at most: advice that makes it larger is no help then. */
	readonly targetSize?: number | undefined;
	/** Whether the limits that were given are met. */
	readonly limits?: "met" | "missed" | undefined;
}

/** How many times as fast the model is without so many blocks, spread over it. */
export interface TargetSpeeds {
	readonly of: Speedup;
	readonly ratios: ReadonlyMap<number, SpeedRatio>;
}

type Trade = NonNullable<Report["verdict"]["trade"]>;

/**
 * The verdict on a set that was chosen. It is sensible up to 0.1 nats per token, the bound by which a number of blocks is suggested if
 * none is given. From ln 2, a doubled perplexity, the model is damaged; between these it is costly. So is one whose sample texts are worse.
 */
export function removalVerdict(judged: JudgedRemoval): Report["verdict"] {
	const { removed, blocks, written, healed, quantized } = judged;
	const ways = [...(healed ? ["healed"] : []), ...(quantized === undefined ? [] : [`quantized to ${quantized}`])];
	const how = ways.length > 0 ? `; ${ways.join(" and ")}` : "";
	const headline = `${written ? "Removed" : "Removing"} ${amountText(removed, blocks)}: ${formatBlocks(removed)}${how}.`;
	const { trade, sentence } = judgement(judged);
	const reason = `${sentence}.${limitsSentence(trade, judged)}`;
	return { headline, trade, reason, ...(trade === "sensible" ? {} : { advice: adviceOn(judged) }) };
}

/**
 * The words of a verdict for a loss alone, such as `Costly: perplexity rises by 52 %. Up to 10.5 % counts as small`.
 * @param windows that it was measured on
 */
export function lossSentence({ mean, standardError }: MeanAndError, windows: number): string {
	const { interval } = errorOf(mean, standardError, windows);
	return judgement({ added: mean, standardError, interval }).sentence;
}

function judgement(judged: Pick<JudgedRemoval, "added" | "standardError" | "interval" | "worseTexts">): { trade: Trade; sentence: string } {
	const { added, standardError, worseTexts } = judged;
	if (added === null) return { trade: "broken", sentence: "Broken: the pruned model gives no finite loss" };
	if (added >= damagingLoss) {
		const ratio = formatRatio(Math.exp(added), standardError === null ? null : Math.exp(added) * standardError);
		const texts = worseTexts === undefined ? "" : `, and ${worseTexts}`;
		return { trade: "damaged", sentence: `Damaged: perplexity more than doubled (${ratio})${texts}` };
	}
	const isMeasured = !holdsZero(judged, added);
	const change = changeText(added, standardError, isMeasured);
	if (added > sensibleLoss) {
		const texts = worseTexts === undefined ? "" : `, and ${worseTexts}`;
		return { trade: "costly", sentence: `Costly: ${change}${texts}. Up to ${smallRise} counts as small` };
	}
	const isRise = isMeasured && added > 0;
	if (worseTexts !== undefined)
		return { trade: "costly", sentence: `Costly: ${change}${isRise ? ", which is small" : ""}, but ${worseTexts}` };
	return { trade: "sensible", sentence: `Sensible: ${change}${isRise ? `. Up to ${smallRise} counts as small` : ""}` };
}

function holdsZero({ standardError, interval }: Pick<JudgedRemoval, "standardError" | "interval">, added: number): boolean {
	const half = 2 * (standardError ?? 0);
	const { low, high } = interval ?? { low: added - half, high: added + half };
	return low <= 0 && high >= 0;
}

function changeText(added: number, standardError: number | null, isMeasured: boolean): string {
	if (!isMeasured && added <= sensibleLoss)
		return `the change in loss (${formatDifference(added, standardError)} nats per token) is within the measuring error`;
	const error = isMeasured ? "" : ", which is within the measuring error";
	return `perplexity ${added < 0 ? "falls" : "rises"} by ${riseText(added)}${error}`;
}

/** A verdict and limits that say different things are explained. */
function limitsSentence(trade: Trade, { limits }: JudgedRemoval): string {
	if (limits === "missed") return trade === "sensible" ? " But it misses a limit that you set." : " It misses a limit that you set.";
	return limits === "met" && trade !== "sensible" ? " It is within the limits that you set." : "";
}

/** What to do instead, the most telling first. */
function adviceOn(judged: JudgedRemoval): string[] {
	const { healable, quantized, quantizingCosts, hasAlternatives, added, targetSize } = judged;
	const heal = healable && added !== null ? ["--heal may recover part of the loss without training."] : [];
	if (targetSize !== undefined)
		return [
			...heal,
			`Other types of weights may cost less at this size: prune-gguf frontier MODEL --target-size ${targetSize} measures it.`,
		];
	const speeds = speedsOfFewer(judged);
	const fewer = fewerParts(judged);
	const advice = [...(fewer === undefined ? [] : [fewer]), ...(speeds === undefined ? [] : [speeds]), ...heal];
	if (quantizingCosts) advice.push(`A type with more bits than ${quantized} costs less.`);
	if (quantized === undefined && !hasAlternatives)
		advice.push("For a smaller file, quantizing may cost less: --quantized-alternatives measures it.");
	return advice;
}

/** Numbers that are named. */
const mostSpeeds = 3;

/** What fewer blocks bring of the speed that was asked for, the most blocks first. */
function speedsOfFewer({ removed, speeds }: JudgedRemoval): string | undefined {
	const fewer = [...(speeds?.ratios ?? [])].filter(([count]) => count < removed.length).sort(([a], [b]) => b - a);
	if (fewer.length === 0) return undefined;
	const texts = fewer.slice(0, mostSpeeds).map(([count, { value }]) => `x ${formatSignificant(value)} without ${count}`);
	return `Fewer blocks bring less speed: ${speeds!.of} was ${texts.join(", ")}.`;
}

type Point = ReportCurve["series"][number]["points"][number] & Pick<ReportCurve["series"][number], "split">;

/**
 * A number of blocks or attention parts that is sensible, as far as one was measured. Only the validation split gives its cost: sets are
 * chosen on the search split, perhaps by a copy of the weights, so that their cost there is too low. Undefined if it is not the removal that
 * costs.
 */
function fewerParts({ removed, curve, healed, quantized, added }: JudgedRemoval): string | undefined {
	const { what, unknown } = wordsFor(removed);
	// A type of weights, or the samples, may be what is poor.
	if (removed.length === 1)
		return quantized === undefined && (added === null || added > sensibleLoss) ? `Even this one ${what} costs too much.` : undefined;
	if (!curve || curve.metric === "accuracy") return unknown;
	const known = curve.series.flatMap(({ split, points }) => points.map((point): Point => ({ ...point, split })));
	const smaller = known.filter((point) => isLess(point.removed, removed));
	const searched = standingForSizes(smaller.filter(({ split }) => split === "search"));
	const validated = standingForSizes(smaller.filter(({ split }) => split === "validation"));
	const best = validated.find(({ added }) => added! <= sensibleLoss);
	const cost = (added: number) =>
		curve.metric === "kl" ? `the KL divergence is ${natsBesideBound(added)} nats per token` : risesBy(added);
	const stage = healed ? " before healing" : quantized === undefined ? "" : " before quantizing";
	if (best) return `Remove ${blocksText(best)}: ${cost(best.added!)} on the validation split${stage}.`;
	// Where validation found a number too dear or broken, the search has nothing to say about it or about more.
	const bound = Math.min(...smaller.filter(({ split }) => split === "validation").map((point) => point.removed.length), removed.length);
	if (searched.some((point) => point.removed.length < bound && point.added! <= sensibleLoss)) return unknown;
	const isOne = ({ removed: set }: Point) => set.length === 1;
	const one = validated.find(isOne) ?? (bound > 1 ? searched.find(isOne) : undefined);
	if (!one) return unknown;
	const none = healed ? "" : `: no number of ${what}s is cheap on this text`;
	return `Even ${askedAmount(one.removed).words.replace(/^1 /, "one ")} ${evenOne(one, curve.metric)}${stage}${none}.`;
}

/** Whether a set removes less of the same parts: an attention part is less than a block, and none takes a block's place. */
function isLess(set: readonly number[], than: readonly number[]): boolean {
	const [less, more] = [amountsOf(set), amountsOf(than)];
	return set.length > 0 && set.length < than.length && less.blocks <= more.blocks && less.attentions <= more.attentions;
}

/** What a set removes, and the advice to remove less of it where nothing is known of its cost. */
function wordsFor(removed: readonly number[]): { readonly what: string; readonly unknown: string } {
	const { blocks, attentions } = amountsOf(removed);
	const costs = "to see what each number of them costs.";
	if (attentions === 0) return { what: "block", unknown: `Remove fewer blocks. Run prune-gguf MODEL ${costs}` };
	if (blocks === 0)
		return {
			what: "attention part",
			unknown: `Remove fewer attention parts. Run prune-gguf MODEL --granularity attention ${costs}`,
		};
	return {
		what: "part",
		unknown:
			"Remove fewer blocks or attention parts. Run prune-gguf MODEL to see what each number of blocks costs, and with --granularity attention for attention parts.",
	};
}

/** Blocks are chosen on the search split, so that a cost there is the least to expect. */
function evenOne({ added, split }: Point, metric: ReportCurve["metric"]): string {
	const about = split === "search" ? "at least" : "about";
	if (metric === "kl") return `costs ${about} ${natsBesideBound(added!)} nats of KL divergence`;
	return added! >= damagingLoss ? "more than doubles perplexity" : `raises perplexity by ${about} ${riseText(added!)}`;
}

function blocksText({ removed }: Point): string {
	const { words, options } = askedAmount(removed);
	return `${words} (${options})`;
}

const risesBy = (added: number) => {
	if (added >= damagingLoss) return "perplexity more than doubles";
	return added > 0 ? `perplexity rises by ${riseText(added)}` : "perplexity does not rise";
};

/** The verdict if nothing said how much to remove. */
export function suggestionVerdict({ removed, reason }: { removed: readonly number[]; reason: string }): Report["verdict"] {
	return { headline: removed.length > 0 ? `Sensible: remove ${removedText(removed)}.` : "Sensible: remove nothing.", reason };
}
