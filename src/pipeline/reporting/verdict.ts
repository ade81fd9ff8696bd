import { formatBlocks, formatChange, formatDifference, formatPercent, formatPerplexity, formatRatio } from "../../report/format.js";
import type { Report } from "../../report/report-data.js";
import { sensibleLoss } from "../race/curve.js";

/** What the verdict is about. */
export interface JudgedRemoval {
	readonly removed: readonly number[];
	readonly blocks: number;
	/** Whether a file was written. */
	readonly written: boolean;
	/** Whether its cuts were healed: losses are then those of the healed model. */
	readonly healed?: boolean | undefined;
	/** Type that it was quantized to: losses are then those of the quantized file. */
	readonly quantized?: string | undefined;
	readonly parameters: readonly [before: number, after: number];
	/** Losses on the held-out split, nats per token; null where not finite. */
	readonly loss: readonly [before: number | null, after: number | null];
	/** Mean of the paired differences, and its standard error. */
	readonly added: number | null;
	readonly standardError: number | null;
}

/** Added by which a model counts as damaged, nats per token: perplexity doubles. A single block that costs as much is critical. */
const damagingLoss = Math.LN2;

/**
 * The verdict on a set that was chosen. A trade is sensible up to 0.1 nats per token, the bound by which a number of blocks is suggested
 * where none is given; from ln 2, where perplexity doubles, the model is damaged; between these it is costly.
 */
export function removalVerdict({
	removed,
	blocks,
	written,
	healed,
	quantized,
	parameters,
	loss,
	added,
	standardError,
}: JudgedRemoval): Report["verdict"] {
	const ratio = added === null ? null : Math.exp(added);
	const error = ratio === null || standardError === null ? null : ratio * standardError;
	const fewer = formatChange(...parameters).replace(/^-/, "");
	const after = loss[1] === null ? "broken" : `${formatPerplexity(loss[1])} (${formatRatio(ratio, error)})`;
	const type = quantized === undefined ? "" : ` and quantized to ${quantized}`;
	const mended = healed ? ", healed" : "";
	const headline = `${written ? "Removed" : "Removing"} ${removed.length} of ${blocks} blocks (${formatBlocks(removed)})${mended}${type}: ${fewer} fewer parameters, perplexity ${formatPerplexity(loss[0])} -> ${after}.`;
	const advice = quantized === undefined ? "; if bytes are the aim, try a smaller quantization" : ", or take a type with more bits";
	return { headline, ...judged(added, standardError, `Remove fewer blocks${advice}.`) };
}

const small = `up to about ${formatPercent(Math.exp(sensibleLoss) - 1, 0)} (${sensibleLoss} nats per token)`;

function judged(added: number | null, standardError: number | null, advice: string): Pick<Report["verdict"], "trade" | "reason"> {
	if (added === null) return { trade: "broken", reason: "The pruned model gives no finite loss. Remove fewer blocks." };
	const rise = `perplexity rises by ${formatPercent(Math.exp(added) - 1, 0)}`;
	if (added <= 2 * (standardError ?? 0) && added <= sensibleLoss)
		return {
			trade: "sensible",
			reason: `A sensible trade: the change (${formatDifference(added, standardError)} nats per token) is within the error of measuring.`,
		};
	if (added <= sensibleLoss) return { trade: "sensible", reason: `A sensible trade: ${rise}; ${small} counts as small.` };
	if (added < damagingLoss)
		return {
			trade: "costly",
			reason: `A costly trade: ${rise}, where ${small} counts as small. ${advice}`,
		};
	return {
		trade: "damaging",
		reason: `Not a sensible trade: ${rise}, and from double the model counts as damaged. ${advice}`,
	};
}

/** The verdict where nothing said how much to remove. */
export function suggestionVerdict({ removed, reason }: { removed: readonly number[]; reason: string }): Report["verdict"] {
	const headline = removed.length > 0 ? `Sensible: remove blocks ${formatBlocks(removed)}.` : "Sensible: remove nothing.";
	return { headline, reason: `${reason.charAt(0).toUpperCase()}${reason.slice(1).replace(/\.$/, "")}.` };
}
