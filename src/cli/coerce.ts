import { existsSync } from "node:fs";
import { type CalibrationFile, type FileType, fileTypeNames, type NumberRange } from "./api.js";
import { parseBlocks } from "../notation.js";
import { UsageError } from "./exit.js";

// yargs turns "abc" into NaN, `--n` without a value into its default and a repeated option into a list, all without a word.
// Every option with a value is therefore read as text (`type: "string"`, `requiresArg`) and turned into its type here.

/** Reads a whole number. */
export function integerOption(label: string, { min = 0, max = Number.MAX_SAFE_INTEGER }: NumberRange = {}) {
	return (value: unknown): number | undefined => {
		const text = single(label, value);
		if (text === undefined) return undefined;
		const number = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
		if (Number.isSafeInteger(number) && number >= min && number <= max) return number;
		throw new UsageError(`${label}: expected a whole number ${rangeText(min, max)}, got ${JSON.stringify(text)}.`);
	};
}

/** Reads a number of blocks, `all` or `auto`; -1 is `auto`, as in llama.cpp. */
export function layersOption(label: string, { max = Number.MAX_SAFE_INTEGER }: Pick<NumberRange, "max"> = {}) {
	return (value: unknown): number | "all" | "auto" | undefined => {
		const text = single(label, value)?.toLowerCase();
		if (text === undefined || text === "all" || text === "auto") return text;
		if (text === "-1") return "auto";
		const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
		if (number <= max) return number;
		throw new UsageError(`${label}: expected a whole number from 0 to ${max}, all or auto, got ${JSON.stringify(text)}.`);
	};
}

/** Reads any number. */
export function numberOption(label: string, { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY }: NumberRange = {}) {
	return (value: unknown): number | undefined => {
		const text = single(label, value);
		if (text === undefined) return undefined;
		const number = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
		if (Number.isFinite(number) && number >= min && number <= max) return number;
		throw new UsageError(`${label}: expected a number ${rangeText(min, max)}, got ${JSON.stringify(text)}.`);
	};
}

/** Reads a share of a whole between 0 and 1, both excluded: `25%` or `0.25`. */
export function fractionOption(label: string) {
	return (value: unknown): number | undefined => {
		const text = single(label, value);
		if (text === undefined) return undefined;
		const match = /^(\d+\.?\d*|\.\d+)\s*(%?)$/.exec(text);
		const share = match ? Number(match[1]) / (match[2] ? 100 : 1) : Number.NaN;
		if (share > 0 && share < 1) return share;
		const hint = share >= 1 && !match?.[2] && share < 100 ? ` Did you mean ${text}%?` : "";
		throw new UsageError(`${label}: expected a share such as 25% or 0.25, got ${JSON.stringify(text)}.${hint}`);
	};
}

/** Reads several of what `read` reads one of, with commas between, each once. */
function listOption<T>(label: string, read: (value: unknown) => T | undefined) {
	return (value: unknown): T[] | undefined => {
		const text = single(label, value);
		if (text === undefined) return undefined;
		const items = text.split(",").map((part) => read(part)!);
		const repeated = items.find((item, i) => items.indexOf(item) !== i);
		if (repeated !== undefined) throw new UsageError(`${label}: ${repeated} is named twice in ${JSON.stringify(text)}.`);
		return items;
	};
}

/** Reads whole numbers: `3,6,10`. */
export const integersOption = (label: string, range: NumberRange = {}) => listOption(label, integerOption(label, range));

/** Reads names: `CUDA0,CUDA1`. */
export const namesOption = (label: string) => listOption(label, textOption(label));

/** Reads some of a few words: `auto,greedy`. */
export const choicesOption = <const Choice extends string>(label: string, choices: readonly Choice[]) =>
	listOption(label, choiceOption(label, choices));

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 };

/** Reads a time in seconds: `90s`, `20m`, `1.5h`, or a number of seconds. */
export function durationOption(label: string) {
	return (value: unknown): number | undefined => {
		const text = single(label, value);
		if (text === undefined) return undefined;
		const match = /^(\d+\.?\d*|\.\d+)\s*([smh]?)$/i.exec(text);
		const seconds = match ? Number(match[1]) * UNITS[(match[2] || "s").toLowerCase()]! : Number.NaN;
		if (seconds > 0) return seconds;
		throw new UsageError(`${label}: expected a time such as 90s, 20m or 1.5h, got ${JSON.stringify(text)}.`);
	};
}

/** Reads blocks, attention parts and shifted pairs: `3,6-9a,12f-15a`. @returns ascending positions, see `notation.ts` */
export function blocksOption(label: string) {
	return (value: unknown): number[] | undefined => {
		const text = single(label, value);
		if (text === undefined) return undefined;
		const read = parseBlocks(text);
		if ("positions" in read) return read.positions;
		throw new UsageError(`${label}: ${read.problem} (in ${JSON.stringify(text)}).`);
	};
}

/** Reads whole numbers with ranges: `3,6-8`, ascending in the result. */
export function countsOption(label: string) {
	return (value: unknown): number[] | undefined => {
		const counts = blocksOption(label)(value);
		if (counts?.every(Number.isInteger) ?? true) return counts;
		throw new UsageError(`${label}: expected whole numbers such as 3,6-8, got ${JSON.stringify(value)}.`);
	};
}

/** Reads one text, a file name for example. */
export function textOption(label: string) {
	return (value: unknown): string | undefined => single(label, value);
}

/** Reads one of a few words. */
export function choiceOption<const Choice extends string>(label: string, choices: readonly Choice[]) {
	return (value: unknown): Choice | undefined => {
		const text = single(label, value);
		if (text === undefined) return undefined;
		const choice = choices.find((candidate) => candidate === text);
		if (choice) return choice;
		throw new UsageError(`${label}: expected one of ${choices.join(", ")}, got ${JSON.stringify(text)}.`);
	};
}

/** Reads file names; a model among them means that a list of files swallowed an argument. */
export function filesOption(label: string) {
	return (value: unknown): string[] | undefined => {
		if (value === undefined) return undefined;
		const files = (Array.isArray(value) ? value : [value]).map(String);
		if (files.length === 0 || files.includes("")) throw new UsageError(`${label}: expected one or more file names.`);
		const model = files.find((file) => /\.gguf(=[^=]*)?$/i.test(file));
		if (model === undefined) return files;
		throw new UsageError(
			`${label}: ${model} is no text. Name the model and the output before ${label}, which takes all file names after it.`,
		);
	};
}

/** Reads file names of which each may have a weight: `chat.jsonl=2`. A file whose own name ends that way is taken as it is. */
export function weightedFilesOption(label: string) {
	const files = filesOption(label);
	return (value: unknown): (string | CalibrationFile)[] | undefined =>
		files(value)?.map((file) => {
			const [, path, weight] = /^(.+)=([^=/\\]*)$/.exec(file) ?? [];
			if (path === undefined || existsSync(file)) return file;
			if (/^(\d+\.?\d*|\.\d+)$/.test(weight!) && Number(weight) > 0) return { path, weight: Number(weight) };
			throw new UsageError(
				`${label}: expected FILE or FILE=WEIGHT with a number above 0, such as notes.txt=2, got ${JSON.stringify(file)}.`,
			);
		});
}

/** Reads `NAME=45%` or `NAME=0.45`, each name once. */
export function accuraciesOption(label: string) {
	return (value: unknown): Record<string, number> | undefined => {
		if (value === undefined) return undefined;
		const all: Record<string, number> = {};
		for (const text of listed(label, value).flatMap((one) => one.split(","))) {
			const [, key = "", number, percent] = /^\s*(.+)=\s*(\d+\.?\d*|\.\d+)\s*(%?)\s*$/.exec(text) ?? [];
			const share = Number(number) / (percent ? 100 : 1);
			if (!(share > 0 && share <= 1))
				throw new UsageError(
					`${label}: expected NAME=VALUE with a share, such as arc_easy=45% or arc_easy=0.45, got ${JSON.stringify(text)}.`,
				);
			if (key in all) throw new UsageError(`${label}: ${key} is named twice.`);
			all[key] = share;
		}
		return all;
	};
}

/** Reads file names of an option that is given once for each: a list would swallow the names of the files before it. */
export function eachFileOption(label: string) {
	return (value: unknown): string[] | undefined => (value === undefined ? undefined : listed(label, value));
}

function listed(label: string, value: unknown): string[] {
	const texts = (Array.isArray(value) ? value : [value]).map((one) => String(one).trim());
	if (texts.includes("")) throw new UsageError(`${label}: a value is missing.`);
	return texts;
}

const BYTES: Readonly<Record<string, number>> = {
	"": 1,
	b: 1,
	kb: 1e3,
	mb: 1e6,
	gb: 1e9,
	tb: 1e12,
	kib: 2 ** 10,
	mib: 2 ** 20,
	gib: 2 ** 30,
	tib: 2 ** 40,
};

/** Reads a size in bytes: `60MB`, `3.5GB`, `4GiB`, or a number of bytes. */
export function sizeOption(label: string, { min = 1 }: Pick<NumberRange, "min"> = {}) {
	return (value: unknown): number | undefined => {
		const text = single(label, value);
		if (text === undefined) return undefined;
		const [, number, unit = ""] = /^(\d+\.?\d*|\.\d+)\s*([a-z]*)$/i.exec(text) ?? [];
		const bytes = Math.floor(Number(number) * (BYTES[unit.toLowerCase()] ?? Number.NaN));
		if (bytes >= min && Number.isSafeInteger(bytes)) return bytes;
		throw new UsageError(`${label}: expected a size such as 60MB, 3.5GB or 4GiB, got ${JSON.stringify(text)}.`);
	};
}

/** Reads a type of file in either case. */
export function fileTypeOption(label: string) {
	return (value: unknown): FileType | undefined => {
		const text = single(label, value);
		return text === undefined ? undefined : fileTypeOf(label, text);
	};
}

function fileTypeOf(label: string, text: string): FileType {
	const found = fileTypeNames.find((type) => type === text.toUpperCase());
	if (found) return found;
	throw new UsageError(`${label}: expected one of ${fileTypeNames.join(", ")}, got ${JSON.stringify(text)}.`);
}

/** Reads types with commas between, each once. */
export function fileTypesOption(label: string) {
	return (value: unknown): FileType[] | undefined => {
		const types = single(label, value)
			?.split(",")
			.map((text) => fileTypeOf(label, text.trim()));
		const repeated = types?.find((type, i) => types.indexOf(type) !== i);
		if (repeated !== undefined) throw new UsageError(`${label}: ${repeated} is named twice.`);
		return types;
	};
}

/** The one text that was given. @throws UsageError where it was given several times */
export function single(label: string, value: unknown): string | undefined {
	if (value === undefined) return undefined;
	if (Array.isArray(value)) throw new UsageError(`${label}: given ${value.length} times; give it once.`);
	const text = String(value).trim();
	if (text === "") throw new UsageError(`${label}: a value is missing.`);
	return text;
}

function rangeText(min: number, max: number): string {
	const most = max < Number.MAX_SAFE_INTEGER;
	const least = min > Number.NEGATIVE_INFINITY;
	if (least && most) return `from ${min} to ${max}`;
	if (least) return `of at least ${min}`;
	return most ? `of at most ${max}` : "without units";
}
