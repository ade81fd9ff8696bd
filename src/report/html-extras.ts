import { formatSignificant } from "./format.js";
import { limitText, measuredText } from "./gate.js";
import type { Section } from "./html.js";
import type { Report, ReportSpeed } from "./report-data.js";
import { speedText } from "./summary.js";
import { html, table } from "./tags.js";

// Sections of the page that a run has only where it was asked for them.

/** Limits, and whether they were met. */
export function gateSection(gate: NonNullable<Report["gate"]>): Section {
	const rows = gate.map(({ met, ...figure }) => [
		figure.name,
		limitText(figure.name, figure.limit),
		measuredText(figure),
		html`<span class="${met ? "good" : "bad"}">${met ? "✓ met" : "✕ not met"}</span>`,
	]);
	return {
		id: "gate",
		title: "Quality gate",
		body: table(
			"Limits that were given, and what was measured on text that took no part in the search",
			[{ title: "limit" }, { title: "allowed", figures: true }, { title: "measured ± standard error", figures: true }, { title: "result" }],
			rows,
		),
	};
}

/** Speed and memory before and after. */
export function speedSection({ conditions, context, figures }: ReportSpeed): Section {
	const rows = figures.map((figure) => {
		const { title, before, after, change, interval } = speedText(figure);
		return [title, `${before}${spread(figure.before)}`, `${after}${spread(figure.after)}`, change, interval];
	});
	return {
		id: "speed",
		title: "Speed and memory",
		body: html`<p>${conditions}${context !== undefined && ` The key-value cache is that of ${context} tokens.`}</p>
${table(
	"Speed and memory before and after; in brackets the least and the most of the repetitions",
	[
		{ title: "figure" },
		{ title: "before", figures: true },
		{ title: "after", figures: true },
		{ title: "change", figures: true },
		{ title: "95 % interval", figures: true },
	],
	rows,
)}`,
	};
}

function spread({ low, high }: ReportSpeed["figures"][number]["before"]): string {
	return low === undefined || high === undefined ? "" : ` (${formatSignificant(low)} to ${formatSignificant(high)})`;
}

/** Texts of both models side by side. */
export function samplesSection(samples: NonNullable<Report["samples"]>): Section {
	return {
		id: "samples",
		title: "Text from both models",
		body: html`${samples.map(({ prompt, before, after, mode }, i) => sideBySide(`Prompt ${i + 1}${mode === undefined ? "" : `, ${mode}`}`, prompt, before, after))}`,
	};
}

/** Texts that the pruned model breaks on. */
export function collapseSection(collapse: NonNullable<Report["collapse"]>): Section {
	const found = collapse.map(({ kind, message, prompt, before, after }) => sideBySide(`${kind}: ${message}`, prompt, before, after));
	return {
		id: "collapse",
		title: "Collapse that perplexity hides",
		body: collapse.length === 0 ? html`<p>None was found.</p>` : html`${found}`,
	};
}

function sideBySide(title: string, prompt: string, before: string, after: string) {
	const side = (name: string, text: string) =>
		html`<div><h4>${name}</h4><p class="text" dir="auto">${text === "" ? html`<em>(nothing)</em>` : text}</p></div>`;
	return html`<h3>${title}</h3>
<div class="prompt"><h4>Prompt</h4><p class="text" dir="auto">${prompt}</p></div>
<div class="pair">${side("Before", before)}${side("After", after)}</div>
`;
}
