import { blockStrip, contributionsFigure } from "./charts-blocks.js";
import { interactionsFigure } from "./charts-pairs.js";
import { alternativesFigure, curveFigure, forecastsFigure } from "./charts-quality.js";
import { figureText } from "./figures.js";
import { formatBlocks, formatDifference, formatInteger, formatLoss, formatPercent } from "./format.js";
import { healSection } from "./heal.js";
import { collapseSection, gateSection, samplesSection, speedPageSection } from "./html-extras.js";
import { reproduceSection, timingsSection } from "./html-origin.js";
import { styleSheet } from "./html-style.js";
import type { Report } from "./report-data.js";
import { tiedText, quantizedText } from "./summary.js";
import { Html, html, type Section, table } from "./tags.js";

/**
 * The report as one HTML page that needs nothing else: no network, no script. Charts are SVG, each with a table of the same figures.
 * @returns the text of the page
 */
export function reportHtml(report: Report): string {
	const { verdict, model } = report;
	const sections = sectionsOf(report);
	const title = `${model.name}: ${report.removal ? `${report.removal.removed.length} of ${model.blocks} blocks removed` : "what its blocks are worth"}`;
	const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="generator" content="prune-gguf ${report.reproduce.versions["prune-gguf"]}">
<title>${title}</title>
<style>${new Html(styleSheet)}</style>
</head>
<body>
<header>
<h1>Pruning report: <bdi>${model.name}</bdi></h1>
<div class="verdict ${verdict.trade}">
<p class="headline">${typographic(verdict.headline)}</p>
<p>${verdict.trade !== undefined && html`<span class="tag" aria-hidden="true">${tags[verdict.trade]}</span> `}${typographic(verdict.reason)}</p>
${report.alternatives && html`<p>${report.alternatives.verdict}</p>`}
</div>
<nav aria-label="Parts of the report"><ul>${sections.map(({ id, title: name }) => html`<li><a href="#${id}">${name}</a></li>`)}</ul></nav>
</header>
<main>
${sections.map(
	({ id, title: name, body }) => html`<section aria-labelledby="${id}">
<h2 id="${id}">${name}</h2>
${body}
</section>
`,
)}</main>
<footer><p>Made by prune-gguf ${report.reproduce.versions["prune-gguf"]}, ${report.created}. The JSON file beside this page holds every figure.</p></footer>
</body>
</html>
`;
	return page.text;
}

/** Beside the words and the color. */
const tags: Readonly<Record<NonNullable<Report["verdict"]["trade"]>, string>> = {
	sensible: "✓",
	costly: "▲",
	damaging: "✕",
	broken: "✕",
};

/** Signs that a terminal may lack. */
function typographic(text: string): string {
	return text.replaceAll(" -> ", " → ").replaceAll(/(^|[ (])x (?=\d)/g, "$1× ");
}

function sectionsOf(report: Report): Section[] {
	const { quality, curve, interactions, surrogate, alternatives, gate, heal, speed, samples, textCheck, collapse } = report;
	return [
		...(quality ? [{ id: "before-after", title: "Before and after", body: qualityBody(report, quality) }] : []),
		...(gate ? [gateSection(gate)] : []),
		...warningsSection(report),
		{ id: "blocks", title: "Blocks", body: blocksBody(report) },
		...(curve ? [{ id: "curve", title: "Quality against size", body: curveFigure(curve) }] : []),
		...(heal ? [healSection(heal)] : []),
		...(alternatives ? [{ id: "alternatives", title: "Pruning beside quantizing", body: alternativesBody(alternatives) }] : []),
		...(speed ? [speedPageSection(speed)] : []),
		...(samples ? [samplesSection(samples, textCheck)] : []),
		...(collapse ? [collapseSection(collapse)] : []),
		...(interactions?.length
			? [{ id: "pairs", title: "Which blocks stand in for which", body: interactionsFigure(interactions, report) }]
			: []),
		...(surrogate ? [{ id: "surrogate", title: "How good the surrogate was", body: surrogateBody(surrogate) }] : []),
		reproduceSection(report),
		timingsSection(report),
	];
}

const beforeAfter = [
	{ title: "before", figures: true },
	{ title: "after", figures: true },
	{ title: "change ± standard error", figures: true },
];

function qualityBody(report: Report, { text, tokens, figures, splits, sources }: NonNullable<Report["quality"]>): Html {
	const { output } = report;
	const quantized = quantizedText(report);
	const rows = figures.map((figure) => {
		const shown = figureText(figure);
		return [shown.title, shown.before, shown.after, typographic(shown.change), typographic(shown.interval)];
	});
	const split = (row: { before: number | null; after: number | null; difference: number | null; standardError: number | null }) => [
		formatLoss(row.before),
		formatLoss(row.after),
		formatDifference(row.difference, row.standardError),
	];
	return html`<p>Measured on text that took no part in the choice (held-out split: ${formatInteger(tokens)} tokens of <bdi>${text}</bdi>).</p>
${table("Before and after", [{ title: "figure" }, ...beforeAfter, { title: "95 % interval of the change", figures: true }], rows)}
${quantized && html`<p>${quantized}</p>`}
${output && html`<p>Written file <bdi>${output.name}</bdi>: ${output.verification}.</p>`}
${
	sources &&
	table(
		"Each source, as the search saw it",
		[{ title: "source" }, { title: "weight", figures: true }, ...beforeAfter],
		sources.map((source) => [source.name, `${source.weight}`, ...split(source)]),
	)
}
<details><summary>Loss on each split</summary>
${table(
	"Loss on each split, nats per token: the search split was searched, the validation split helped to decide, the held-out split did neither",
	[{ title: "split" }, ...beforeAfter],
	splits.map((row) => [row.split, ...split(row)]),
)}
</details>`;
}

function warningsSection({ warnings, disagreements }: Report): Section[] {
	const differ = disagreements.map(
		({ source, chosen, better, by, standardError, worseOverall }) =>
			`${source} would rather lose blocks ${formatBlocks(better)} than ${formatBlocks(chosen)}: by ${by.toFixed(3)} ± ${standardError.toFixed(3)} nats, at ${worseOverall.toFixed(3)} more on all sources as weighted.`,
	);
	const all = [...differ, ...warnings];
	if (all.length === 0) return [];
	return [
		{ id: "warnings", title: "Warnings and remarks", body: html`<ul class="warnings">${all.map((one) => html`<li>${one}</li>`)}</ul>` },
	];
}

function blocksBody(report: Report): Html {
	const { removal, blocks } = report;
	const reasons = blocks.list.filter(({ reason }) => reason !== undefined);
	const known = blocks.list.some(({ contribution }) => contribution !== undefined);
	return html`${removal && html`<p>Removed: <strong>${formatBlocks(removal.removed)}</strong> of 0 to ${report.model.blocks - 1}, proposed by ${removal.method}. Numbers are those of the source's tensor names.</p>`}
${removal?.race && html`<p>${raceText(removal.race, report.curve?.metric)}</p>`}
${tiedText(report) && html`<p>${tiedText(report)}</p>`}
${blockStrip(report)}
${known ? contributionsFigure(report) : html`<p>The method says nothing of single blocks.</p>`}
${reasons.length > 0 && html`<ul>${reasons.map(({ block, reason }) => html`<li>Block ${block}: ${reason}</li>`)}</ul>`}`;
}

/** By what, and on how much text, sets of the same size were compared. */
function raceText({ by, further }: NonNullable<NonNullable<Report["removal"]>["race"]>, metric: string | undefined): string {
	const measure = by === "divergence" || metric === "kl" ? "divergence from the original model" : "loss";
	const [first] = further;
	const more =
		first && `, ${first.sets} of them on up to ${further.length === 1 ? "as much" : `${further.length} times as much`} further text`;
	return `Sets of the same size were compared by their ${measure} on the validation split${more ?? ""}.`;
}

function alternativesBody(alternatives: NonNullable<Report["alternatives"]>): Html {
	const { verdict, sourceQuantized, quantizedFrom } = alternatives;
	const fair =
		quantizedFrom === undefined
			? sourceQuantized && "The source is quantized already. Quantizing it again adds errors to errors, which flatters pruning."
			: html`The other versions were quantized from <bdi>${quantizedFrom}</bdi>, and all are compared with it.`;
	return html`<p><strong>${verdict}</strong></p>
${fair && html`<p>${fair}</p>`}
${alternativesFigure(alternatives)}`;
}

const detailTitles: Readonly<Record<string, string>> = {
	r2WithinStrata: "R2 within each size",
	spearmanWithinStrata: "Spearman within each size",
	stratumMeanR2: "R2 of the mean of each size (baseline)",
	stratumMeanSpearman: "Spearman of the mean of each size (baseline)",
	criticalKeptR2: "R2 of whether every critical block is kept (baseline)",
	criticalKeptSpearman: "Spearman of whether every critical block is kept (baseline)",
	coverage90: "share of measurements that 90 % intervals held",
	spearmanOfDecisions: "Spearman on sets near the best ones",
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
				? " Its proposals were measured."
				: " It ranked sets near the best ones too badly: its proposals were not used, exact exchanges were measured instead.";
	return html`<p>${name}, fitted on ${formatInteger(trainCandidates)} masks and judged on ${formatInteger(heldOutCandidates)} that it did not see when it guessed them.${use}</p>
${table("Surrogate on unseen masks", [{ title: "figure" }, { title: "value", figures: true }], rows)}
${forecasts?.length ? forecastsFigure(forecasts) : ""}`;
}
