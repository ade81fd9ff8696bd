import { formatBlocks, formatCount, formatDifference, formatDuration, formatInteger, formatLoss } from "./format.js";
import { type Column, formatTable, paint, type TextStyle, textWidth } from "./table.js";

interface Difference {
	readonly mean: number | null;
	readonly standardError: number | null;
}

/** One method's set of one size, nats per token added. */
export interface CompareRowText {
	readonly method: string;
	/** null where the method found no set. */
	readonly removed: readonly number[] | null;
	readonly proposedBy?: string | undefined;
	/** One a text. */
	readonly added: readonly Difference[];
	readonly mean: Difference;
	/** Whether it cannot be told from the best one. */
	readonly withinBest: boolean;
}

/** What a method asked for. */
export interface CompareCostText {
	readonly method: string;
	readonly cost: { readonly masks: number; readonly tokens: number; readonly blockExecutions: number; readonly seconds: number };
}

/** Longest title of a text. */
const titleWidth = 13;

/** Methods of one size. The texts lose their errors, then go, where the terminal is too narrow; at last the blocks are cut. */
export function compareTable(rows: readonly CompareRowText[], texts: readonly string[], style: TextStyle = {}): string {
	const { width = 80 } = style;
	const shown = texts.length > 1 ? texts : [];
	const full = tableOf(rows, shown, true, style);
	if (widest(full) <= width) return full;
	const plain = tableOf(rows, shown, false, style);
	if (widest(plain) <= width) return plain;
	const least = tableOf(rows, [], true, style);
	const excess = widest(least) - width;
	return excess <= 0 ? least : tableOf(rows, [], true, style, Math.max(8, longestBlocks(rows) - excess));
}

function tableOf(rows: readonly CompareRowText[], texts: readonly string[], errors: boolean, style: TextStyle, blocksWidth = Infinity) {
	const columns: Column[] = [
		{ title: "" },
		{ title: "method" },
		{ title: texts.length > 0 ? "mean added" : "added", align: "right" },
		...texts.map((name) => ({ title: cut(name, titleWidth), align: "right" as const })),
		{ title: "blocks (from 0)" },
	];
	const cells = rows.map((row) => {
		const found = row.removed !== null;
		return [
			row.withinBest ? paint("green", "*", style) : "",
			row.method,
			found ? formatDifference(row.mean.mean, row.mean.standardError) : "",
			...texts.map((_, i) => (found ? formatDifference(row.added[i]!.mean, errors ? row.added[i]!.standardError : undefined) : "")),
			cut(blocksText(row), blocksWidth),
		];
	});
	return formatTable(columns, cells, style);
}

function blocksText({ removed, method, proposedBy }: CompareRowText): string {
	if (removed === null) return "no set";
	return proposedBy === undefined || proposedBy === method ? formatBlocks(removed) : `${formatBlocks(removed)} (${proposedBy})`;
}

/** What each method would have needed alone. */
export function compareCosts(methods: readonly CompareCostText[], style: TextStyle = {}): string {
	const columns = [
		{ title: "method" },
		{ title: "masks", align: "right" },
		{ title: "tokens", align: "right" },
		{ title: "block executions", align: "right" },
		{ title: "time", align: "right" },
	] as const;
	const cells = methods.map(({ method, cost }) => [
		method,
		formatInteger(cost.masks),
		formatCount(cost.tokens),
		formatInteger(cost.blockExecutions),
		formatDuration(cost.seconds),
	]);
	return formatTable(columns, cells, style);
}

/** Texts that were scored, with the loss of the full model. */
export function compareTexts(
	texts: readonly { readonly name: string; readonly windows: number; readonly length: number; readonly loss: number | null }[],
	style: TextStyle = {},
): string {
	const columns = [{ title: "text" }, { title: "windows", align: "right" }, { title: "full model", align: "right" }] as const;
	const cells = texts.map(({ name, windows, length, loss }) => [cut(name, 50), `${windows} x ${length}`, formatLoss(loss)]);
	return formatTable(columns, cells, style);
}

const widest = (text: string) => Math.max(...text.split("\n").map(textWidth));

const longestBlocks = (rows: readonly CompareRowText[]) => Math.max("blocks (from 0)".length, ...rows.map((row) => blocksText(row).length));

function cut(text: string, width: number): string {
	return text.length > width ? `${text.slice(0, Math.max(0, width - 3))}...` : text;
}
