import { shellWord } from "./commands.js";
import { contextRows } from "./context.js";
import { figureText, speedChange, speedText } from "./figures.js";
import { formatBytes, formatDifference, formatDuration, formatInteger, formatRatio } from "./format.js";
import { blocksArgument, formatBlocks, kindsText } from "../notation.js";
import { halvesNote } from "./halves.js";
import { gateLine } from "./gate.js";
import { healSentence } from "./heal.js";
import { overviewFigures } from "./overview.js";
import type { Report } from "./report-data.js";
import { formatTable, paint, type TextStyle } from "./table.js";

export { gateLine } from "./gate.js";
export { speedText } from "./figures.js";

// What a run that chose a set prints. It fits a screen of 24 lines of 80 columns where possible: blank lines go first, then what the
// report shows as well.

/** Lines of a screen. */
const screen = 24;
/** Tied candidates that are named. */
const mostTied = 3;

/** Where things are, as paths. */
export interface SummaryPlaces {
	readonly output?: string | undefined;
	/** The original. */
	readonly model?: string | undefined;
	readonly plan?: string | undefined;
	readonly report?: string | undefined;
	readonly card?: string | undefined;
	/** The command that runs the file, or writes it where it was not written. */
	readonly command?: string | undefined;
	/** Of the whole run. */
	readonly seconds?: number | undefined;
}

/** What was done, the verdict, the figures, and where to go on. */
export function summaryText(report: Report, places: SummaryPlaces = {}, style: TextStyle = {}): string {
	const { width = 80 } = style;
	const lines = (text: string | undefined) => (text === undefined ? [] : wrapped(text, width).split("\n"));
	const sections = [
		[...lines(report.verdict.headline).map((line) => paint("bold", line, style)), ...fileLine(report, places)],
		[...verdictLines(report, style), ...changeLines(report, width, style)],
		[...figuresTable(report, style), ...lines(unclearSpeedText(report, places)), ...lines(captionText(report))],
		[...lines(tiedText(report, mostTied)), ...endLines(report, places, lines)],
	];
	const further = [
		...(places.plan && report.output ? [`Plan: ${places.plan}`] : []),
		...devicesLine(report),
		...(places.seconds === undefined ? [] : [`Time: ${formatDuration(places.seconds)}`]),
		...(report.quality?.sources && places.report ? [`${report.quality.sources.length} calibration texts: the report shows each.`] : []),
	];
	return `${fitted(sections, further, places).join("\n")}\n`;
}

/** What computed, if it was not the CPU alone. */
function devicesLine({ reproduce: { machine } }: Report): string[] {
	return typeof machine.devices === "string" ? [`Measured on ${machine.devices}: ${machine.blocks}`] : [];
}

/** The sections with blank lines between them as far as they fit, and before the last line what else fits. */
function fitted(sections: readonly (readonly string[])[], further: readonly string[], { command }: SummaryPlaces): string[] {
	const shown = sections.filter((lines) => lines.length > 0);
	const count = shown.reduce((sum, lines) => sum + lines.length, 0) + (command === undefined ? 0 : 1);
	const blanks = Math.max(0, Math.min(shown.length - 1, screen - count));
	const more = further.slice(0, Math.max(0, screen - count - blanks));
	const all = shown.flatMap((lines, i) => (i > 0 && i <= blanks ? ["", ...lines] : [...lines]));
	return [...all, ...more, ...(command === undefined ? [] : [command])];
}

function fileLine({ output }: Report, { output: path, plan }: SummaryPlaces): string[] {
	if (output) return [`File: ${path ?? output.name} (${formatBytes(output.bytes)})`];
	return [`No model was written.${plan === undefined ? "" : ` The plan is ${plan}`}`];
}

/** The verdict, and what to do instead as a list. */
function verdictLines({ verdict, alternatives }: Report, style: TextStyle): string[] {
	const { width = 80 } = style;
	const color = verdict.trade === "sensible" ? "green" : verdict.trade === "costly" ? "yellow" : "red";
	const item = (text: string) => wrapped(text, width - 2).split("\n");
	const { advice = [] } = verdict;
	const items = [...advice, ...(alternatives ? [alternatives.verdict] : [])];
	const mark = (i: number) => (i === 0 ? "- " : "  ");
	return [
		...wrapped(verdict.reason, width)
			.split("\n")
			.map((line) => paint(color, line, style)),
		...items.flatMap((text) => item(text).map((line, i) => `${advice.length > 0 ? mark(i) : ""}${line}`)),
	];
}

/** What was done to the model beside removing blocks, and the limits. */
function changeLines(report: Report, width: number, style: TextStyle): string[] {
	const { heal, limits = [], removal, model } = report;
	const texts = [halvesNote(removal?.removed ?? [], model.architecture), quantizedText(report), heal && healSentence(heal, report)].filter(
		(text) => text !== undefined,
	);
	return [
		...texts.flatMap((text) => wrapped(text, width).split("\n")),
		...limits.map((figure) => paint(figure.met ? "green" : "red", gateLine(figure), style)),
	];
}

/** The figures that the verdict is about. */
function figuresTable(report: Report, style: TextStyle): string[] {
	const { figures, measured } = overviewFigures(report);
	const rows = [
		...figures.map(figureText),
		...measured.map((figure) => (figure.unit === "bytes" ? speedText(figure) : { ...speedText(figure), change: speedChange(figure) })),
		...contextRows(report),
	];
	if (rows.length === 0) return [];
	const right = "right" as const;
	const columns = [{ title: "" }, { title: "original", align: right }, { title: "pruned", align: right }, { title: "change" }];
	const cells = rows.map(({ title, before, after, change }) => [title, before, after, change]);
	return formatTable(columns, cells, style).trimEnd().split("\n");
}

/** A change of speed that is not measurable is within the noise of a quiet machine up to this ratio of its ends. */
const quietRange = 1.3;

/** What to do if other programs drowned the change of a speed; undefined if they did not. */
export function unclearSpeedText(report: Report, { model = "MODEL", output = "OUT" }: SummaryPlaces = {}): string | undefined {
	const isUnclear = overviewFigures(report).measured.some(
		({ unit, interval }) =>
			unit !== "bytes" && interval && interval.low <= 1 && interval.high >= 1 && interval.high > quietRange * interval.low,
	);
	if (!isUnclear) return undefined;
	const removed = report.removal?.removed ?? [];
	const second = report.output ? shellWord(output) : `--remove ${blocksArgument(removed)}`;
	return `The speed is unclear: close other programs, run prune-gguf speed ${shellWord(model)} ${second}.`;
}

/** What perplexity is measured on, and memory for, and what stands beside a change. */
function captionText(report: Report): string | undefined {
	const { quality, speed } = report;
	const text = quality
		? `Perplexity is measured on ${formatInteger(quality.tokens)} tokens of ${quality.text}: not comparable with published figures.`
		: undefined;
	const memory = speed?.context === undefined ? undefined : `Memory is for ${formatInteger(speed.context)} tokens of context.`;
	const sentences = [text, memory, errorsText(report)].filter((sentence) => sentence !== undefined);
	return sentences.length === 0 ? undefined : sentences.join(" ");
}

function errorsText(report: Report): string | undefined {
	const { figures, measured } = overviewFigures(report);
	const errors = figures.some(({ standardError }) => standardError !== undefined) ? "± is one standard error" : undefined;
	const ranges = measured.some(({ unit, interval }) => unit !== "bytes" && interval) ? "ranges are 95 % intervals" : undefined;
	if (errors && ranges) return `${errors}; ${ranges}.`;
	if (errors) return `${errors}.`;
	return ranges && "Ranges are 95 % intervals.";
}

function endLines({ output }: Report, { report, card }: SummaryPlaces, lines: (text: string | undefined) => string[]): string[] {
	return [
		...lines(output && `Verified: ${output.verification}`),
		...(report === undefined ? [] : [`Report: ${report}`]),
		...(card === undefined ? [] : [`Model card: ${card}`]),
	];
}

/** Candidates whose difference from the chosen one is within the error; undefined if there are none. @param most that are named */
export function tiedText({ removal, curve }: Report, most = Number.POSITIVE_INFINITY): string | undefined {
	const sets = removal?.tied ?? [];
	if (sets.length === 0) return undefined;
	const named = sets.slice(0, most).map(({ removed }) => formatBlocks(removed));
	const more = sets.length > most ? `; and ${sets.length - most} more` : "";
	const windows = sets[0]!.windows === undefined ? undefined : Math.max(...sets.map((set) => set.windows ?? 0));
	const unit = curve?.metric === "accuracy" ? "questions" : "windows";
	// Those that the race left out for better ones were measured on less text.
	const reached = sets.every((set) => set.windows === windows) ? "" : "up to ";
	const where = windows === undefined ? "the validation split" : `${reached}${formatInteger(windows)} validation ${unit}`;
	return `Statistically tied on ${where}: ${named.join("; ")}${more}`;
}

/** What of a quantized file's figures is the removal; undefined if nothing was quantized. */
export function quantizedText(report: Report): string | undefined {
	const { quality } = report;
	if (!quality?.quantized) return undefined;
	const { type, from } = quality.quantized;
	const weights = from === undefined ? "" : ` from the weights of ${from}`;
	const alone = quality.splits.find(({ split }) => split === "heldOut");
	const cost = stepsText(report) ?? (alone && aloneText(alone, kindsText(report.removal?.removed ?? [])));
	return `Quantized to ${type}${weights}.${cost ? ` ${cost}` : ""}`;
}

/** What each step did to perplexity, if the file was healed and quantized and all of it was measured on the same text. */
function stepsText({ quality, heal, removal: taken }: Report): string | undefined {
	const isHeldOut = ({ split }: { readonly split: string }) => split === "heldOut";
	const removal = quality?.splits.find(isHeldOut)?.difference;
	const healing = heal?.applied ? heal.splits.find(isHeldOut)?.difference : undefined;
	const all = quality?.figures.find(({ name }) => name === "loss")?.change;
	if (removal == null || healing == null || all == null) return undefined;
	const times = (difference: number) => formatRatio(Math.exp(difference));
	const steps = [
		`removing ${kindsText(taken?.removed ?? [])} ${times(removal)}`,
		`healing ${times(healing)}`,
		`quantizing ${times(all - removal - healing)}`,
	];
	return `Perplexity step by step: ${steps.join(", ")}; in all ${times(all)}.`;
}

/** @param what is removed, in the plural */
function aloneText({ difference, standardError }: NonNullable<Report["quality"]>["splits"][number], what: string): string {
	if (difference === null) return `With the ${what} removed and nothing quantized, the model gives no finite loss.`;
	const nats = formatDifference(Math.abs(difference), standardError).replace(/^\+/, "");
	return `Removing the ${what} alone ${difference < 0 ? "lowers the loss by" : "adds"} ${nats} nats per token.`;
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
