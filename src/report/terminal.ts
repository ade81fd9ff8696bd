import { formatDifference, formatInteger, formatLoss, formatPercent, formatPerplexity, formatRatio, formatSigned } from "./format.js";
import { countedParts, sizeColumns } from "./curve-columns.js";
import { formatBlocks } from "../notation.js";
import { formatBar, formatTable, paint, type TextStyle } from "./table.js";

export type { TextStyle } from "./table.js";

/** Importance of one block, as measured or estimated. */
export interface ContributionRow {
	/** 0-based, as in the tensor names; i + 0.25 is the attention part of block i, i + 0.5 the shifted pair of blocks i and i + 1. */
	readonly block: number;
	/** Undefined if it was not estimated. */
	readonly value?: number | undefined;
	/** Unit of the value, as plans name it: `nats`, `value`, `log-nats` or `score`. */
	readonly unit?: string | undefined;
	readonly standardError?: number | undefined;
	/** Whether the plan removes it. */
	readonly removed?: boolean | undefined;
	/** For example why the block is never removed. */
	readonly note?: string | undefined;
	/** One for each further column. */
	readonly verdicts?: readonly string[] | undefined;
}

/** The best set found for one size. */
export interface CurveRow {
	/** 0-based, ascending. */
	readonly removed: readonly number[];
	/** Mean loss, nats per token; null if it is not finite. */
	readonly loss: number | null;
	/** Loss added to that of the original model. */
	readonly added: number | null;
	readonly standardError?: number | null | undefined;
	/** Means of further figures by name; see {@link figureTitles}. */
	readonly figures?: Readonly<Record<string, number | null>> | undefined;
	/** Size of the file without these blocks. */
	readonly bytes?: number | undefined;
	/** Per generated token, and of keys and values, at a context. */
	readonly milliseconds?: number | undefined;
	readonly kvCache?: number | undefined;
	/** Whether this is the suggested or the chosen size. */
	readonly chosen?: boolean | undefined;
}

/** Metrics by their names, and the figures beside them. */
export const metricTitles: Readonly<Record<string, string>> = {
	loss: "loss (nats per token)",
	kl: "KL divergence (nats per token)",
	accuracy: "loss of correct answers (nats)",
};
/** As columns of the curve. */
const curveTitles: Readonly<Record<string, string>> = { loss: "perplexity", kl: "KL (nats)" };
const figureTitles: Readonly<Record<string, string>> = {
	agreement: "same top token",
	accuracy: "accuracy",
	normalizedAccuracy: "accuracy by length",
};

/** How well a surrogate predicted candidates that it had not seen. */
export interface SurrogateSummary {
	readonly name: string;
	readonly trainCandidates: number;
	readonly heldOutCandidates: number;
	readonly r2: number | null;
	readonly spearman: number | null;
}

const BAR_WIDTH = { least: 8, most: 40 };

/** Blocks with their importance and a bar. @param further titles of further columns */
export function contributionsTable(rows: readonly ContributionRow[], style: TextStyle = {}, further: readonly string[] = []): string {
	const values = rows.map(({ value }) => value ?? 0).filter(Number.isFinite);
	const largest = Math.max(0, ...values.map(Math.abs));
	const withNotes = rows.some(({ note, removed }) => note || removed);
	const width = barWidth(style, 24 + (withNotes ? 24 : 0) + further.reduce((sum, title) => sum + Math.max(4, title.length) + 2, 0));
	const cells = rows.map((row) => {
		const bar = row.value === undefined ? "" : formatBar(row.value, largest, width);
		const note = [row.removed ? "removed" : "", row.note ?? ""].filter(Boolean).join("; ");
		return [
			formatBlocks([row.block]),
			contributionText(row),
			paint(row.removed ? "red" : "cyan", bar, style),
			...further.map((_, i) => row.verdicts?.[i] ?? ""),
			note,
		];
	});
	const columns = [
		{ title: rows.some(({ block }) => block % 1 === 0.25) ? "part" : "block", align: "right" },
		{ title: contributionTitle(rows), align: "right" },
		{ title: "" },
		...further.map((title) => ({ title })),
		{ title: withNotes ? "note" : "" },
	] as const;
	return formatTable(columns, cells, style);
}

const UNIT_NAMES: Readonly<Record<string, string>> = {
	nats: "nats added",
	value: "importance",
	"log-nats": "log(1 + nats added)",
	score: "score",
};

function contributionTitle(rows: readonly ContributionRow[]): string {
	return UNIT_NAMES[rows.find(({ unit }) => unit !== undefined)?.unit ?? ""] ?? "importance";
}

function contributionText({ value, standardError }: ContributionRow): string {
	if (value === undefined) return "";
	return standardError === undefined ? formatSigned(value) : `${formatSigned(value)} ± ${standardError.toFixed(4)}`;
}

/** What a curve is of. */
export interface CurveOf {
	/** @default loss */
	readonly metric?: string;
	/** Tokens that time and KV cache are of. */
	readonly context?: number | undefined;
}

/**
 * What each number of blocks or attention parts costs: perplexity with its change, or another metric; time and KV cache at a context if they
 * are known; the size of the file, and the blocks.
 */
export function curveTable(rows: readonly CurveRow[], style: TextStyle = {}, { metric = "loss", context }: CurveOf = {}): string {
	const figures = metric === "loss" ? [] : Object.keys(figureTitles).filter((name) => rows[0]?.figures?.[name] !== undefined);
	const sizes = sizeColumns(rows, context);
	const cells = rows.map((row) => [
		row.chosen ? paint("green", ">", style) : "",
		`${row.removed.length}`,
		metric === "loss" ? formatPerplexity(row.loss) : formatLoss(row.loss),
		row.removed.length === 0 ? "" : metric === "loss" ? ratioOf(row) : formatDifference(row.added, row.standardError),
		...figures.map((name) => percentOf(row.figures?.[name])),
		...sizes.map(({ text }) => text(row)),
		formatBlocks(row.removed),
	]);
	const titles = [
		...[countedParts(rows), curveTitles[metric] ?? "loss (nats)", "change"],
		...figures.map((name) => figureTitles[name]!),
		...sizes.map(({ title }) => title),
	];
	const columns = [{ title: "" }, ...titles.map((title) => ({ title, align: "right" as const })), { title: "which" }];
	return formatTable(columns, cells, style);
}

/** Perplexity after, divided by that before. */
function ratioOf({ added, standardError }: CurveRow): string {
	const ratio = added === null ? null : Math.exp(added);
	return formatRatio(ratio, ratio === null || standardError == null ? null : ratio * standardError);
}

function percentOf(share: number | null | undefined): string {
	return share === null || share === undefined ? formatLoss(null) : formatPercent(share);
}

/** One line on the surrogate. */
export function surrogateLine({ name, trainCandidates, heldOutCandidates, r2, spearman }: SurrogateSummary): string {
	const figures =
		heldOutCandidates > 0
			? `R2 ${figure(r2)}, Spearman ${figure(spearman)} on ${formatInteger(heldOutCandidates)} unseen candidates`
			: "not checked on unseen candidates";
	return `Surrogate: ${name}, fitted to ${formatInteger(trainCandidates)} candidates; ${figures}\n`;
}

/** Names with their values, aligned. */
export function factsTable(facts: readonly (readonly [name: string, value: string])[], style: TextStyle = {}): string {
	const width = Math.max(0, ...facts.map(([name]) => name.length));
	return facts
		.map(([name, value]) => `${paint("bold", name.padEnd(width), style)}  ${value}`.trimEnd())
		.map((line) => `${line}\n`)
		.join("");
}

function figure(value: number | null): string {
	return value === null ? "unknown" : value.toFixed(2);
}

function barWidth({ width = 80 }: TextStyle, taken: number): number {
	return Math.max(BAR_WIDTH.least, Math.min(BAR_WIDTH.most, width - taken));
}
