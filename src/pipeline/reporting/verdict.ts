// The verdict on a run, and what to do instead if it is poor.
import { formatBlocks, formatDifference, formatRatio } from "../../report/format.js";
import type { Report, ReportCurve } from "../../report/report-data.js";
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
	/** Whether the original model was quantized to the same size and measured: the report says what came of it. */
	readonly hasAlternatives?: boolean | undefined;
	/** Mean of the paired differences of losses on the held-out split, nats per token, and its standard error. */
	readonly added: number | null;
	readonly standardError: number | null;
	/** What other numbers of blocks cost. */
	readonly curve?: ReportCurve | undefined;
	/** What is newly wrong with the texts that the model writes. */
	readonly worseTexts?: string | undefined;
	/** Whether the limits that were given are met. */
	readonly limits?: "met" | "missed" | undefined;
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
	const headline = `${written ? "Removed" : "Removing"} ${removed.length} of ${blocks} blocks: ${formatBlocks(removed)}${how}.`;
	const { trade, sentence } = judgement(judged);
	const reason = `${sentence}.${limitsSentence(trade, judged)}`;
	return { headline, trade, reason, ...(trade === "sensible" ? {} : { advice: adviceOn(judged) }) };
}

function judgement({ added, standardError, worseTexts }: JudgedRemoval): { trade: Trade; sentence: string } {
	if (added === null) return { trade: "broken", sentence: "Broken: the pruned model gives no finite loss" };
	if (added >= damagingLoss) {
		const ratio = formatRatio(Math.exp(added), standardError === null ? null : Math.exp(added) * standardError);
		const texts = worseTexts === undefined ? "" : `, and ${worseTexts}`;
		return { trade: "damaging", sentence: `Damaged: perplexity more than doubled (${ratio})${texts}` };
	}
	const change = changeText(added, standardError);
	if (added > sensibleLoss) {
		const texts = worseTexts === undefined ? "" : `, and ${worseTexts}`;
		return { trade: "costly", sentence: `Costly: ${change}${texts}. Up to ${smallRise} counts as small` };
	}
	if (worseTexts !== undefined) return { trade: "costly", sentence: `Costly: ${change}, which is small, but ${worseTexts}` };
	const small = added > 2 * (standardError ?? 0) ? `. Up to ${smallRise} counts as small` : "";
	return { trade: "sensible", sentence: `Sensible: ${change}${small}` };
}

function changeText(added: number, standardError: number | null): string {
	if (Math.abs(added) <= 2 * (standardError ?? 0) && added <= sensibleLoss)
		return `the change in loss (${formatDifference(added, standardError)} nats per token) is within the measuring error`;
	return `perplexity ${added < 0 ? "falls" : "rises"} by ${riseText(added)}`;
}

/** A verdict and limits that say different things are explained. */
function limitsSentence(trade: Trade, { limits }: JudgedRemoval): string {
	if (limits === "missed") return trade === "sensible" ? " But it misses a limit that you set." : " It misses a limit that you set.";
	return limits === "met" && trade !== "sensible" ? " It is within the limits that you set." : "";
}

/** What to do instead, the most telling first. */
function adviceOn(judged: JudgedRemoval): string[] {
	const { healable, quantized, hasAlternatives, added } = judged;
	const advice = [fewerBlocks(judged)];
	if (healable && added !== null) advice.push("--heal recovers part of the loss without training.");
	if (quantized !== undefined) advice.push(`A type with more bits than ${quantized} costs less.`);
	else if (!hasAlternatives) advice.push("For a smaller file, quantizing may cost less: --quantized-alternatives measures it.");
	return advice;
}

type Point = ReportCurve["series"][number]["points"][number] & Pick<ReportCurve["series"][number], "split">;

/** A number of blocks that is sensible, as far as one was measured. */
function fewerBlocks({ removed, curve, healed, quantized }: JudgedRemoval): string {
	const unknown = "Remove fewer blocks: prune-gguf with a model only shows what each number of them costs.";
	if (!curve || curve.metric === "accuracy") return unknown;
	const known = curve.series.flatMap(({ split, points }) => points.map((point): Point => ({ ...point, split })));
	const fewer = known.filter((point) => point.removed.length > 0 && point.removed.length < removed.length && point.added !== null);
	const [best] = fewer.filter(({ added }) => added! <= sensibleLoss).sort(moreBlocksFirst);
	const cost = (added: number) =>
		curve.metric === "kl" ? `the KL divergence is ${natsBesideBound(added)} nats per token` : risesBy(added);
	if (best) {
		const before = healed ? " before healing" : quantized === undefined ? "" : " before quantizing";
		const count = best.removed.length;
		// Sets are chosen on the search split, so that their loss on it is a little low.
		const more = best.split === "search" ? ", possibly more on other text" : "";
		return `Remove ${count} block${count === 1 ? "" : "s"} (-n ${count}): ${cost(best.added!)} on the ${best.split} split${before}${more}.`;
	}
	const [one] = fewer.filter((point) => point.removed.length === 1).sort((a, b) => a.added! - b.added!);
	if (!one) return unknown;
	return `No number of blocks is a small change: without block ${one.removed[0]} alone ${cost(one.added!)} on the ${one.split} split.`;
}

const risesBy = (added: number) => {
	if (added >= damagingLoss) return "perplexity more than doubles";
	return added > 0 ? `perplexity rises by ${riseText(added)}` : "perplexity does not rise";
};

/** For one number of blocks the validation split counts more than the search split, on which sets were chosen. */
function moreBlocksFirst(a: Point, b: Point): number {
	const onSearch = ({ split }: Point) => Number(split === "search");
	return b.removed.length - a.removed.length || onSearch(a) - onSearch(b) || a.added! - b.added!;
}

/** The verdict if nothing said how much to remove. */
export function suggestionVerdict({ removed, reason }: { removed: readonly number[]; reason: string }): Report["verdict"] {
	const blocks = `block${removed.length === 1 ? "" : "s"} ${formatBlocks(removed)}`;
	return { headline: removed.length > 0 ? `Sensible: remove ${blocks}.` : "Sensible: remove nothing.", reason };
}
