import { type FigureText, figureText, percentChange } from "./figures.js";
import { formatBlocks, formatDifference, formatSignificant } from "./format.js";
import { limitText, measuredText } from "./gate.js";
import type { Report, ReportSpeed } from "./report-data.js";
import { healSentence } from "./heal.js";
import { formatTable, paint, type TextStyle } from "./table.js";
import { sourcesTable, surrogateLine } from "./terminal.js";

// What a run that chose a set prints: the verdict, then the figures. It fits a screen of 24 lines of 80 columns, with the lines that
// name the files: what does not is in the report.

/** Lines of a screen, and those that name the method, the files and the time. */
const screen = 24;
const otherLines = 7;
/** Most limits of the gate. */
const mostLimits = 3;

/** Of a model as it is without its blocks. */
const unhealedText = "Not healed: --heal can make up for part of what the cuts cost, without training.";

/** The verdict and the figures behind it, without the names of files. */
export function summaryText(report: Report, style: TextStyle = {}): string {
	const { verdict, gate, collapse } = report;
	const { width = 80 } = style;
	const color = verdict.trade === "sensible" ? "green" : verdict.trade === "costly" ? "yellow" : "red";
	const parts = [paint("bold", wrapped(verdict.headline, width), style), paint(color, wrapped(verdict.reason, width), style)];
	parts.push("", rowsTable(report, style).trimEnd());
	if (report.speed) parts.push(wrapped(speedLine(report.speed), width));
	const [missed, ...others] = (gate ?? []).filter(({ met }) => !met);
	if (missed) parts.push(paint("red", `${gateLine(missed)}${others.length > 0 ? `; and ${others.length} more` : ""}`, style));
	if (collapse && collapse.length > 0) {
		const texts = collapse.length === 1 ? "1 text" : `${collapse.length} texts`;
		parts.push(paint("red", `${texts} collapsed: ${kindsOf(collapse)}`, style));
	}
	const count = () => parts.join("\n").split("\n").length;
	parts.push(...thatFit(furtherTexts(report, width, style), screen - otherLines - count()));
	parts.push(...detailLines(report, screen - otherLines - count(), style));
	const hint = wrapped(unhealedText, width);
	const refused = report.reproduce.options.heal === false || report.quality?.quantized?.from !== undefined;
	const healable = report.removal && !report.heal && !refused;
	if (healable && count() + hint.split("\n").length <= screen - otherLines) parts.push(hint);
	return `${parts.join("\n")}\n`;
}

/** What is said where there is room, the most telling first, each with its name. */
function furtherTexts(report: Report, width: number, style: TextStyle): [name: string, text: string][] {
	const { alternatives, heal, gate } = report;
	const quantized = quantizedText(report);
	const met = (gate ?? []).filter((figure) => figure.met).slice(0, mostLimits);
	const texts: [string, string][] = [];
	if (alternatives) texts.push(["quantizing instead", wrapped(alternatives.verdict, width)]);
	if (quantized) texts.push(["quantizing", wrapped(quantized, width)]);
	if (heal) texts.push(["healing", wrapped(healSentence(heal), width)]);
	const tied = tiedText(report, 3);
	if (tied) texts.push(["tied sets", wrapped(tied, width)]);
	if (met.length > 0) texts.push(["limits that are met", met.map((figure) => paint("green", gateLine(figure), style)).join("\n")]);
	return texts;
}

/** Sets that are as good as the chosen one as far as the race can tell; undefined where there are none. @param most sets that are named */
export function tiedText({ removal, curve }: Report, most = Number.POSITIVE_INFINITY): string | undefined {
	const sets = removal?.tied ?? [];
	if (sets.length === 0) return undefined;
	const named = sets
		.slice(0, most)
		.map(
			({ removed, method, above, standardError, by }) =>
				`${formatBlocks(removed)} (${method}, ${formatDifference(above, standardError)}${by ? ` in ${by}` : ""})`,
		);
	const more = sets.length > most ? `; and ${sets.length - most} more` : "";
	const { windows } = sets[0]!;
	const unit = curve?.metric === "accuracy" ? "questions" : "windows";
	const text = windows === undefined ? "The validation text" : `The race (${windows} ${unit} that no search has seen)`;
	return `${text} cannot tell this set from ${named.join("; ")}${more}.`;
}

/** Of texts those that so many lines hold, and a line that names the others. */
function thatFit(texts: readonly (readonly [name: string, text: string])[], room: number): string[] {
	const linesOf = (text: string) => text.split("\n").length;
	const all = texts.reduce((sum, [, text]) => sum + linesOf(text), 0);
	let left = all <= room ? room : room - 1;
	const shown: string[] = [];
	const more: string[] = [];
	for (const [name, text] of texts) {
		left -= linesOf(text);
		if (left >= 0) shown.push(text);
		else {
			left += linesOf(text);
			more.push(name);
		}
	}
	return more.length === 0 ? shown : [...shown, `The report has more: ${more.join(", ")}.`];
}

/** What is shown where so many lines are left for it. */
function detailLines({ quality, surrogate }: Report, room: number, style: TextStyle): string[] {
	const rows = (quality?.sources ?? []).map(({ before, after, ...rest }) => ({ ...rest, full: before, removed: after }));
	const line = surrogate ? [surrogateLine(surrogate).trimEnd()] : [];
	if (rows.length === 0) return line;
	if (room < 1) return [];
	if (rows.length + 2 > room) return [`${rows.length} sources: the report has each.`];
	return ["", sourcesTable(rows, style).trimEnd(), ...(rows.length + 2 + line.length > room ? [] : line)];
}

/** How fast and how large it is beside before, in one line of a screen; the report has the figures. */
export function speedLine({ figures }: ReportSpeed): string {
	const find = (name: string) => figures.filter((figure) => figure.name === name);
	const rates = ["generation", "prompt"].flatMap((name) => find(name).map(({ ratio }) => `${name} x ${ratio.toFixed(2)}`));
	const sizes = [...find("memory"), ...find("kvCache")].map(
		({ name, ratio }) => `${name === "memory" ? "memory" : "KV cache"} ${percentChange(ratio)}`,
	);
	return `Speed: ${[rates.join(", "), sizes.join(", ")].filter(Boolean).join("; ")}.`;
}

function rowsTable({ quality }: Report, style: TextStyle): string {
	const right = "right" as const;
	const columns = [
		{ title: quality?.quantized ? `held-out split, ${quality.quantized.type}` : "held-out split" },
		{ title: "before", align: right },
		{ title: "after", align: right },
		{ title: "change", align: right },
	];
	const rows: Omit<FigureText, "interval">[] = (quality?.figures ?? []).map(figureText);
	return formatTable(
		columns,
		rows.map(({ title, before, after, change }) => [title, before, after, change]),
		style,
	);
}

/** What of a quantized file's figures is the removal; undefined where nothing was quantized. */
export function quantizedText({ quality }: Report): string | undefined {
	if (!quality?.quantized) return undefined;
	const { type, from } = quality.quantized;
	const weights = from === undefined ? "" : ` from the weights of ${from}`;
	const alone = quality.splits.find(({ split }) => split === "heldOut");
	const removal = alone
		? `; removing the blocks alone adds ${formatDifference(alone.difference, alone.standardError).replace(/^\+/, "")}`
		: "";
	return `Quantized to ${type}${weights}, measured as written${removal}.`;
}

const speedTitles: Readonly<Record<string, string>> = {
	prompt: "prompt (tokens/s)",
	generation: "generation (tokens/s)",
	memory: "memory in all",
	weights: "of it weights",
	compute: "of it compute buffers",
	kvCache: "of it key-value cache",
};

/** A figure of the speed as text. */
export function speedText(figure: ReportSpeed["figures"][number]): FigureText {
	const change = { name: speedTitles[figure.name] ?? figure.name, change: figure.ratio, isRatio: true, interval: figure.interval };
	const values = { before: figure.before.value, after: figure.after.value };
	if (figure.unit === "bytes") return figureText({ ...values, ...change, unit: "bytes" });
	const text = figureText({ ...values, ...change, unit: "count" });
	return { ...text, before: formatSignificant(values.before), after: formatSignificant(values.after) };
}

/** One limit on a line. */
export function gateLine(figure: Parameters<typeof measuredText>[0] & { readonly limit: number; readonly met: boolean }): string {
	const { name, limit, met } = figure;
	return `${met ? "met" : "NOT MET"}: ${name} ${limitText(name, limit)}, measured ${measuredText(figure)}`;
}

function kindsOf(collapse: NonNullable<Report["collapse"]>): string {
	return [...new Set(collapse.map(({ kind }) => kind))].join(", ");
}

/** Words put into lines of so many columns. */
export function wrapped(text: string, width: number): string {
	const lines: string[] = [];
	let line = "";
	for (const word of text.split(" ")) {
		if (line !== "" && line.length + 1 + word.length > width) {
			lines.push(line);
			line = word;
		} else line = line === "" ? word : `${line} ${word}`;
	}
	return [...lines, line].join("\n");
}
