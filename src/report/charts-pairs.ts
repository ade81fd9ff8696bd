import * as Plot from "@observablehq/plot";
import { type Chart, color, figure } from "./charts.js";
import { formatSigned } from "./format.js";
import { formatBlocks } from "../notation.js";
import { type MeasuredPart, measuredPart } from "./halves.js";
import type { Report, ReportInteraction } from "./report-data.js";
import { type Html, table } from "./tags.js";

/** Up to this many blocks the pairs are shown as a whole square. */
const mostSquare = 40;
const mostRows = 40;

/** Pairs of blocks or attention parts that are redundant, and pairs that need each other. */
export function interactionsFigure(pairs: readonly ReportInteraction[], report: Report): Html {
	const { model } = report;
	const part = measuredPart(report);
	const involved = [...new Set(pairs.flatMap(({ blocks }) => blocks))].sort((a, b) => a - b);
	const gone = goneOf(report, part);
	const sorted = [...pairs].sort((a, b) => b.value - a.value);
	const describe = (pair: ReportInteraction) => `${nameOf(pair, part)} (${formatSigned(pair.value, 3)})`;
	const chart: Chart = {
		id: "interactions",
		title: `Redundant ${part.what}s`,
		description: `A square of pairs of ${part.what}s. Most redundant: ${sorted.slice(0, 3).map(describe).join("; ")}. Pairs that need each other most: ${sorted.slice(-3).reverse().map(describe).join("; ")}.`,
		draw: pairsDrawing(pairs, involved, gone),
	};
	const values = pairs.map(({ value }) => value);
	return figure(
		chart,
		`The color shows what removing both costs beyond the two alone, in log(1 + added nats), as the surrogate sees it. It goes from ${formatSigned(Math.min(...values), 3)} to ${formatSigned(Math.max(...values), 3)}.${gone.size > 1 ? " Framed pairs are both removed." : ""}${leftText(pairs, model.blocks, part)}`,
		[
			{ glyph: "■", color: "substitute", label: "redundant: remove one of them, not both" },
			{ glyph: "■", color: "need", label: "need each other: one is worth less without the other" },
		],
		strongestTable(sorted, gone, part),
	);
}

/** Blocks that are removed, or whose attention part is. */
function goneOf({ removal, blocks: { list } }: Report, { what }: MeasuredPart): ReadonlySet<number> {
	if (what === "block") return new Set((removal?.removed ?? []).filter(Number.isInteger));
	return new Set(list.flatMap(({ block, state }) => (state === "removed" || state === "feed-forward" ? [block] : [])));
}

/** What is in no pair, since no candidate removes it. */
function leftText(pairs: readonly ReportInteraction[], blocks: number, { what, name }: MeasuredPart): string {
	const never = others(
		pairs.flatMap(({ blocks: two, units }) => [...two, ...(units ?? []).flat()]),
		blocks,
	);
	if (never.length === 0) return "";
	if (what === "block") return ` Blocks ${formatBlocks(never)} always stay and are left out.`;
	// Those of blocks that are removed beside attention parts are in no pair either.
	return ` The search decides on all but ${never.map(name).join(", ")}.`;
}

function pairsDrawing(pairs: readonly ReportInteraction[], involved: readonly number[], gone: ReadonlySet<number>): Chart["draw"] {
	const largest = Math.max(1e-9, ...pairs.map(({ value }) => Math.abs(value)));
	const square = involved.length <= mostSquare;
	const cells = pairs.flatMap(({ blocks: [a, b], value }) => [{ a, b, value }, ...(square ? [{ a: b, b: a, value }] : [])]);
	return (width, size) => {
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
	};
}

/** @param sorted all pairs, the most redundant first */
function strongestTable(sorted: readonly ReportInteraction[], gone: ReadonlySet<number>, part: MeasuredPart): Html {
	const { what, name } = part;
	const state = (a: number, b: number) => {
		if (gone.has(a) && gone.has(b)) return "both removed";
		return gone.has(a) ? `${name(a)} removed` : gone.has(b) ? `${name(b)} removed` : "";
	};
	const half = mostRows / 2;
	const shown = sorted.length <= mostRows ? sorted : [...sorted.slice(0, half), ...sorted.slice(-half)];
	const rows = shown.map((pair) => {
		const { blocks, value, standardError } = pair;
		const [a, b] = blocks;
		return [nameOf(pair, part), formatSigned(value, 4), standardError === undefined ? "" : `± ${standardError.toFixed(4)}`, state(a, b)];
	});
	return table(
		shown.length < sorted.length ? `Strongest pairs (${shown.length} of ${sorted.length}; the JSON file has all)` : `Pairs of ${what}s`,
		[
			{ title: `${what}s` },
			{ title: "beyond the two alone", figures: true },
			{ title: "standard deviation", figures: true },
			{ title: "removed" },
		],
		rows,
	);
}

function nameOf({ blocks: [a, b], units }: ReportInteraction, { name }: MeasuredPart): string {
	return units ? `${formatBlocks(units[0])} and ${formatBlocks(units[1])}` : `${name(a)} and ${name(b)}`;
}

function others(involved: readonly number[], blocks: number): number[] {
	return Array.from({ length: blocks }, (_, i) => i).filter((block) => !involved.includes(block));
}
