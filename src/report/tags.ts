// HTML as text, with whatever is put into it escaped.
import { escapeUnseen } from "../characters.js";

/** Text that is HTML already. */
export class Html {
	readonly text: string;

	constructor(text: string) {
		this.text = text;
	}

	toString(): string {
		return this.text;
	}
}

type Part = Html | string | number | undefined | false | readonly Part[];

/** A template whose values are escaped unless they are HTML; lists are joined, `undefined` and `false` are left out. */
export function html(strings: TemplateStringsArray, ...parts: Part[]): Html {
	return new Html(strings.reduce((sum, string, i) => sum + rendered(parts[i - 1]) + string));
}

function rendered(part: Part): string {
	if (part === undefined || part === false) return "";
	if (part instanceof Html) return part.text;
	if (typeof part === "object") return part.map(rendered).join("");
	return escapeHtml(String(part));
}

/** Halves of a character, which no file in UTF-8 can hold. */
const halves = /\p{Surrogate}/gu;

/** Text as it is shown: characters that are not seen but act, other than spaces and usual ends of lines, are shown as their code. */
export function visible(text: string): string {
	return escapeUnseen(text.replace(halves, "\uFFFD"), "\t\n\r");
}

const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

/** Text for HTML, between tags or in a quoted attribute. */
export function escapeHtml(text: string): string {
	return visible(text).replace(/[&<>"']/g, (character) => entities[character]!);
}

/** A column of a table; figures stand on the right. */
export interface TableColumn {
	readonly title: string;
	readonly figures?: boolean;
}

/** A table with a caption; the first cell of a row is its heading. Wide ones scroll by themselves. */
export function table(caption: string, columns: readonly TableColumn[], rows: readonly (readonly (string | Html)[])[]): Html {
	const head = columns.map(({ title, figures }) => html`<th scope="col"${kind(figures)}>${title}</th>`);
	const body = rows.map(
		(row) =>
			html`<tr>${row.map((cell, i) => (i === 0 ? html`<th scope="row"${kind(columns[0]?.figures)}>${cell}</th>` : html`<td${kind(columns[i]?.figures)}>${cell}</td>`))}</tr>\n`,
	);
	return html`<div class="scroll" role="group" aria-label="${caption}" tabindex="0"><table>
<caption>${caption}</caption>
<thead><tr>${head}</tr></thead>
<tbody>
${body}</tbody>
</table></div>`;
}

const kind = (figures: boolean | undefined) => figures && html` class="figure"`;

/** A part of the page that a reader can go to. */
export interface Section {
	readonly id: string;
	readonly title: string;
	readonly body: Html;
}

/** Signs that a terminal may lack. */
export function typographic(text: string): string {
	return text.replaceAll(" -> ", " → ").replaceAll(/(^|[ (])x (?=\d)/g, "$1× ");
}
