import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import { Html, html } from "./tags.js";

// Charts are drawn as SVG when the page is written, so that the page needs no script. Observable Plot draws them into the document of
// linkedom. Colors are variables of the page's style sheet, which knows the light and the dark ones.

/** Symbols of series, and how a legend shows them. */
export const symbols = ["circle", "square", "triangle", "diamond", "star", "cross", "wye"] as const;
export const glyphs = ["●", "■", "▲", "◆", "★", "✚", "Y"] as const;

/** How wide a chart is drawn: for a screen, and once more for a phone, where text in a shrunk picture could not be read. */
const widths = { wide: 720, narrow: 340 } as const;
export type ChartWidth = keyof typeof widths;

export interface Chart {
	/** Of the page's elements. */
	readonly id: string;
	/** What a reader who does not see the chart is told. */
	readonly title: string;
	readonly description: string;
	/** @param width in pixels */
	readonly draw: (width: number, size: ChartWidth) => Plot.PlotOptions;
}

/** A mark of a legend: what is drawn, and what it means. */
export interface LegendEntry {
	readonly glyph: string;
	/** Color: a variable of the style sheet without `--`. */
	readonly color: string;
	readonly label: string;
}

/** A chart, or several of the same, with the legend, the caption and the same figures as a table. */
export function figure(charts: Chart | readonly Chart[], caption: string, legend: readonly LegendEntry[], data: Html): Html {
	return html`<figure>
${[charts].flat().map(
	(chart) => html`${svgOf(chart, "wide")}
${svgOf(chart, "narrow")}
`,
)}
${legend.length > 0 && html`<ul class="legend">${legend.map(({ glyph, color, label }) => html`<li><span class="glyph c-${color}" aria-hidden="true">${glyph}</span> ${label}</li>`)}</ul>`}
<figcaption>${caption}</figcaption>
<details><summary>The same as a table</summary>
${data}
</details>
</figure>
`;
}

function svgOf({ id, title, description, draw }: Chart, size: ChartWidth): Html {
	const { document } = parseHTML("<!doctype html><html><body></body></html>");
	const options = draw(widths[size], size);
	// linkedom's document is enough for Plot, whatever their types say.
	const svg = Plot.plot({
		...options,
		x: { labelAnchor: "center", labelArrow: "none", ...options.x },
		document: document as never,
		width: widths[size],
		className: "plot",
		marginBottom: 44,
		style: { fontSize: "12px" },
	}) as unknown as DrawnElement;
	svg.querySelector("style")?.remove();
	for (const element of svg.querySelectorAll("*")) {
		for (const { name, value } of [...element.attributes]) {
			if (name.startsWith("aria-")) element.removeAttribute(name);
			else if (/\.\d{3}/.test(value)) element.setAttribute(name, value.replace(/(\.\d\d)\d+/g, "$1"));
		}
	}
	const name = `${id}-${size}`;
	svg.setAttribute("role", "img");
	svg.setAttribute("class", `plot ${size}`);
	svg.setAttribute("aria-labelledby", `${name}-title ${name}-text`);
	const label = html`<title id="${name}-title">${title}</title><desc id="${name}-text">${description}</desc>`;
	return new Html(svg.outerHTML.replace(">", () => `>${label}`));
}

/** What is used of an element that was drawn. */
interface DrawnElement {
	readonly outerHTML: string;
	readonly attributes: Iterable<{ readonly name: string; readonly value: string }>;
	setAttribute(name: string, value: string): void;
	removeAttribute(name: string): void;
	remove(): void;
	querySelector(selector: string): DrawnElement | null;
	querySelectorAll(selector: string): Iterable<DrawnElement>;
}

/** A color of the style sheet. */
export const color = (name: string) => `var(--${name})`;

/** A label along an upright axis. */
export const besideAxis = (label: string) => ({ label, labelAnchor: "center", labelArrow: "none" }) as const;

/** Every so many whole numbers, so that their labels have room. */
export function wholeTicks(last: number, room: number, first = 0): number[] {
	const step = [1, 2, 5, 10, 20, 50, 100].find((one) => (last - first) / one <= room) ?? 200;
	return Array.from({ length: Math.floor((last - first) / step) + 1 }, (_, i) => first + i * step);
}
