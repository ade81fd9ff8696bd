import * as Plot from "@observablehq/plot";
import { type Chart, color, figure, type LegendEntry, wholeTicks } from "./charts.js";
import { formatBlocks, formatSigned, formatSignificant } from "./format.js";
import type { Report, ReportBlock, ReportInteraction } from "./report-data.js";
import { type Html, html, table } from "./tags.js";

/** What can become of a block: its mark, colour and name. */
export const blockStates: Readonly<Record<ReportBlock["state"], LegendEntry>> = {
	removed: { glyph: "✕", color: "removed", label: "removed" },
	kept: { glyph: "■", color: "kept", label: "kept" },
	critical: { glyph: "!", color: "critical", label: "kept: critical" },
	frozen: { glyph: "⊘", color: "frozen", label: "kept: never a candidate" },
};

/** Units of contributions, as titles. */
export const contributionTitles: Readonly<Record<string, string>> = {
	nats: "nats per token that removing the block alone adds",
	value: "contribution to v (share of the model's value)",
	"log-nats": "contribution to log(1 + added nats)",
	score: "score of the method",
};

/** Bars beyond this many times the largest of the blocks that may go are cut. */
const cutAt = 1.3;

/** Contributions of the blocks. */
export function contributionsFigure({ blocks: { list, unit, estimator }, model }: Report): Html {
	const known = list.filter((block): block is ReportBlock & { contribution: number } => block.contribution !== undefined);
	const title = contributionTitles[unit ?? ""] ?? "contribution";
	const top = topOf(known);
	const cut = known.filter(({ contribution }) => contribution > top);
	const chart: Chart = {
		id: "contributions",
		title: "Contribution of each block",
		description: `Bars for blocks 0 to ${model.blocks - 1}: ${title}, with 95 % intervals where they are known. Least needed: ${leastOf(known)}.`,
		draw: (width, size) => {
			const rows = labelRows(cut, (width - marginLeft - marginRight) / (model.blocks + 0.2));
			const above = cut.length > 0 ? labelHeight * (1 + Math.max(0, ...rows.values())) : 0;
			return {
				height: (size === "wide" ? 260 : 220) + Math.max(0, above - labelHeight),
				marginLeft,
				marginRight,
				// Not the band scale of bars: blocks are numbers, and ticks are left out where there are many.
				x: {
					domain: [-0.6, model.blocks - 0.4],
					ticks: wholeTicks(model.blocks - 1, size === "wide" ? 31 : 13),
					tickFormat: String,
					label: "block",
				},
				y: { domain: [Math.min(0, ...known.map(lowOf)), top], label: null, ticks: 5, grid: true },
				marks: [
					Plot.rect(known, {
						x1: ({ block }) => block - 0.38,
						x2: ({ block }) => block + 0.38,
						y1: 0,
						y2: ({ contribution }) => Math.min(top, contribution),
						fill: ({ state }) => color(blockStates[state as ReportBlock["state"]].color),
					}),
					Plot.ruleX(
						known.filter(({ interval, contribution }) => interval && contribution <= top),
						{
							x: "block",
							y1: ({ interval }) => interval!.low,
							y2: ({ interval }) => Math.min(top, interval!.high),
							stroke: color("ink"),
						},
					),
					Plot.ruleY([0], { stroke: color("ink") }),
					...cut.map((block) =>
						Plot.text([block], {
							x: "block",
							y: top,
							text: ({ contribution }) => `↑ ${formatSignificant(contribution, 2)}`,
							dy: -6 - labelHeight * rows.get(block.block)!,
							fill: color("ink"),
						}),
					),
					Plot.text(
						list.filter(({ state }) => state !== "kept"),
						{
							x: "block",
							frameAnchor: "top",
							dy: -8 - above,
							text: ({ state }) => blockStates[state as ReportBlock["state"]].glyph,
							fill: ({ state }) => color(blockStates[state as ReportBlock["state"]].color),
							fontWeight: "bold",
						},
					),
				],
				marginTop: 22 + above,
			};
		},
	};
	const rows = list.map(({ block, state, reason, contribution, interval }) => [
		`${block}`,
		blockStates[state].label,
		contribution === undefined ? "" : formatSigned(contribution),
		interval ? `${formatSigned(interval.low)} to ${formatSigned(interval.high)}` : "",
		reason ?? "",
	]);
	const columns = [
		{ title: "block", figures: true },
		{ title: "fate" },
		{ title: "contribution", figures: true },
		{ title: "95 % interval", figures: true },
		{ title: "reason" },
	];
	const states = [...new Set(list.map(({ state }) => state))];
	return figure(
		chart,
		`Upwards: ${title}, by ${estimator ?? "an unknown estimator"}; lines are 95 % intervals where the estimator has them. Bars that are cut bear their value.`,
		states.map((state) => blockStates[state]),
		table("Contribution of each block", columns, rows),
	);
}

const lowOf = ({ contribution = 0, interval }: ReportBlock) => Math.min(contribution, interval?.low ?? contribution);
const highOf = ({ contribution = 0, interval }: ReportBlock) => Math.max(contribution, interval?.high ?? contribution);

const marginLeft = 52;
const marginRight = 20;
const labelHeight = 14;
const labelWidth = 44;

/**
 * Labels of neighbouring bars one above the other, where they would overlap side by side.
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
	const candidates = known.filter(({ state }) => state === "removed" || state === "kept").map(highOf);
	const top = candidates.length > 0 ? cutAt * Math.max(...candidates) : all;
	return top > 0 && top < all ? top : Math.max(all, 1e-6);
}

function leastOf(known: readonly (ReportBlock & { contribution: number })[]): string {
	const least = [...known].sort((a, b) => a.contribution - b.contribution).slice(0, 4);
	return least.map(({ block, contribution }) => `block ${block} (${formatSigned(contribution, 3)})`).join(", ");
}

/** The blocks in a row: what became of each. */
export function blockStrip({ blocks: { list } }: Report): Html {
	return html`<ol class="strip" start="0" aria-label="Blocks in order">
${list.map(({ block, state }) => html`<li class="${state}"><span class="number">${block}</span><span class="mark" aria-hidden="true">${state === "kept" ? "" : blockStates[state].glyph}</span><span class="unseen"> ${blockStates[state].label}</span></li>`)}
</ol>
`;
}

/** Up to this many blocks the pairs are shown as a whole square. */
const mostSquare = 40;
const mostRows = 40;

/** Which blocks stand in for which. */
export function interactionsFigure(pairs: readonly ReportInteraction[], { removal, model }: Report): Html {
	const largest = Math.max(1e-9, ...pairs.map(({ value }) => Math.abs(value)));
	const involved = [...new Set(pairs.flatMap(({ blocks }) => blocks))].sort((a, b) => a - b);
	const square = involved.length <= mostSquare;
	const cells = pairs.flatMap(({ blocks: [a, b], value }) => [{ a, b, value }, ...(square ? [{ a: b, b: a, value }] : [])]);
	const gone = new Set(removal?.removed ?? []);
	const sorted = [...pairs].sort((a, b) => b.value - a.value);
	const half = mostRows / 2;
	const shown = sorted.length <= mostRows ? sorted : [...sorted.slice(0, half), ...sorted.slice(-half)];
	const nameOf = ({ blocks: [a, b], units }: ReportInteraction) =>
		units ? `${formatBlocks(units[0])} and ${formatBlocks(units[1])}` : `${a} and ${b}`;
	const describe = (pair: ReportInteraction) => `${nameOf(pair)} (${formatSigned(pair.value, 3)})`;
	const chart: Chart = {
		id: "interactions",
		title: "Which blocks stand in for which",
		description: `A square of pairs of blocks. Most stand in for one another: ${sorted.slice(0, 3).map(describe).join("; ")}. Need each other most: ${sorted.slice(-3).reverse().map(describe).join("; ")}.`,
		draw: (width, size) => {
			const ticks = involved.filter((_, i) => i % Math.ceil(involved.length / (size === "wide" ? 26 : 12)) === 0);
			return {
				height: Math.min(width, 560) + 14,
				marginLeft: 40,
				marginRight: 20,
				x: { domain: involved, ticks, tickFormat: String, label: "block", padding: 0.04 },
				y: { domain: involved, ticks, tickFormat: String, label: "block", padding: 0.04 },
				...(size === "wide" ? { marginRight: 180 } : {}),
				marks: [
					Plot.cell(cells, {
						x: "a",
						y: "b",
						fill: ({ value }) => color(value >= 0 ? "substitute" : "need"),
						fillOpacity: ({ value }) => Math.abs(value) / largest,
						stroke: ({ a, b }) => (gone.has(a) && gone.has(b) ? color("ink") : color("line")),
						strokeWidth: ({ a, b }) => (gone.has(a) && gone.has(b) ? 1.5 : 0.5),
					}),
				],
				color: { type: "identity" },
				opacity: { type: "identity" },
			};
		},
	};
	const values = pairs.map(({ value }) => value);
	const rows = shown.map((pair) => {
		const { blocks, value, standardError } = pair;
		const [a, b] = blocks;
		return [
			nameOf(pair),
			formatSigned(value, 4),
			standardError === undefined ? "" : `± ${standardError.toFixed(4)}`,
			gone.has(a) && gone.has(b) ? "both removed" : gone.has(a) ? `${a} removed` : gone.has(b) ? `${b} removed` : "",
		];
	});
	const never = others([...involved, ...pairs.flatMap(({ units }) => (units ?? []).flat())], model.blocks);
	const left = never.length > 0 ? ` Left out, since they always stay: ${formatBlocks(never)}.` : "";
	return figure(
		chart,
		`The stronger the colour, the further losing both costs more (or less) than the two alone, in log(1 + added nats), from ${formatSigned(Math.min(...values), 3)} to ${formatSigned(Math.max(...values), 3)}. By the surrogate.${gone.size > 1 ? " Framed: both are removed." : ""}${left}`,
		[
			{ glyph: "■", color: "substitute", label: "stand in for one another: losing both is dearer than the two alone" },
			{ glyph: "■", color: "need", label: "need each other: one is worth less without the other" },
		],
		table(
			shown.length < pairs.length ? `Strongest pairs (${shown.length} of ${pairs.length}; the JSON file has all)` : "Pairs of blocks",
			[{ title: "blocks" }, { title: "beyond the two alone", figures: true }, { title: "deviation", figures: true }, { title: "removed" }],
			rows,
		),
	);
}

function others(involved: readonly number[], blocks: number): number[] {
	return Array.from({ length: blocks }, (_, i) => i).filter((block) => !involved.includes(block));
}
