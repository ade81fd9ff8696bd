// The command that does the same as a call, from the table of options.
import { methodOptions } from "../../api/methods.js";
import type { OptionCommand, OptionValue } from "../../api/options/row.js";
import type { Settings } from "../../api/options/settings.js";
import { percentOf } from "../../api/options/shape.js";
import { type CommandRow, printedRows } from "../../api/options/table.js";
import type { CalibrationFile } from "../../api/index.js";
import { weightedFiles } from "../../model/calibration/index.js";
import { amountsOf, blocksArgument } from "../../notation.js";
import { shellWord } from "../../report/commands.js";

/** @param settings what was given, and what was found for it */
export function commandLine(model: string, output: string | undefined, settings: Settings<"prune">): string {
	const words = [model, ...(output === undefined ? [] : [output])].map((word) => shellWord(word));
	return ["prune-gguf", ...words, ...flagsOf("prune", settings)].join(" ");
}

/** How much to remove, and how that is searched for: what a list of blocks says instead. */
const instead: Settings<"prune"> = {
	...Object.fromEntries(methodOptions.map((name) => [name, undefined])),
	...{ method: undefined, removeBlocks: undefined, removeFraction: undefined, removeAttention: undefined },
	...{ targetSize: undefined, targetKv: undefined },
	...{ targetSpeedup: undefined, speedupOf: undefined },
};

/**
 * The command that removes these blocks without a search.
 * @param asked what was given
 */
export function commandToRemove(
	model: string,
	output: string | undefined,
	removed: readonly number[],
	asked: Settings<"prune"> = {},
): string {
	// Racing changes how much self-generated text is drawn, and nothing of files.
	const racing = (asked.calibration ?? []).length > 0 ? { racing: undefined } : {};
	return commandLine(model, output, { ...asked, ...instead, ...racing, remove: [...removed] });
}

/**
 * A name for the file without so many blocks and attention parts, such as `m-minus-2-9a.gguf`, in the folder that the command is run in.
 * @param type of its weights, where it is another one
 */
export function outputWithout(model: string, removed: readonly number[], type?: string): string {
	const { blocks, attentions } = amountsOf(removed);
	const amounts = [...(blocks > 0 ? [blocks] : []), ...(attentions > 0 ? [`${attentions}a`] : [])];
	const without = removed.length > 0 ? `-minus-${amounts.join("-")}` : "";
	return `${model.replace(/\.gguf$/i, "").replace(/^.*[\\/]/, "")}${without}${type === undefined ? "" : `-${type}`}.gguf`;
}

function flagsOf<Command extends OptionCommand>(command: Command, settings: Settings<Command>): string[] {
	const given = settings as Given;
	return printedRows(command).flatMap((row) => joinedFlag(row, given) ?? flagOf(row, given[row.name]));
}

type Given = Readonly<Record<string, unknown>>;

/** Options whose value several settings make up. */
function joinedFlag({ flag, value }: CommandRow, given: Given): string[] | undefined {
	switch (value.kind) {
		case "amount": {
			const amount = given.removeFraction === undefined ? given.removeBlocks : percentOf(given.removeFraction as number);
			return amount === undefined ? [] : [`--${flag} ${amount}`];
		}
		case "speedup": {
			const { targetSpeedup, speedupOf } = given;
			if (targetSpeedup === undefined) return [];
			return [`--${flag} ${speedupOf === "prompt" ? "prompt:" : ""}${targetSpeedup}`];
		}
		case "heal":
			return healWords(flag, given);
		default:
			return undefined;
	}
}

function healWords(flag: string, { heal, healTokens, healTime }: Given): string[] {
	if (heal === false) return [`--no-${flag}`];
	if (healTokens !== undefined) return [`--${flag}=${healTokens}`];
	if (healTime !== undefined) return [`--${flag}=${healTime}s`];
	return heal === undefined ? [] : [`--${flag}`];
}

function flagOf({ name, flag, value, off, printed }: CommandRow, given: unknown): string[] {
	if (given === undefined) return [];
	if (value.kind === "switch") return given ? [`--${flag}`] : printed === "both" ? [`--no-${flag}`] : [];
	if (off !== undefined && given === off) return [`--no-${flag}`];
	if (printed === "off") return [];
	// All of it is what is meant where nothing is said.
	if (name === "scoreShare" && given === 1) return [];
	return wordsOf(value, given).map((word) => `--${flag} ${shellWord(word)}`);
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

/** What runs a file in llama.cpp. */
export const runInLlama = (path: string): string => `llama-cli -m ${shellWord(path)}`;
