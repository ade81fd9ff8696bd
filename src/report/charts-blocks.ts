import * as Plot from "@observablehq/plot";
import { type Chart, color, figure, type LegendEntry, wholeTicks } from "./charts.js";
import { formatSigned, formatSignificant } from "./format.js";
import { type MeasuredPart, measuredPart } from "./halves.js";
import type { Report, ReportBlock } from "./report-data.js";
import { type Html, html, table } from "./tags.js";

/** What can become of a block: its mark, color and name. */
export const blockStates: Readonly<Record<ReportBlock["state"], LegendEntry>> = {
	removed: { glyph: "✕", color: "removed", label: "removed" },
	kept: { glyph: "■", color: "kept", label: "kept" },
	critical: { glyph: "!", color: "critical", label: "kept: critical" },
	frozen: { glyph: "⊘", color: "frozen", label: "kept: frozen" },
	attention: { glyph: "◧", color: "removed", label: "attention part kept" },
	"feed-forward": { glyph: "◨", color: "removed", label: "feed-forward part kept" },
};

/** Units of importance but nats, as titles. */
const importanceTitles: Readonly<Record<string, string>> = {
	value: "average share of the model's quality, PPL(original) / PPL(pruned)",
	"log-nats": "average share of log(1 + added nats)",
	score: "score of the method",
};

/** Bars beyond this many times the largest of the blocks that may go are cut. */
const cutAt = 1.3;

/** A block of which the method says something. */
type KnownBlock = ReportBlock & { importance: number };

/** How much each block is needed. */
export function importanceFigure(report: Report): Html {
	const { list, unit, estimator } = report.blocks;
	const known = list.filter((block): block is KnownBlock => block.importance !== undefined);
	const part = measuredPart(report);
	const alone = `nats per token that removing the ${part.what} alone adds`;
	const title = unit === "nats" ? alone : (importanceTitles[unit ?? ""] ?? "importance");
	const of = part.what === "block" ? "" : `the ${part.what}s of `;
	const chart: Chart = {
		id: "importance-chart",
		title: `Importance of each ${part.what}`,
		description: `Bars for ${of}blocks 0 to ${report.model.blocks - 1}: ${title}, with 95 % intervals where they are known. Least important: ${leastOf(known, part)}.`,
		draw: importanceDrawing(list, known, report.model.blocks),
	};
	const states = [...new Set(list.map(({ state }) => state))];
	return figure(
		chart,
		`Higher bars are more important. Unit: ${title}, estimated by ${estimator ?? "an unknown method"}. Lines are 95 % intervals if the estimator has them. Bars that are cut carry their value.`,
		states.map((state) => blockStates[state]),
		importanceTable(list, part),
	);
}

function importanceDrawing(list: readonly ReportBlock[], known: readonly KnownBlock[], blocks: number): Chart["draw"] {
	const top = topOf(known);
	const cut = known.filter(({ importance }) => importance > top);
	return (width, size) => {
		const rows = labelRows(cut, (width - marginLeft - marginRight) / (blocks + 0.2));
		const above = cut.length > 0 ? labelHeight * (1 + Math.max(0, ...rows.values())) : 0;
		return {
			height: (size === "wide" ? 260 : 220) + Math.max(0, above - labelHeight),
			marginLeft,
			marginRight,
			// Not the band scale of bars: blocks are numbers, and ticks are left out where there are many.
			x: { domain: [-0.6, blocks - 0.4], ticks: wholeTicks(blocks - 1, size === "wide" ? 31 : 13), tickFormat: String, label: "block" },
			y: { domain: [Math.min(0, ...known.map(lowOf)), top], label: null, ticks: 5, grid: true },
			marks: [...barsUpTo(top, known), ...cut.map((block) => cutLabel(block, top, rows.get(block.block)!)), stateMarks(list, above)],
			marginTop: 22 + above,
		};
	};
}

const colorOf = ({ state }: ReportBlock) => color(blockStates[state].color);

/** Bars with their intervals, cut at `top`, and the line that they stand on. */
function barsUpTo(top: number, known: readonly KnownBlock[]): Plot.Markish[] {
	return [
		Plot.rect(known, {
			x1: ({ block }) => block - 0.38,
			x2: ({ block }) => block + 0.38,
			y1: 0,
			y2: ({ importance }) => Math.min(top, importance),
			fill: colorOf,
		}),
		Plot.ruleX(
			known.filter(({ interval, importance }) => interval && importance <= top),
			{
				x: "block",
				y1: ({ interval }) => interval!.low,
				y2: ({ interval }) => Math.min(top, interval!.high),
				stroke: color("ink"),
			},
		),
		Plot.ruleY([0], { stroke: color("ink") }),
	];
}

/** The value of a bar that is cut, above it. */
function cutLabel(block: KnownBlock, top: number, row: number): Plot.Markish {
	return Plot.text([block], {
		x: "block",
		y: top,
		text: ({ importance }) => `↑ ${formatSignificant(importance, 2)}`,
		dy: -6 - labelHeight * row,
		fill: color("ink"),
	});
}

/** What became of the blocks that are not simply kept, above all labels. */
function stateMarks(list: readonly ReportBlock[], above: number): Plot.Markish {
	return Plot.text(
		list.filter(({ state }) => state !== "kept"),
		{
			x: "block",
			frameAnchor: "top",
			dy: -8 - above,
			text: ({ state }: ReportBlock) => blockStates[state].glyph,
			fill: colorOf,
			fontWeight: "bold",
		},
	);
}

function importanceTable(list: readonly ReportBlock[], { what, name }: MeasuredPart): Html {
	const rows = list.map(({ block, state, reason, importance, interval }) => [
		name(block),
		blockStates[state].label,
		importance === undefined ? "" : formatSigned(importance),
		interval ? `${formatSigned(interval.low)} to ${formatSigned(interval.high)}` : "",
		reason ?? "",
	]);
	const columns = [
		{ title: what, figures: true },
		{ title: "state" },
		{ title: "importance", figures: true },
		{ title: "95 % interval", figures: true },
		{ title: "reason" },
	];
	return table(`Importance of each ${what}`, columns, rows);
}

const lowOf = ({ importance = 0, interval }: ReportBlock) => Math.min(importance, interval?.low ?? importance);
const highOf = ({ importance = 0, interval }: ReportBlock) => Math.max(importance, interval?.high ?? importance);

const marginLeft = 52;
const marginRight = 20;
const labelHeight = 14;
const labelWidth = 44;

/**
 * Labels of neighboring bars one above the other, where they would overlap side by side.
 * @param step pixels from one block to the next
 * @returns the row of each block's label, from 0
 */
function labelRows(cut: readonly { readonly block: number }[], step: number): Map<number, number> {
	const rows = new Map<number, number>();
	const ends: number[] = [];
	for (const { block } of [...cut].sort((a, b) => a.block - b.block)) {
		const free = ends.findIndex((end) => (block - end) * step >= labelWidth);
		const row = free === -1 ? ends.length : free;
		ends[row] = block;
		rows.set(block, row);
	}
	return rows;
}

/** Critical blocks can be a hundred times dearer than the others, which would then be a flat line. */
function topOf(known: readonly ReportBlock[]): number {
	const all = Math.max(...known.map(highOf));
	const candidates = known.filter(({ state }) => state !== "critical" && state !== "frozen").map(highOf);
	const top = candidates.length > 0 ? cutAt * Math.max(...candidates) : all;
	return top > 0 && top < all ? top : Math.max(all, 1e-6);
}

function leastOf(known: readonly KnownBlock[], { what, name }: MeasuredPart): string {
	const least = [...known].sort((a, b) => a.importance - b.importance).slice(0, 4);
	return least.map(({ block, importance }) => `${what} ${name(block)} (${formatSigned(importance, 3)})`).join(", ");
}

/** The blocks in a row: what became of each, with the meaning of the marks. */
export function blockStrip(report: Report): Html {
	const { list } = report.blocks;
	const meanings = measuredPart(report).what === "block" ? stateMeanings : { ...stateMeanings, critical: criticalAttention };
	const marked = (Object.keys(blockStates) as ReportBlock["state"][]).filter(
		(state) => state !== "kept" && list.some((one) => one.state === state),
	);
	return html`<ol class="strip" start="0" aria-label="Blocks in order">
${list.map(({ block, state }) => html`<li class="${state}"><span class="number">${block}</span><span class="mark" aria-hidden="true">${state === "kept" ? "" : blockStates[state].glyph}</span><span class="unseen"> ${isHalf(state) ? meanings[state] : blockStates[state].label}</span></li>`)}
</ol>
${marked.length > 0 && html`<ul class="legend">${marked.map((state) => html`<li><span class="glyph c-${blockStates[state].color}" aria-hidden="true">${blockStates[state].glyph}</span> ${meanings[state]}</li>`)}</ul>`}
`;
}

const isHalf = (state: ReportBlock["state"]) => state === "attention" || state === "feed-forward";

const stateMeanings: Readonly<Record<ReportBlock["state"], string>> = {
	removed: "removed",
	kept: "kept",
	critical: "critical: removing it alone costs too much",
	frozen: "frozen: a rule of the architecture keeps it",
	attention: "attention part kept, feed-forward part removed",
	"feed-forward": "feed-forward part kept, attention part removed",
};

const criticalAttention = "critical: removing its attention part alone costs too much";
