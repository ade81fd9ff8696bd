import { amountText } from "../notation.js";
import { curveFigure } from "./charts-curve.js";
import { detailSections } from "./html-details.js";
import { alternativesSection, contextSection, limitsSection, warningsSection } from "./html-extras.js";
import { firstScreen, verdictPanel } from "./html-first.js";
import { healSection } from "./html-heal.js";
import { styleSheet } from "./html-style.js";
import { textsSection } from "./html-texts.js";
import type { Report, ReportCurve } from "./report-data.js";
import { Html, html, type Section } from "./tags.js";

/**
 * The report as one HTML page that needs nothing else: no network, no script. Charts are SVG, each with a table of the same figures.
 * The first screen says what happened and what to do next; the rest is in the order in which fewer readers need it.
 * @returns the text of the page
 */
export function reportHtml(report: Report): string {
	const { model, removal } = report;
	const title = `${model.name}: ${removal ? `${amountText(removal.removed, model.blocks)} removed` : "which blocks to remove"}`;
	const version = report.reproduce.versions["prune-gguf"];
	const further = furtherSections(report);
	const details = detailSections(report);
	const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<meta name="generator" content="prune-gguf ${version}">
<title>${title}</title>
<style>${new Html(styleSheet)}</style>
</head>
<body>
<header>
<h1>Pruning report: <bdi>${model.name}</bdi></h1>
${verdictPanel(report)}
</header>
<main>
<div class="first${(report.quality || report.speed) && " two"}">
${firstScreen(report).map((section) => sectionHtml(section))}</div>
${contents(further, details)}
${further.map((section) => sectionHtml(section))}${detailsHtml(details)}</main>
<footer><p>Made by prune-gguf ${version}, ${report.created}. The JSON file beside this page holds every figure.</p></footer>
</body>
</html>
`;
	return page.text;
}

/** What the run has beside the first screen, for everybody who reads on. */
function furtherSections(report: Report): Section[] {
	const { curve, heal, alternatives, limits } = report;
	return [
		...(curve && isDrawn(curve) ? [{ id: "curve", title: "Quality against size", body: curveFigure(curve, report.removal) }] : []),
		...textsSection(report),
		...warningsSection(report),
		...(limits && limits.length > 0 ? [limitsSection(limits)] : []),
		...contextSection(report),
		...(heal ? [healSection(heal, report)] : []),
		...(alternatives ? [alternativesSection(alternatives)] : []),
	];
}

/** Whether a chart shows more than one point beside the original model. */
function isDrawn({ series }: ReportCurve): boolean {
	const points = series.flatMap((one) => one.points.filter(({ removed, added }) => removed.length > 0 && added !== null));
	return points.length > 1;
}

function sectionHtml({ id, title, body }: Section, level: 2 | 3 = 2): Html {
	const tag = new Html(`h${level}`);
	return html`<section aria-labelledby="${id}">
<${tag} id="${id}">${title}</${tag}>
${body}
</section>
`;
}

function contents(further: readonly Section[], details: readonly Section[]): Html {
	const items = (sections: readonly Section[]) => sections.map(({ id, title }) => html`<li><a href="#${id}">${title}</a></li>`);
	return html`<nav aria-label="More in this report">
<ul>${items(further)}<li><a href="#details">Details</a>: <ul>${items(details)}</ul></li></ul>
</nav>`;
}

/** Folded away until a reader asks. A browser opens it without a script if a link leads inside, which the title is not. */
function detailsHtml(details: readonly Section[]): Html {
	return html`<details class="details">
<summary><h2>Details</h2></summary>
<div id="details">
${details.map((section) => sectionHtml(section, 3))}</div>
</details>
`;
}
