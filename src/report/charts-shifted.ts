import * as Plot from "@observablehq/plot";
import { formatBlocks } from "../notation.js";
import { type Chart, color, figure, type LegendEntry, wholeTicks } from "./charts.js";
import { formatSigned } from "./format.js";
import type { Report, ReportShiftedPair } from "./report-data.js";
import { type Html, table } from "./tags.js";

const states = {
	removed: { glyph: "✕", color: "removed", label: "both parts removed" },
	kept: { glyph: "■", color: "kept", label: "a part is kept" },
} as const satisfies Record<string, LegendEntry>;

/** Bars beyond this many times the middle one are cut: a pair without which the model breaks would make the others a flat line. */
const cutAt = 4;

/** What each shifted pair costs alone, between the blocks that its parts are of. */
export function shiftedPairsFigure(
	pairs: readonly ReportShiftedPair[],
	{ blocks: { list }, model }: Pick<Report, "blocks" | "model">,
): Html {
	const stateOf = ({ removed: [position = 0] }: ReportShiftedPair) => {
		const [before, after] = [list[Math.floor(position)]?.state, list[Math.ceil(position)]?.state];
		const gone = (before === "removed" || before === "attention") && (after === "removed" || after === "feed-forward");
		return gone ? states.removed : states.kept;
	};
	const chart: Chart = {
		id: "shifted-pairs-chart",
		title: "Half-block cuts alone",
		description: `Bars between the blocks: nats per token that removing the feed-forward part of a block and the attention part of the next adds. Cheapest: ${cheapestOf(pairs)}.`,
		draw: drawing(pairs, model.blocks, (pair) => color(stateOf(pair).color)),
	};
	const rows = pairs.map((pair) => [
		formatBlocks(pair.removed),
		stateOf(pair).label,
		formatSigned(pair.added),
		pair.interval ? `${formatSigned(pair.interval.low)} to ${formatSigned(pair.interval.high)}` : "",
	]);
	const columns = [
		{ title: "half-block cut", figures: true },
		{ title: "state" },
		{ title: "added", figures: true },
		{ title: "95 % interval", figures: true },
	];
	return figure(
		chart,
		"What each half-block cut between two neighbors adds alone, in nats per token on the search split, if it was measured. Lines are 95 % intervals. High bars are cut; the table has their values.",
		[...new Set(pairs.map(stateOf))],
		table("Half-block cuts alone, nats per token", columns, rows),
	);
}

function drawing(pairs: readonly ReportShiftedPair[], blocks: number, fill: (pair: ReportShiftedPair) => string): Chart["draw"] {
	const top = topOf(pairs);
	const at = ({ removed }: ReportShiftedPair) => removed[0]!;
	return (_, size) => ({
		height: size === "wide" ? 180 : 160,
		marginLeft: 52,
		marginRight: 20,
		x: { domain: [-0.6, blocks - 0.4], ticks: wholeTicks(blocks - 1, size === "wide" ? 31 : 13), tickFormat: String, label: "block" },
		y: { domain: [Math.min(0, ...pairs.map(({ added, interval }) => interval?.low ?? added)), top], label: null, ticks: 4, grid: true },
		marks: [
			Plot.rect(pairs, {
				x1: (pair) => at(pair) - 0.3,
				x2: (pair) => at(pair) + 0.3,
				y1: 0,
				y2: ({ added }) => Math.min(top, added),
				fill,
			}),
			Plot.ruleX(
				pairs.filter(({ interval, added }) => interval && added <= top),
				{ x: at, y1: ({ interval }) => interval!.low, y2: ({ interval }) => Math.min(top, interval!.high), stroke: color("ink") },
			),
			Plot.ruleY([0], { stroke: color("ink") }),
		],
	});
}

function topOf(pairs: readonly ReportShiftedPair[]): number {
	const ascending = pairs.map(({ added, interval }) => Math.max(added, interval?.high ?? added)).sort((a, b) => a - b);
	const middle = ascending[Math.floor(ascending.length / 2)]!;
	const highest = ascending.at(-1)!;
	return middle > 0 ? Math.min(highest, cutAt * middle) : Math.max(highest, 1e-6);
}

function cheapestOf(pairs: readonly ReportShiftedPair[]): string {
	const least = [...pairs].sort((a, b) => a.added - b.added).slice(0, 4);
	return least.map(({ removed, added }) => `${formatBlocks(removed)} (${formatSigned(added, 3)})`).join(", ");
}
