import { importanceFigure } from "./charts-blocks.js";
import { interactionsFigure } from "./charts-pairs.js";
import { shiftedPairsFigure } from "./charts-shifted.js";
import { predictionsFigure } from "./charts-quality.js";
import { speedText } from "./figures.js";
import { formatDifference, formatInteger, formatLoss, formatPercent, formatSignificant } from "./format.js";
import { measuredPart } from "./halves.js";
import { reproductionSection, splitTitles, timesSection } from "./html-origin.js";
import type { Report, ReportSpeed } from "./report-data.js";
import { type Html, html, type Section, type TableColumn, table, typographic } from "./tags.js";

// The part of the page for those who want to know why, or to check the run.

/** The details that a report has. */
export function detailSections(report: Report): Section[] {
	const { interactions, surrogate, quality, speed, notes = [] } = report;
	const { what } = measuredPart(report);
	return [
		...importanceSection(report),
		...(interactions && interactions.length > 0
			? [{ id: "redundant", title: `Redundant ${what}s`, body: interactionsFigure(interactions, report) }]
			: []),
		...(surrogate ? [{ id: "surrogate", title: "Surrogate", body: surrogateBody(surrogate) }] : []),
		...(quality
			? [
					{
						id: "splits",
						title: "Splits",
						body: splitsBody(quality, { isHealed: report.heal?.applied ?? false, isSearched: isSearched(report) }),
					},
				]
			: []),
		...(speed ? [{ id: "speed", title: "Speed and memory", body: speedBody(speed) }] : []),
		...(notes.length > 0 ? [{ id: "notes", title: "Notes", body: html`<ul>${notes.map((note) => html`<li>${note}</li>`)}</ul>` }] : []),
		reproductionSection(report),
		timesSection(report),
	];
}

/** What blocks are worth, or at least why some of them always stay. */
function importanceSection(report: Report): Section[] {
	const { list, shiftedPairs = [] } = report.blocks;
	const pairs = shiftedPairs.length > 0 && shiftedPairsFigure(shiftedPairs, report);
	if (list.some(({ importance }) => importance !== undefined))
		return [{ id: "importance", title: `Importance of ${measuredPart(report).what}s`, body: html`${importanceFigure(report)}${pairs}` }];
	const stay = list.filter(({ reason }) => reason !== undefined);
	if (stay.length === 0) return [];
	const body = html`<ul>${stay.map(({ block, reason }) => html`<li>Block ${block}: ${reason}</li>`)}</ul>`;
	return [{ id: "importance", title: "Blocks that stay", body }];
}

const detailTitles: Readonly<Record<string, string>> = {
	r2WithinStrata: "R2 within each size",
	spearmanWithinStrata: "Spearman within each size",
	stratumMeanR2: "R2 of the mean of each size (baseline)",
	stratumMeanSpearman: "Spearman of the mean of each size (baseline)",
	criticalKeptR2: "R2 of whether every critical block is kept (baseline)",
	criticalKeptSpearman: "Spearman of whether every critical block is kept (baseline)",
	coverage90: "share of 90 % intervals that hold the measurement",
	spearmanOfDecisions: "Spearman on candidates near the best ones",
};

function surrogateBody({
	name,
	trainCandidates,
	heldOutCandidates,
	r2,
	spearman,
	details,
	trusted,
	forecasts,
}: NonNullable<Report["surrogate"]>): Html {
	const shown = (value: number | null) => (value === null ? "unknown" : value.toFixed(2));
	const rows = [
		["R2", shown(r2)],
		["Spearman", shown(spearman)],
		...Object.entries(details).map(([key, value]) => [
			detailTitles[key] ?? key,
			key === "coverage90" && value !== null ? formatPercent(value, 0) : shown(value),
		]),
	];
	const use =
		trusted === undefined
			? ""
			: trusted
				? " The candidates that it proposed were measured."
				: " It ranked candidates near the best ones badly, so its proposals were not used. Exact exchanges of blocks were measured instead.";
	return html`<p>The surrogate (${name}) was fitted on ${formatInteger(trainCandidates)} candidates and judged on ${formatInteger(heldOutCandidates)} others, which it predicted before it saw them.${use}</p>
${table("The surrogate on candidates that it had not seen", [{ title: "figure" }, { title: "value", figures: true }], rows)}
${forecasts && forecasts.length > 0 && predictionsFigure(forecasts)}`;
}

const columnsOf = (first: string): TableColumn[] => [
	{ title: first },
	{ title: "original", figures: true },
	{ title: "pruned", figures: true },
	{ title: "change ± standard error", figures: true },
];

/** Blocks that were named are not searched for: then no method is in the options. */
function isSearched({ reproduce: { options } }: Report): boolean {
	return (options.search as { readonly method?: unknown } | undefined)?.method !== undefined;
}

function splitsBody(
	{ splits, sources, quantized }: NonNullable<Report["quality"]>,
	{ isHealed, isSearched }: { readonly isHealed: boolean; readonly isSearched: boolean },
): Html {
	const later = [...(isHealed ? ["healing"] : []), ...(quantized ? ["quantizing"] : [])];
	const before = later.length > 0 ? `, before ${later.join(" and ")}` : "";
	const losses = (row: { before: number | null; after: number | null; difference: number | null; standardError: number | null }) => [
		formatLoss(row.before),
		formatLoss(row.after),
		formatDifference(row.difference, row.standardError),
	];
	return html`<p>${isSearched && "The search split was searched, and the validation split helped to decide. The held-out split did neither. "}These losses are those of the removal alone${before}.</p>
${table(
	"Loss on each split, nats per token",
	columnsOf("split"),
	splits.map((row) => [splitTitles[row.split] ?? row.split, ...losses(row)]),
)}
${
	sources &&
	sources.length > 0 &&
	table(
		`Each calibration text on the held-out split, in the metric of the run${before}`,
		[columnsOf("text")[0]!, { title: "weight", figures: true }, ...columnsOf("text").slice(1)],
		sources.map((source) => [source.name, `${source.weight}`, ...losses(source)]),
	)
}`;
}

/** Everything that was measured, with the spread of the repetitions. */
function speedBody({ conditions, context, figures }: ReportSpeed): Html {
	const rows = figures.map((figure) => {
		const { title, before, after, change, interval } = speedText(figure);
		return [title, `${before}${spread(figure.before)}`, `${after}${spread(figure.after)}`, typographic(change), typographic(interval)];
	});
	const columns: TableColumn[] = [
		...columnsOf("figure").slice(0, 3),
		{ title: "change", figures: true },
		{ title: "95 % interval", figures: true },
	];
	return html`<p>${conditions}${context !== undefined && ` The KV cache is that of ${formatInteger(context)} tokens.`}</p>
${table("Speed and memory, with the lowest and the highest value of the repetitions in brackets", columns, rows)}`;
}

function spread({ low, high }: ReportSpeed["figures"][number]["before"]): string {
	return low === undefined || high === undefined ? "" : ` (${formatSignificant(low)} to ${formatSignificant(high)})`;
}
