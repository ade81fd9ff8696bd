import {
	formatBlocks,
	formatBlocksOf,
	formatBytes,
	formatCount,
	formatDifference,
	formatDuration,
	formatInteger,
	formatLoss,
	formatPercent,
} from "./format.js";
import type { ReportHeal } from "./report-data.js";
import { type Html, html, type Section, table } from "./tags.js";

/** What healing did, in one sentence. */
export function healSentence({ applied, tokens, addedBytes, cuts, heads = [], splits, seconds }: ReportHeal): string {
	const healed = cuts.filter(({ kind }) => kind !== undefined).length;
	const heldOut = splits.find(({ split }) => split === "heldOut");
	if (!applied) {
		const found = healed > 0 || heads.length > 0;
		return found ? "Not healed: it did not help on the validation split." : "Not healed: no cut could be healed.";
	}
	const change = heldOut
		? `: loss ${formatLoss(heldOut.before)} -> ${formatLoss(heldOut.after)} (${formatDifference(heldOut.difference, heldOut.standardError)})`
		: "";
	const scaled = heads.length === 0 ? "" : `, attention heads of ${formatBlocksOf(heads)} rescaled`;
	return `Healed ${healed} of ${cuts.length} cuts on ${formatCount(tokens)} tokens in ${formatDuration(seconds)}${scaled}${sizeText(addedBytes)}${change}.`;
}

function sizeText(addedBytes: number): string {
	if (addedBytes === 0) return "";
	return `, ${formatBytes(Math.abs(addedBytes))} ${addedBytes > 0 ? "larger" : "smaller"}`;
}

const kinds: Readonly<Record<string, string>> = { refit: "whole matrix", map: "map on what it gives", norm: "norm behind it" };

/** What healing did, cut by cut. */
export function healSection(heal: ReportHeal): Section {
	const cut = ({ before, removed, tensor, type, norm, kind, ridge, explained, change, by, reason }: ReportHeal["cuts"][number]) => [
		formatBlocks(removed),
		before === undefined ? "none" : `${before}`,
		[...(tensor === undefined ? [] : [`${tensor}${type === undefined ? "" : ` (${type})`}`]), ...(norm ? [norm] : [])].join(", "),
		kind === undefined ? (reason ?? "left alone") : `${kinds[kind] ?? kind}${norm && kind !== "norm" ? ", and the norm behind it" : ""}`,
		ridge === undefined ? "" : `${ridge}`,
		explained === undefined ? "" : formatPercent(explained, 0),
		change === undefined ? "" : `${formatDifference(change, null)}${by ? " KL" : ""}`,
	];
	return {
		id: "healing",
		title: "Healing",
		body: html`<p>${healSentence(heal)}</p>
${table(
	"Each run of removed blocks, first to last: the matrix before it was fitted to give back what the removed blocks added",
	[
		{ title: "removed" },
		{ title: "block before" },
		{ title: "matrix" },
		{ title: "what was fitted" },
		{ title: "ridge", figures: true },
		{ title: "given back", figures: true },
		{ title: "change on the search split, loss or KL", figures: true },
	],
	heal.cuts.map(cut),
)}
${headsTable(heal.heads)}
${table(
	`Loss of the pruned model before and after, nats per token; ${formatInteger(heal.tokens)} tokens were fitted to`,
	[
		{ title: "split" },
		{ title: "before", figures: true },
		{ title: "after", figures: true },
		{ title: "change ± standard error", figures: true },
	],
	heal.splits.map(({ split, before, after, difference, standardError }) => [
		split,
		formatLoss(before),
		formatLoss(after),
		formatDifference(difference, standardError),
	]),
)}`,
	};
}

function headsTable(heads: ReportHeal["heads"]): Html | undefined {
	if (!heads) return undefined;
	return table(
		"Factors of attention heads behind the cuts, from the first head on",
		[{ title: "matrix" }, { title: "of" }, { title: "factors" }],
		heads.map(({ tensor, by, factors }) => [
			tensor,
			by === "rows" ? "what they ask with" : "what they give",
			factors.map((factor) => factor.toFixed(2)).join(" "),
		]),
	);
}
