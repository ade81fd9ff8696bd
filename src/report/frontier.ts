import { sizeColumns } from "./curve-columns.js";
import { formatDifference, formatPercent, formatRatio } from "./format.js";
import { formatBlocks } from "../notation.js";
import { type Column, formatTable, paint, type TextStyle } from "./table.js";

interface MeanText {
	readonly mean: number | null;
	readonly standardError: number | null;
}

/** One combination of removed blocks and a type of weights, beside the reference. */
export interface FrontierRow {
	readonly type: string;
	readonly removed: readonly number[];
	/** Whether the cuts are healed. */
	readonly healed?: boolean | undefined;
	/** Blocks kept. */
	readonly blocks: number;
	readonly bytes: number;
	/** Milliseconds per token and bytes of the KV cache at the context, where attention parts are removed. */
	readonly milliseconds?: number | undefined;
	readonly kvCache?: number | undefined;
	/** How many times as fast as the original model, if that was measured. */
	readonly speedup?: { readonly value: number } | undefined;
	readonly added: MeanText;
	readonly divergence: MeanText | null;
	readonly agreement: MeanText | null;
	/** Whether it meets the goal. */
	readonly fits?: boolean | undefined;
	/** Whether it stands out. */
	readonly chosen?: boolean | undefined;
}

/** What a table is of. */
export interface FrontierTableOf {
	readonly misses?: string | undefined;
	readonly context?: number | undefined;
}

const right = "right" as const;

/**
 * Combinations, in the order given. The blocks are cut where the terminal is too narrow.
 * @param of a line above the first row that does not meet the goal, and the context that time and KV cache are of
 */
export function frontierTable(rows: readonly FrontierRow[], style: TextStyle = {}, { misses, context }: FrontierTableOf = {}): string {
	const measured = rows.some(({ speedup }) => speedup);
	const sizes = sizeColumns(rows, context);
	// Without attention parts every block is kept.
	const counted = context === undefined;
	const columns: Column[] = [
		{ title: "" },
		{ title: "weights" },
		{ title: "removed", align: right },
		...sizes.map(({ title }) => ({ title, align: right })),
		...(counted ? [{ title: "kept", align: right }] : []),
		...(measured ? [{ title: "speed", align: right }] : []),
		...figureColumns(rows),
		{ title: counted ? "blocks (from 0)" : "which (from 0)" },
	];
	const cells = rows.map((row) => [
		row.chosen ? paint("green", ">", style) : "",
		row.type,
		`${row.removed.length}`,
		...sizes.map(({ text }) => text(row)),
		...(counted ? [`${row.blocks}`] : []),
		...(measured ? [row.speedup ? formatRatio(row.speedup.value) : ""] : []),
		...figureCells(row, rows),
		row.removed.length === 0 ? "" : `${formatBlocks(row.removed)}${row.healed ? ", healed" : ""}`,
	]);
	const [title, ...lines] = formatTable(columns, cells, style).trimEnd().split("\n");
	const first = misses === undefined ? -1 : rows.findIndex(({ fits }) => fits === false);
	const divided = first < 0 ? lines : [...lines.slice(0, first), misses!, ...lines.slice(first)];
	return `${[title, ...divided].join("\n")}\n`;
}

type WithFigures = Pick<FrontierRow, "added" | "divergence" | "agreement">;

const compared = (rows: readonly WithFigures[]) => rows.some(({ divergence }) => divergence !== null);

function figureColumns(rows: readonly WithFigures[]): Column[] {
	const more = compared(rows) ? ["KL", "same top"] : [];
	return ["added", ...more].map((title) => ({ title, align: right }));
}

function figureCells({ added, divergence, agreement }: WithFigures, rows: readonly WithFigures[]): string[] {
	const cells = [formatDifference(added.mean, added.standardError)];
	if (!compared(rows)) return cells;
	const share = agreement?.mean;
	return [
		...cells,
		divergence ? formatDifference(divergence.mean).replace(/^\+/, "") : "",
		share === null || share === undefined ? "" : formatPercent(share),
	];
}

/** A point of a chart. */
export interface ChartPoint {
	readonly x: number;
	readonly y: number | null;
	/** What it belongs to: each gets a letter. */
	readonly series: string;
	/** Drawn as `*`. */
	readonly chosen?: boolean | undefined;
}

const chartHeight = 14;
const letters = "oABCDEFGHIJKLMNPQRSTUVWXYZ";

/**
 * Added loss upwards against something sideways, in characters. If points fall on one spot, the lower one shows. What lies above the top, four
 * times the middle value, is drawn on it.
 */
export function chart(points: readonly ChartPoint[], title: string, format: (x: number) => string, style: TextStyle = {}): string {
	const shown = points.filter((point): point is ChartPoint & { y: number } => point.y !== null && Number.isFinite(point.y));
	if (shown.length === 0) return "";
	const names = [...new Set(points.map(({ series }) => series))];
	const letterOf = (series: string) => letters[names.indexOf(series) % letters.length]!;
	const ys = shown.map(({ y }) => y).sort((a, b) => a - b);
	const least = Math.min(0, ys[0]!);
	const middle = ys[Math.floor(ys.length / 2)]!;
	const most = Math.max(least + 1e-9, Math.min(ys.at(-1)!, Math.max(4 * middle, middle + 0.1)));
	const [from, to] = [Math.min(...shown.map(({ x }) => x)), Math.max(...shown.map(({ x }) => x))];
	const labelWidth = 8;
	const width = Math.max(20, Math.min(72, (style.width ?? 80) - labelWidth - 2));
	const grid = Array.from({ length: chartHeight }, () => new Array<string>(width).fill(" "));
	const place = (value: number, low: number, high: number, size: number) =>
		high > low ? Math.round(((Math.min(value, high) - low) / (high - low)) * (size - 1)) : 0;
	for (const point of [...shown].sort((a, b) => Number(a.chosen ?? false) - Number(b.chosen ?? false) || b.y - a.y)) {
		const row = grid[chartHeight - 1 - place(point.y, least, most, chartHeight)]!;
		row[place(point.x, from, to, width)] = point.chosen ? "*" : letterOf(point.series);
	}
	const label = (row: number) => {
		if (row % 4 !== 1 && row !== chartHeight - 1) return " ".repeat(labelWidth);
		const value = least + ((chartHeight - 1 - row) / (chartHeight - 1)) * (most - least);
		return value
			.toFixed(2)
			.padStart(labelWidth - 1)
			.padEnd(labelWidth);
	};
	const rows = grid.map((row, i) => `${label(i)}|${row.join("").trimEnd()}`);
	const [low, high] = [format(from), format(to)];
	const axis = `${" ".repeat(labelWidth)}+${"-".repeat(width)}`;
	const ends = `${" ".repeat(labelWidth + 1)}${low}${high.padStart(Math.max(high.length + 1, width - low.length))}`;
	const legend = names.map((name) => `${letterOf(name)} ${name}`).join("  ");
	const best = shown.some(({ chosen }) => chosen) ? "  * best choice" : "";
	return `${paint("bold", title, style)}\n${[...rows, axis, ends, `${legend}${best}`].map((line) => `${line}\n`).join("")}`;
}
