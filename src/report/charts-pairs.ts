import * as Plot from "@observablehq/plot";
import { type Chart, color, figure } from "./charts.js";
import { formatSigned } from "./format.js";
import { formatBlocks } from "../notation.js";
import type { Report, ReportInteraction } from "./report-data.js";
import { type Html, table } from "./tags.js";

/** Up to this many blocks the pairs are shown as a whole square. */
const mostSquare = 40;
const mostRows = 40;

/** Pairs of blocks that are redundant, and pairs that need each other. */
export function interactionsFigure(pairs: readonly ReportInteraction[], { removal, model }: Report): Html {
	const involved = [...new Set(pairs.flatMap(({ blocks }) => blocks))].sort((a, b) => a - b);
	const gone = new Set((removal?.removed ?? []).filter(Number.isInteger));
	const sorted = [...pairs].sort((a, b) => b.value - a.value);
	const describe = (pair: ReportInteraction) => `${nameOf(pair)} (${formatSigned(pair.value, 3)})`;
	const chart: Chart = {
		id: "interactions",
		title: "Redundant blocks",
		description: `A square of pairs of blocks. Most redundant: ${sorted.slice(0, 3).map(describe).join("; ")}. Pairs that need each other most: ${sorted.slice(-3).reverse().map(describe).join("; ")}.`,
		draw: pairsDrawing(pairs, involved, gone),
	};
	const values = pairs.map(({ value }) => value);
	const never = others([...involved, ...pairs.flatMap(({ units }) => (units ?? []).flat())], model.blocks);
	const left = never.length > 0 ? ` Blocks ${formatBlocks(never)} always stay and are left out.` : "";
	return figure(
		chart,
		`The color shows what removing both costs beyond the two alone, in log(1 + added nats), as the surrogate sees it. It goes from ${formatSigned(Math.min(...values), 3)} to ${formatSigned(Math.max(...values), 3)}.${gone.size > 1 ? " Framed pairs are both removed." : ""}${left}`,
		[
			{ glyph: "■", color: "substitute", label: "redundant: remove one of them, not both" },
			{ glyph: "■", color: "need", label: "need each other: one is worth less without the other" },
		],
		strongestTable(sorted, gone),
	);
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
function strongestTable(sorted: readonly ReportInteraction[], gone: ReadonlySet<number>): Html {
	const half = mostRows / 2;
	const shown = sorted.length <= mostRows ? sorted : [...sorted.slice(0, half), ...sorted.slice(-half)];
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
	return table(
		shown.length < sorted.length ? `Strongest pairs (${shown.length} of ${sorted.length}; the JSON file has all)` : "Pairs of blocks",
		[
			{ title: "blocks" },
			{ title: "beyond the two alone", figures: true },
			{ title: "standard deviation", figures: true },
			{ title: "removed" },
		],
		rows,
	);
}

function nameOf({ blocks: [a, b], units }: ReportInteraction): string {
	return units ? `${formatBlocks(units[0])} and ${formatBlocks(units[1])}` : `${a} and ${b}`;
}

function others(involved: readonly number[], blocks: number): number[] {
	return Array.from({ length: blocks }, (_, i) => i).filter((block) => !involved.includes(block));
}
