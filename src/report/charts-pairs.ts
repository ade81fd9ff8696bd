import * as Plot from "@observablehq/plot";
import { type Chart, color, figure } from "./charts.js";
import { formatBlocks, formatSigned } from "./format.js";
import type { Report, ReportInteraction } from "./report-data.js";
import { type Html, table } from "./tags.js";

/** Up to this many blocks the pairs are shown as a whole square. */
const mostSquare = 40;
const mostRows = 40;

/** Which blocks stand in for which. */
export function interactionsFigure(pairs: readonly ReportInteraction[], { removal, model }: Report): Html {
	const involved = [...new Set(pairs.flatMap(({ blocks }) => blocks))].sort((a, b) => a - b);
	const gone = new Set(removal?.removed ?? []);
	const sorted = [...pairs].sort((a, b) => b.value - a.value);
	const describe = (pair: ReportInteraction) => `${nameOf(pair)} (${formatSigned(pair.value, 3)})`;
	const chart: Chart = {
		id: "interactions",
		title: "Which blocks stand in for which",
		description: `A square of pairs of blocks. Most stand in for one another: ${sorted.slice(0, 3).map(describe).join("; ")}. Need each other most: ${sorted.slice(-3).reverse().map(describe).join("; ")}.`,
		draw: pairsDrawing(pairs, involved, gone),
	};
	const values = pairs.map(({ value }) => value);
	const never = others([...involved, ...pairs.flatMap(({ units }) => (units ?? []).flat())], model.blocks);
	const left = never.length > 0 ? ` Left out, since they always stay: ${formatBlocks(never)}.` : "";
	return figure(
		chart,
		`The stronger the color, the further losing both costs more (or less) than the two alone, in log(1 + added nats), from ${formatSigned(Math.min(...values), 3)} to ${formatSigned(Math.max(...values), 3)}. By the surrogate.${gone.size > 1 ? " Framed: both are removed." : ""}${left}`,
		[
			{ glyph: "■", color: "substitute", label: "stand in for one another: losing both is dearer than the two alone" },
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

/** @param sorted all pairs, those that stand in for one another first */
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
		[{ title: "blocks" }, { title: "beyond the two alone", figures: true }, { title: "deviation", figures: true }, { title: "removed" }],
		rows,
	);
}

function nameOf({ blocks: [a, b], units }: ReportInteraction): string {
	return units ? `${formatBlocks(units[0])} and ${formatBlocks(units[1])}` : `${a} and ${b}`;
}

function others(involved: readonly number[], blocks: number): number[] {
	return Array.from({ length: blocks }, (_, i) => i).filter((block) => !involved.includes(block));
}
