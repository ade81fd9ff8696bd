import * as Plot from "@observablehq/plot";
import { besideAxis, type Chart, color, figure, glyphs, type LegendEntry, symbols, wholeTicks } from "./charts.js";
import { countedParts, sizeColumns } from "./curve-columns.js";
import { formatDifference, formatInteger, formatLoss, formatSignificant } from "./format.js";
import { formatBlocks } from "../notation.js";
import type { Report, ReportCurve } from "./report-data.js";
import { type Html, html, table } from "./tags.js";

// What candidates cost: by how much is removed, and by the time per token at a context where that is known.

type Series = ReportCurve["series"][number];
type Point = Series["points"][number];

const seriesName = ({ method, split }: Series) => `${method}, ${split} split`;
const styleOf = (index: number) => ({ symbol: symbols[index % symbols.length]!, color: `series-${index % 6}` });

/** What both charts say of the metric. */
const unitOf = ({ metric }: ReportCurve) => (metric === "accuracy" ? "nats per question" : "nats per token");
const whatOf = ({ metric }: ReportCurve) =>
	metric === "kl" ? "divergence from the original model" : "loss beyond that of the original model";
const partsOf = ({ series }: ReportCurve) => countedParts(series.flatMap(({ points }) => points));

/** Loss, or another metric, against the parts removed and against the time per token. */
export function curveFigure(curve: ReportCurve, removal: Report["removal"]): Html {
	const { metric, series } = curve;
	const [byAmount, byTime] = [amountChart(curve), timeChart(curve)];
	// A block and an attention part count alike, but do not save the same time.
	const charts = partsOf(curve) === "parts" ? [...byTime, byAmount] : [byAmount, ...byTime];
	const legend: LegendEntry[] = series.map((one, i) => ({
		glyph: glyphs[i % glyphs.length]!,
		color: `series-${i % 6}`,
		label: seriesName(one),
	}));
	if (chosenIn(curve)) legend.push({ glyph: "○", color: "ink", label: "chosen" });
	const faster = byTime.length > 0 ? " In the chart by time, points further to the left are faster." : "";
	const decided = removal?.finalComparison && comparisonText(removal.finalComparison, metric);
	return html`${figure(
		charts,
		`The points show ${whatOf(curve)}, in ${unitOf(curve)}. Lower is better. Vertical lines are 95 % intervals.${faster}`,
		legend,
		curveTable(curve),
	)}
${decided && html`<p>${decided}</p>`}`;
}

function amountChart(curve: ReportCurve): Chart {
	const parts = partsOf(curve);
	const largest = Math.max(1, ...curve.series.flatMap(({ points }) => points.map(({ removed }) => removed.length)));
	return {
		id: "curve",
		title: `Quality against ${parts} removed`,
		description: `Lines and points of ${whatOf(curve)}, ${unitOf(curve)}, against the number of ${parts} removed, 0 to ${largest}.${chosenText(curve)}`,
		draw: (_width, size) => ({
			...frameOf(curve, size),
			x: {
				domain: [-0.3, largest + 0.3],
				ticks: wholeTicks(largest, size === "wide" ? 24 : 10),
				tickFormat: String,
				label: `${parts} removed`,
			},
			marks: marksOf(placed(curve.series)),
		}),
	};
}

/** None where no time is known. */
function timeChart(curve: ReportCurve): Chart[] {
	// Sets of one size and of several kinds are no curve over time.
	const isLine = partsOf(curve) !== "parts";
	const drawn = curve.series.map((one, i) => ({
		...styleOf(i),
		line: isLine && isCurve(one),
		points: one.points.flatMap((point) =>
			point.added === null || point.milliseconds === undefined ? [] : [{ ...point, x: point.milliseconds, added: point.added }],
		),
	}));
	const times = drawn.flatMap(({ points }) => points.map(({ x }) => x));
	if (times.length === 0) return [];
	const [least, most] = [Math.min(...times), Math.max(...times)].map((time) => formatSignificant(time));
	const at = curve.context === undefined ? "" : ` at ${formatInteger(curve.context)}`;
	const lines = isLine ? "Lines and points" : "Points";
	return [
		{
			id: "curve-time",
			title: `Quality against time per token${at}`,
			description: `${lines} of ${whatOf(curve)}, ${unitOf(curve)}, against derived milliseconds per token${at}, ${least} to ${most}.${chosenText(curve)}`,
			draw: (_width, size) => ({
				...frameOf(curve, size),
				x: { label: `ms per token${at}, derived`, ticks: 5, nice: true, inset: 12 },
				marks: marksOf(drawn),
			}),
		},
	];
}

const chosenIn = ({ series }: ReportCurve) => series.flatMap(({ points }) => points.filter((point) => point.chosen))[0];

function chosenText(curve: ReportCurve): string {
	const chosen = chosenIn(curve);
	return chosen ? ` Chosen: ${formatBlocks(chosen.removed)}, ${formatDifference(chosen.added, chosen.standardError)}.` : "";
}

/** Height and upright axis. */
function frameOf({ metric }: ReportCurve, size: "wide" | "narrow"): Plot.PlotOptions {
	return {
		height: size === "wide" ? 340 : 280,
		marginLeft: 60,
		y: { ...besideAxis(`${metric === "kl" ? "divergence" : "added loss"} (nats)`), grid: true, ticks: 6, zero: true },
	};
}

/** One series with what it has along the axis. */
interface Drawn {
	readonly symbol: (typeof symbols)[number];
	readonly color: string;
	readonly line: boolean;
	readonly points: readonly (Point & { readonly x: number; readonly added: number })[];
}

function marksOf(drawn: readonly Drawn[]): Plot.Markish[] {
	return [
		Plot.ruleY([0], { stroke: color("ink") }),
		...drawn.flatMap(({ symbol, color: own, line, points }) => [
			...(line ? [Plot.lineY(points, { x: "x", y: "added", stroke: color(own), strokeWidth: 1.5 })] : []),
			Plot.ruleX(
				points.filter(({ interval }) => interval),
				{ x: "x", y1: ({ interval }) => interval!.low, y2: ({ interval }) => interval!.high, stroke: color(own) },
			),
			Plot.dot(points, { x: "x", y: "added", symbol, fill: color(own), r: 4 }),
		]),
		Plot.dot(
			drawn.flatMap(({ points }) => points.filter((point) => point.chosen)),
			{ x: "x", y: "added", r: 9, stroke: color("ink"), strokeWidth: 2 },
		),
	];
}

/** Points of one size stand side by side, so that their intervals do not cover each other. */
function placed(series: readonly Series[]): Drawn[] {
	const step = Math.min(0.07, 0.5 / series.length);
	return series.map((one, i) => ({
		...styleOf(i),
		line: isCurve(one),
		points: one.points.flatMap((point) => {
			const count = point.removed.length;
			if (point.added === null) return [];
			return [{ ...point, x: count === 0 ? 0 : count + step * (i - (series.length - 1) / 2), added: point.added }];
		}),
	}));
}

type Comparison = NonNullable<NonNullable<Report["removal"]>["finalComparison"]>;

/** How the candidates of one size were compared, and on how much text. */
function comparisonText({ by, further }: Comparison, metric: ReportCurve["metric"]): string {
	const measure = by === "divergence" || metric === "kl" ? "divergence from the original model" : "loss";
	const [first] = further;
	const more = further.length === 1 ? "as much further text" : `up to ${further.length} times as much further text`;
	return `Candidates of the same size were compared by their ${measure} on the validation split.${first ? ` The best ${first.sets} of those that tied were compared again on ${more}.` : ""}`;
}

/** One set a size, of two sizes and the original model at least. */
function isCurve({ points }: Series): boolean {
	return points.length > 2 && new Set(points.map(({ removed }) => removed.length)).size === points.length;
}

function curveTable(curve: ReportCurve): Html {
	const { metric, series, context } = curve;
	const rows = series.flatMap((one) => one.points.map((point) => ({ one, point })));
	const sizes = sizeColumns(
		rows.map(({ point }) => point),
		context,
	);
	rows.sort((a, b) => a.point.removed.length - b.point.removed.length);
	const ratio = ({ added }: Point) => (added === null ? "broken" : `x ${formatSignificant(Math.exp(added))}`);
	return table(
		"Candidates and what they cost",
		[
			{ title: "removed", figures: true },
			{ title: partsOf(curve) },
			{ title: "method" },
			{ title: "text" },
			{ title: metric === "kl" ? "divergence" : "loss", figures: true },
			{ title: "change", figures: true },
			...(metric === "loss" ? [{ title: "perplexity", figures: true }] : []),
			...sizes.map(({ title }) => ({ title, figures: true })),
			{ title: "choice" },
		],
		rows.map(({ one, point }) => [
			`${point.removed.length}`,
			point.removed.length === 0 ? "none" : formatBlocks(point.removed),
			one.method,
			one.split,
			formatLoss(point.loss),
			point.removed.length === 0 ? "" : formatDifference(point.added, point.standardError),
			...(metric === "loss" ? [ratio(point)] : []),
			...sizes.map(({ text }) => text(point)),
			point.chosen ? "chosen" : "",
		]),
	);
}
