// The command that does the same as a call, from the table of options.
import type { OptionCommand, OptionValue } from "../../api/options/row.js";
import type { Settings } from "../../api/options/settings.js";
import { type CommandRow, printedRows } from "../../api/options/table.js";
import type { CalibrationFile } from "../../api/index.js";
import { weightedFiles } from "../../model/calibration/index.js";
import { blocksArgument } from "../../report/format.js";

/** @param settings what was given, and what was found for it */
export function commandLine(model: string, output: string | undefined, settings: Settings<"prune">): string {
	const words = [model, ...(output === undefined ? [] : [output])].map(quoted);
	return ["prune-gguf", ...words, ...flagsOf("prune", settings)].join(" ");
}

function flagsOf<Command extends OptionCommand>(command: Command, settings: Settings<Command>): string[] {
	const given = settings as Readonly<Record<string, unknown>>;
	return printedRows(command).flatMap((row) => (given[row.name] === undefined ? [] : flagOf(row, given[row.name])));
}

function flagOf({ name, flag, value, off, printed }: CommandRow, given: unknown): string[] {
	if (value.kind === "switch") return given ? [`--${flag}`] : printed === "both" ? [`--no-${flag}`] : [];
	if (off !== undefined && given === off) return [`--no-${flag}`];
	// All of it is what is meant where nothing is said.
	if (name === "scoreShare" && given === 1) return [];
	const words = name === "removeFraction" ? [percentWord(given as number)] : wordsOf(value, given);
	return words.map((word) => `--${flag} ${quoted(word)}`);
}

/** A value as it is given: several words for what is given several times. */
function wordsOf({ kind }: OptionValue, given: unknown): string[] {
	switch (kind) {
		case "blocks":
			return [blocksArgument(given as readonly number[])];
		case "accuracies":
			return Object.entries(given as Readonly<Record<string, number>>).map(([name, share]) => `${name}=${share}`);
		case "weightedFiles":
			return weightedFiles(given as readonly (string | CalibrationFile)[]).map(({ path, weight }) =>
				weight === 1 ? path : `${path}=${weight}`,
			);
		case "files":
		case "eachFile":
			return [...(given as readonly string[])];
		default:
			return [Array.isArray(given) ? given.join(",") : String(given)];
	}
}

/** A share as a percentage where the command line, which divides by 100, reads that back exactly; else as a number. */
function percentWord(share: number): string {
	const percents = [15, 16, 17].map((digits) => Number((100 * share).toPrecision(digits)));
	const percent = percents.find((one) => one / 100 === share);
	return percent === undefined ? String(share) : `${percent}%`;
}

/** A word for a shell. */
export function quoted(word: string): string {
	return /^[\w@%+=:,./\\-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
