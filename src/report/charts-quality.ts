import * as Plot from "@observablehq/plot";
import { besideAxis, type Chart, color, figure, type symbols } from "./charts.js";
import { formatBytes, formatDifference, formatPercent, formatSignificant } from "./format.js";
import type { ReportAlternatives, ReportSurrogate } from "./report-data.js";
import { type Html, table, visible } from "./tags.js";

/** What the surrogate predicted of its proposals, against what was measured. */
export function predictionsFigure(forecasts: NonNullable<ReportSurrogate["forecasts"]>): Html {
	const largest = Math.max(...forecasts.flatMap(({ high, measured }) => [high, measured]));
	const least = Math.min(0, ...forecasts.flatMap(({ low, measured }) => [low, measured]));
	const held = forecasts.filter(({ low, high, measured }) => measured >= low && measured <= high).length;
	const chart: Chart = {
		id: "predictions",
		title: "Predicted and measured",
		description: `${forecasts.length} candidates that the surrogate proposed: added nats per token as predicted, with 90 % intervals, against what was measured. ${held} of the intervals hold the measurement.`,
		draw: (_width, size) => ({
			height: size === "wide" ? 380 : 320,
			marginLeft: 48,
			...(size === "wide" ? { marginRight: 200 } : {}),
			x: { domain: [least, largest], label: "predicted", ticks: 5, grid: true },
			y: { domain: [least, largest], label: "measured", ticks: 5, grid: true },
			marks: [
				Plot.line(
					[
						[least, least],
						[largest, largest],
					],
					{ stroke: color("ink"), strokeDasharray: "4 3" },
				),
				Plot.ruleY(forecasts, { y: "measured", x1: "low", x2: "high", stroke: color("series-0"), strokeOpacity: 0.45 }),
				Plot.dot(forecasts, { x: "forecast", y: "measured", fill: color("series-0"), r: 3 }),
			],
		}),
	};
	return figure(
		chart,
		`Each point is a candidate, predicted and then measured. On the dashed line the two are equal. Lines are the 90 % intervals of the predictions: ${held} of ${forecasts.length} (${formatPercent(held / forecasts.length, 0)}) hold the measurement.`,
		[],
		table(
			"Predicted and measured, nats per token added",
			[
				{ title: "blocks removed", figures: true },
				{ title: "predicted", figures: true },
				{ title: "90 % interval", figures: true },
				{ title: "measured", figures: true },
			],
			forecasts.map(({ removed, forecast, low, high, measured }) => [
				`${removed}`,
				forecast.toFixed(3),
				`${low.toFixed(3)} to ${high.toFixed(3)}`,
				measured.toFixed(3),
			]),
		),
	);
}

type Version = ReportAlternatives["versions"][number];

const kinds: Readonly<Record<Version["kind"], { symbol: (typeof symbols)[number]; glyph: string; color: string }>> = {
	source: { symbol: "star", glyph: "★", color: "ink" },
	pruned: { symbol: "circle", glyph: "●", color: "removed" },
	quantized: { symbol: "square", glyph: "■", color: "series-0" },
	"pruned and quantized": { symbol: "diamond", glyph: "◆", color: "series-2" },
};

/** Pruned and quantized versions of the model by size. */
export function alternativesFigure({ versions, quantizedFrom }: ReportAlternatives): Html {
	// One measure for all: the divergence, if the pruned versions have it too.
	const byDivergence = versions.every(({ divergence }) => divergence !== undefined);
	const value = (version: Version) => (byDivergence ? version.divergence : version.added) ?? null;
	const error = (version: Version) => (byDivergence ? version.divergenceError : version.standardError);
	const points = versions.flatMap((version) => {
		const y = value(version);
		return y === null ? [] : [{ ...version, y, error: error(version), megabytes: version.bytes / 1e6 }];
	});
	const middle = (Math.min(...points.map(({ megabytes }) => megabytes)) + Math.max(...points.map(({ megabytes }) => megabytes))) / 2;
	const reference = quantizedFrom === undefined ? "the original model" : quantizedFrom;
	const measure = byDivergence ? `KL divergence from ${reference}` : `loss beyond that of ${reference}`;
	const chart: Chart = {
		id: "alternatives",
		title: "Pruning beside quantizing",
		description: `Versions of the model by file size in megabytes and by ${measure}, nats per token: ${points.map(({ name, bytes, y }) => `${name} ${formatBytes(bytes)}, ${y.toFixed(3)}`).join("; ")}.`,
		draw: (_width, size) => ({
			height: size === "wide" ? 340 : 300,
			marginLeft: 60,
			marginRight: 24,
			x: { label: "file size (MB)", ticks: 5, nice: true, inset: 24 },
			y: { ...besideAxis(`${byDivergence ? "divergence" : "added loss"} (nats)`), grid: true, ticks: 6, zero: true, nice: true },
			marks: [
				Plot.ruleY([0], { stroke: color("ink") }),
				Plot.ruleX(
					points.filter((point) => point.error !== undefined),
					{ x: "megabytes", y1: ({ y, error: e }) => y - 1.96 * e!, y2: ({ y, error: e }) => y + 1.96 * e!, stroke: color("ink") },
				),
				...Object.entries(kinds).map(([kind, look]) =>
					Plot.dot(
						points.filter((point) => point.kind === kind),
						{ x: "megabytes", y: "y", symbol: look.symbol, fill: color(look.color), r: 5 },
					),
				),
				...(["start", "end"] as const).map((textAnchor) =>
					Plot.text(
						points.filter(({ megabytes }) => (megabytes > middle ? "end" : "start") === textAnchor),
						{
							x: "megabytes",
							y: "y",
							text: ({ name }) => labelOf(name),
							textAnchor,
							fill: color("ink"),
							dx: textAnchor === "start" ? 9 : -9,
							dy: -9,
						},
					),
				),
			],
		}),
	};
	const used = Object.entries(kinds).filter(([kind]) => versions.some((version) => version.kind === kind));
	return figure(
		chart,
		`The points show the ${measure}, in nats per token, with 95 % intervals. Down and to the left is better.`,
		used.map(([label, { glyph, color: own }]) => ({ glyph, color: own, label: label === "source" ? "original" : label })),
		alternativesTable(versions),
	);
}

/** A name that has room in a chart. */
function labelOf(name: string): string {
	const text = visible(name);
	return text.length > 24 ? `${text.slice(0, 21)}...` : text;
}

/** The versions as they were measured. */
function alternativesTable(versions: readonly Version[]): Html {
	const has = (key: keyof Version) => versions.some((version) => version[key] !== undefined);
	const speed = (value: number | undefined) => (value === undefined ? "" : formatSignificant(value));
	const columns: { title: string; key?: keyof Version; cell: (version: Version) => string }[] = [
		{ title: "version", cell: ({ name }) => name },
		{ title: "file size", cell: ({ bytes }) => formatBytes(bytes) },
		{
			title: "loss added",
			key: "added",
			cell: ({ added, standardError }) => (added === undefined ? "" : formatDifference(added, standardError)),
		},
		{
			title: "KL divergence",
			key: "divergence",
			cell: ({ divergence, divergenceError }) => (divergence === undefined ? "" : formatDifference(divergence, divergenceError)),
		},
		{ title: "same top token", key: "agreement", cell: ({ agreement }) => (agreement === undefined ? "" : formatPercent(agreement)) },
		{ title: "prompt (tokens/s)", key: "promptSpeed", cell: ({ promptSpeed }) => speed(promptSpeed) },
		{ title: "generation (tokens/s)", key: "generationSpeed", cell: ({ generationSpeed }) => speed(generationSpeed) },
	];
	const shown = columns.filter(({ key }) => key === undefined || has(key));
	return table(
		"Versions of the model",
		shown.map(({ title }, i) => ({ title, figures: i > 0 })),
		versions.map((version) => shown.map(({ cell }) => cell(version))),
	);
}
