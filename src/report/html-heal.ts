import { formatDifference, formatInteger, formatLoss, formatPercent } from "./format.js";
import { formatBlocks } from "../notation.js";
import { healSentence } from "./heal.js";
import { splitTitles } from "./html-origin.js";
import type { Report, ReportHeal } from "./report-data.js";
import { type Html, html, type Section, table, typographic } from "./tags.js";

const kinds: Readonly<Record<string, string>> = { refit: "whole matrix", map: "map on its output", norm: "norm behind it" };

/** What healing did, cut by cut. */
export function healSection(heal: ReportHeal, { quality }: Pick<Report, "quality">): Section {
	const cut = ({ before, removed, part, tensor, type, norm, kind, ridge, explained, change, by, reason }: ReportHeal["cuts"][number]) => [
		formatBlocks(removed),
		before === undefined ? "none" : `${before}${part === undefined ? "" : " (attention part)"}`,
		[...(tensor === undefined ? [] : [`${tensor}${type === undefined ? "" : ` (${type})`}`]), ...(norm ? [norm] : [])].join(", "),
		kind === undefined ? (reason ?? "unchanged") : `${kinds[kind] ?? kind}${norm && kind !== "norm" ? ", and the norm behind it" : ""}`,
		ridge === undefined ? "" : `${ridge}`,
		explained === undefined ? "" : formatPercent(explained, 0),
		change === undefined ? "" : `${formatDifference(change, null)}${by ? " KL" : ""}`,
	];
	return {
		id: "healing",
		title: "Healing",
		body: html`<p>${typographic(healSentence(heal, { quality }))}</p>
${table(
	"Each gap with the matrix beside it that was fitted anew, and the change of the loss or the KL divergence on the search split",
	[
		{ title: "removed" },
		{ title: "block before" },
		{ title: "matrix" },
		{ title: "fitted" },
		{ title: "ridge", figures: true },
		{ title: "recovered", figures: true },
		{ title: "change", figures: true },
	],
	heal.cuts.map(cut),
)}
${headsTable(heal.heads)}
${table(
	`Loss of the pruned model before and after healing, nats per token, with a fit on ${formatInteger(heal.tokens)} tokens`,
	[
		{ title: "split" },
		{ title: "before", figures: true },
		{ title: "after", figures: true },
		{ title: "change ± standard error", figures: true },
	],
	heal.splits.map(({ split, before, after, difference, standardError }) => [
		splitTitles[split] ?? split,
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
		"Factors of attention heads behind the gaps, from the first head on",
		[{ title: "matrix" }, { title: "of" }, { title: "factors" }],
		heads.map(({ tensor, by, factors }) => [
			tensor,
			by === "rows" ? "queries" : "outputs",
			factors.map((factor) => factor.toFixed(2)).join(" "),
		]),
	);
}
