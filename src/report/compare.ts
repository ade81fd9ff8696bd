import { formatCount, formatDifference, formatDuration, formatInteger, formatLoss } from "./format.js";
import { formatBlocks } from "../notation.js";
import { type Column, formatTable, paint, type TextStyle, textWidth } from "./table.js";

interface Difference {
	readonly mean: number | null;
	readonly standardError: number | null;
}

/** One method's set of one size, nats per token added. */
export interface CompareRowText {
	readonly method: string;
	/** null if the method found no candidate. */
	readonly removed: readonly number[] | null;
	readonly proposedBy?: string | undefined;
	/** One a text. */
	readonly added: readonly Difference[];
	readonly mean: Difference;
	/** Whether it is tied with the best one; null if that is not known. */
	readonly withinBest: boolean | null;
	/** One a file of questions, null for no candidate. */
	readonly accuracy: readonly (AccuracyText | null)[];
}

interface Share {
	/** 0..1 */
	readonly value: number;
	readonly standardError?: number | undefined;
}

interface AccuracyText {
	readonly accuracy: Share;
	readonly normalizedAccuracy: Share;
	readonly withinBest: boolean;
}

/** A file of questions, with the answers of the original model. */
export interface QuestionsText {
	readonly name: string;
	readonly count: number;
	readonly normalization: "characters" | "tokens";
	readonly accuracy: Share;
	readonly normalizedAccuracy: Share;
}

/** What a method needed. */
export interface CompareCostText {
	readonly method: string;
	readonly cost: { readonly evaluations: number; readonly tokens: number; readonly blockExecutions: number; readonly seconds: number };
}

/** Longest title of a text. */
const titleWidth = 13;

/**
 * Methods of one size. Texts and questions lose their errors, then the texts go, where the terminal is too narrow; at last the blocks are
 * cut.
 */
export function compareTable(
	rows: readonly CompareRowText[],
	texts: readonly string[],
	questions: readonly QuestionsText[],
	style: TextStyle = {},
): string {
	const { width = 80 } = style;
	const shown = { texts: texts.length > 1 ? texts : [], questions };
	const full = tableOf(rows, { ...shown, errors: true }, style);
	if (widest(full) <= width) return full;
	const plain = tableOf(rows, { ...shown, errors: false }, style);
	if (widest(plain) <= width) return plain;
	const few = { texts: [], questions, errors: false };
	const least = tableOf(rows, few, style);
	const excess = widest(least) - width;
	return excess <= 0 ? least : tableOf(rows, few, style, Math.max(8, longestBlocks(rows) - excess));
}

/** Columns that come and go with the width. */
interface Shown {
	readonly texts: readonly string[];
	readonly questions: readonly QuestionsText[];
}

function tableOf(
	rows: readonly CompareRowText[],
	{ texts, questions, errors }: Shown & { readonly errors: boolean },
	style: TextStyle,
	blocksWidth = Number.POSITIVE_INFINITY,
) {
	const columns: Column[] = [
		{ title: "" },
		{ title: "method" },
		{ title: texts.length > 0 ? "mean added" : "added", align: "right" },
		...[...texts, ...questions.map(({ name }) => name)].map((name) => ({ title: cut(name, titleWidth), align: "right" as const })),
		{ title: "blocks (from 0)" },
	];
	const cells = rows.map((row) => {
		const found = row.removed !== null;
		return [
			row.withinBest ? paint("green", "*", style) : row.withinBest === null ? "?" : "",
			row.method,
			found ? formatDifference(row.mean.mean, row.mean.standardError) : "",
			...texts.map((_, i) => (found ? formatDifference(row.added[i]!.mean, errors ? row.added[i]!.standardError : undefined) : "")),
			...questions.map((file, i) => accuracyCell(row.accuracy[i], file, errors)),
			cut(blocksText(row), blocksWidth),
		];
	});
	return formatTable(columns, cells, style);
}

/** The share that the file's format is judged by. */
function shareOf(of: Pick<AccuracyText, "accuracy" | "normalizedAccuracy">, { normalization }: QuestionsText): Share {
	return normalization === "tokens" ? of.normalizedAccuracy : of.accuracy;
}

/** Marked, or a blank in the mark's place so that the figures stand below each other. */
function accuracyCell(row: AccuracyText | null | undefined, file: QuestionsText, errors: boolean): string {
	if (!row) return "";
	const { value, standardError } = shareOf(row, file);
	return `${shareText({ value, standardError: errors ? standardError : undefined })}${row.withinBest ? "*" : " "}`;
}

function shareText({ value, standardError }: Share): string {
	return `${(100 * value).toFixed(1)}${standardError === undefined ? "" : ` ± ${(100 * standardError).toFixed(1)}`} %`;
}

function blocksText({ removed, method, proposedBy }: CompareRowText): string {
	if (removed === null) return "none found";
	return proposedBy === undefined || proposedBy === method ? formatBlocks(removed) : `${formatBlocks(removed)} (${proposedBy})`;
}

/** What each method would need alone. */
export function compareCosts(methods: readonly CompareCostText[], style: TextStyle = {}): string {
	const columns = [
		{ title: "method" },
		{ title: "evaluations", align: "right" },
		{ title: "tokens", align: "right" },
		{ title: "block executions", align: "right" },
		{ title: "time", align: "right" },
	] as const;
	const cells = methods.map(({ method, cost }) => [
		method,
		formatInteger(cost.evaluations),
		formatCount(cost.tokens),
		formatInteger(cost.blockExecutions),
		formatDuration(cost.seconds),
	]);
	return formatTable(columns, cells, style);
}

/** How well a method's surrogate predicts candidates that it did not see. */
export interface CompareSurrogateText {
	readonly method: string;
	readonly surrogate?: {
		readonly trainCandidates: number;
		readonly heldOutCandidates: number;
		readonly r2: number | null;
		readonly spearman: number | null;
		readonly details?: Readonly<Record<string, number | null>> | undefined;
	};
}

/** One line a method with a surrogate; nothing where none has one. */
export function compareSurrogates(methods: readonly CompareSurrogateText[], style: TextStyle = {}): string {
	const figure = (value: number | null | undefined) => (value == null ? "" : value.toFixed(2));
	const cells = methods.flatMap(({ method, surrogate }) => {
		if (!surrogate) return [];
		const { trainCandidates, heldOutCandidates, r2, spearman, details = {} } = surrogate;
		const figures = [r2, details.r2WithinStrata, details.stratumMeanR2, spearman, details.spearmanWithinStrata, details.coverage90];
		return [[method, formatInteger(trainCandidates), formatInteger(heldOutCandidates), ...figures.map(figure)]];
	});
	if (cells.length === 0) return "";
	const titles = ["fitted", "judged", "R2", "in size", "mean", "Spearman", "in size", "90 %"];
	const columns: Column[] = [{ title: "surrogate of" }, ...titles.map((title): Column => ({ title, align: "right" }))];
	return formatTable(columns, cells, style);
}

/** Texts and questions that were scored, with the loss and the accuracy of the original model. */
export function compareTexts(
	texts: readonly { readonly name: string; readonly windows: number; readonly length: number; readonly loss: number | null }[],
	questions: readonly QuestionsText[],
	style: TextStyle = {},
): string {
	const columns = [{ title: "scored on" }, { title: "windows", align: "right" }, { title: "original model", align: "right" }] as const;
	const cells = texts.map(({ name, windows, length, loss }) => [cut(name, 50), `${windows} x ${length}`, formatLoss(loss)]);
	const asked = questions.map((file) => [cut(file.name, 50), `${formatInteger(file.count)} questions`, shareText(shareOf(file, file))]);
	return formatTable(columns, [...cells, ...asked], style);
}

const widest = (text: string) => Math.max(...text.split("\n").map(textWidth));

const longestBlocks = (rows: readonly CompareRowText[]) => Math.max("blocks (from 0)".length, ...rows.map((row) => blocksText(row).length));

function cut(text: string, width: number): string {
	return text.length > width ? `${text.slice(0, Math.max(0, width - 3))}...` : text;
}
