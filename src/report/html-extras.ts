import { formatSignificant } from "./format.js";
import { limitText, measuredText } from "./gate.js";
import type { Report, ReportSpeed, ReportTextCheck } from "./report-data.js";
import { speedText } from "./summary.js";
import { html, type Section, table } from "./tags.js";

// Sections of the page that a run has only where it was asked for them.

/** Limits, and whether they were met. */
export function gateSection(gate: NonNullable<Report["limits"]>): Section {
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
export function speedPageSection({ conditions, context, figures }: ReportSpeed): Section {
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

/** Texts of both models side by side, with what is wrong with each. */
export function samplesSection(samples: NonNullable<Report["samples"]>, check: ReportTextCheck | undefined): Section {
	const shown = samples.map(({ prompt, before, after, mode, marks }, i) =>
		sideBySide(`Text ${i + 1}${mode === undefined ? "" : `, ${mode}`}`, { prompt, before, after, marks }),
	);
	return { id: "samples", title: "Text from both models", body: html`${check && checkTable(check)}${shown}` };
}

/** What the marks add up to. */
function checkTable({ conditions, texts, kinds, distinct }: ReportTextCheck) {
	const columns = [{ title: "mark" }, { title: "before", figures: true }, { title: "after", figures: true }, { title: "result" }];
	const rows = kinds.map(({ kind, before, after, worse }) => [
		kindTitles[kind],
		`${before} of ${texts}`,
		`${after} of ${texts}`,
		html`<span class="${worse ? "bad" : "good"}">${worse ? "✕ worse" : "✓ no change that counts"}</span>`,
	]);
	const percent = (share: number) => `${Math.round(100 * share)} %`;
	return html`<p>${conditions}</p>
${table("Texts that are marked", columns, [...rows, ["trigrams that are new", percent(distinct.before), percent(distinct.after), ""]])}`;
}

const kindTitles: Readonly<Record<ReportTextCheck["kinds"][number]["kind"], string>> = {
	loop: "end in a loop",
	repetition: "repeat themselves",
	script: "change their script",
	language: "change their language",
	empty: "say nothing",
};

/** Texts that the pruned model breaks on. */
export function collapseSection(collapse: NonNullable<Report["collapse"]>): Section {
	const found = collapse.map(({ kind, message, prompt, before, after }) => sideBySide(`${kind}: ${message}`, { prompt, before, after }));
	return {
		id: "collapse",
		title: "Collapse that perplexity hides",
		body: collapse.length === 0 ? html`<p>None was found.</p>` : html`${found}`,
	};
}

type Marks = NonNullable<NonNullable<Report["samples"]>[number]["marks"]>;

/** A model that writes nothing but line ends would fill the page: three empty lines or more are counted instead. JSON has the text. */
export function withoutGaps(text: string): string {
	return text.replace(/\n(?:[^\S\n]*\n){3,}/g, (gap) => `\n[${gap.split("\n").length - 2} empty lines]\n`);
}

interface TwoTexts {
	readonly prompt: string;
	readonly before: string;
	readonly after: string;
	readonly marks?: Marks | undefined;
}

function sideBySide(title: string, { prompt, before, after, marks }: TwoTexts) {
	const side = (name: string, text: string, kinds: Marks["before"] = []) =>
		html`<div><h4>${name}${kinds.map((kind) => html` <span class="bad">✕ ${kind}</span>`)}</h4><p class="text" dir="auto">${text === "" ? html`<em>(nothing)</em>` : withoutGaps(text)}</p></div>`;
	return html`<h3>${title}</h3>
<div class="prompt"><h4>Prompt</h4><p class="text" dir="auto">${prompt}</p></div>
<div class="pair">${side("Before", before, marks?.before)}${side("After", after, marks?.after)}</div>
`;
}
