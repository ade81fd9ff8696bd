import type { Report, ReportTextCheck } from "./report-data.js";
import { type Html, html, type Section, table } from "./tags.js";

// Text that both models wrote. All of it is a model's, so it is only ever put into the page by the template, which escapes it.

type Sample = NonNullable<Report["samples"]>[number];
type Finding = NonNullable<Report["collapse"]>[number];
type Kind = ReportTextCheck["kinds"][number]["kind"];

/** All samples but the first, which stands on the first screen, and the texts that the pruned model breaks on. */
export function textsSection({ samples = [], textCheck, collapse = [] }: Report): Section[] {
	const same = (finding: Finding, sample: Sample) =>
		finding.prompt === sample.prompt && finding.before === sample.before && finding.after === sample.after;
	const shown = samples.map((sample, i) => ({ sample, i, findings: collapse.filter((finding) => same(finding, sample)) }));
	const rest = collapse.filter((finding) => !samples.some((sample) => same(finding, sample)));
	const others = shown.filter(({ i, findings }) => i > 0 || findings.length > 0);
	if (others.length === 0 && rest.length === 0 && !textCheck) return [];
	const body = html`${textCheck && checkBody(textCheck)}
${others.map(({ sample, i, findings }) =>
	i === 0
		? html`<h3>${sampleTitle(sample, i)}</h3><p>This is the sample <a href="#sample">above</a>.</p>${findings.map(findingHtml)}`
		: html`<h3>${sampleTitle(sample, i)}</h3>${findings.map(findingHtml)}${sideBySide(undefined, sample)}`,
)}
${rest.map((finding) => html`<h3>Change of the text</h3>${findingHtml(finding)}${sideBySide(undefined, finding)}`)}`;
	return [{ id: "samples", title: "Text from both models", body }];
}

const findingHtml = ({ kind, message }: Finding) => html`<p><strong class="bad">✕ ${kind}</strong> ${message}</p>`;

/** What the marks add up to; kinds that no text bears are left out. */
function checkBody({ conditions, texts, kinds, distinct }: ReportTextCheck): Html {
	const columns = [
		{ title: "samples that" },
		{ title: "original", figures: true },
		{ title: "pruned", figures: true },
		{ title: "result" },
	];
	const rows = kinds
		.filter(({ before, after }) => before + after > 0)
		.map(({ kind, before, after, worse }) => [
			kindTitles[kind],
			`${before} of ${texts}`,
			`${after} of ${texts}`,
			html`<span class="${worse ? "bad" : "good"}">${worse ? "✕ worse" : "✓ no clear change"}</span>`,
		]);
	const percent = (share: number) => `${Math.round(100 * share)} %`;
	return html`<p>${conditions}</p>
${rows.length > 0 && table("Samples with marks", columns, rows)}
<p>New three-token pieces: ${percent(distinct.before)} in text of the original model, ${percent(distinct.after)} in text of the pruned model.</p>`;
}

const kindTitles: Readonly<Record<Kind, string>> = {
	loop: "end in a loop",
	repetition: "repeat themselves",
	script: "change their script",
	language: "change their language",
	empty: "say nothing",
};

/** A model that writes nothing but line ends would fill the page: three empty lines or more are counted instead. JSON has the text. */
export function withoutGaps(text: string): string {
	return text.replace(/\n(?:[^\S\n]*\n){3,}/g, (gap) => `\n[${gap.split("\n").length - 2} empty lines]\n`);
}

/** @param index from 0 */
export function sampleTitle({ mode }: Sample, index: number): string {
	return `Sample ${index + 1}${mode === undefined ? "" : `, ${mode}`}`;
}

interface TwoTexts {
	readonly prompt: string;
	readonly before: string;
	readonly after: string;
	readonly marks?: Sample["marks"];
}

/** @param title of the pair, if it has no heading of its own */
export function sideBySide(title: string | undefined, { prompt, before, after, marks }: TwoTexts): Html {
	const side = (name: string, text: string, kinds: readonly Kind[] = []) =>
		html`<div><p class="by">${name}${kinds.map((kind) => html` <span class="bad">✕ ${kind}</span>`)}</p><p class="text" dir="auto">${text === "" ? html`<em>(nothing)</em>` : withoutGaps(text)}</p></div>`;
	return html`<div class="sample"><div class="prompt"><p class="by">${title && `${title}: `}${title ? "prompt" : "Prompt"}</p><p class="text" dir="auto">${prompt}</p></div>
<div class="pair">${side("Original model", before, marks?.before)}${side("Pruned model", after, marks?.after)}</div></div>
`;
}
