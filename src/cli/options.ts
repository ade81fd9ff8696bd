import type { ArgumentsCamelCase, Argv, CommandModule, Options } from "yargs";
import {
	type CommandOptions,
	type CommandRow,
	type OptionCommand,
	type OptionValue,
	exclusiveFlags,
	optionsFrom,
	rowsOf,
	type Settings,
} from "./api.js";
import {
	accuraciesOption,
	blocksOption,
	countsOption,
	choiceOption,
	choicesOption,
	durationOption,
	eachFileOption,
	filesOption,
	fileTypeOption,
	fileTypesOption,
	fractionOption,
	integerOption,
	integersOption,
	layersOption,
	namesOption,
	numberOption,
	sizeOption,
	textOption,
	weightedFilesOption,
} from "./coerce.js";
import { amountOption, amountsOption, healOption, speedupOption } from "./coerce-joined.js";
import type { GlobalArguments } from "./context.js";

// What the command line makes of the table of options: options of yargs, and of their values the options of the functions.

/** A command whose handler takes what its builder declares. */
export function defineCommand<T>(command: {
	readonly command: string | string[];
	readonly builder: (cli: Argv<GlobalArguments>) => Argv<T>;
	readonly handler: (args: ArgumentsCamelCase<T>) => void | Promise<void>;
}): CommandModule<GlobalArguments, T> {
	return command;
}

/** What the help says of an option of every command. */
export interface GlobalFace {
	readonly flag: string;
	readonly short?: string;
	/** Where it takes a value. */
	readonly meta?: string;
	readonly help: string;
}

/** Options of every command. */
export const globalFaces: readonly GlobalFace[] = [
	{ flag: "json", help: "Print one JSON document to standard output" },
	{ flag: "quiet", short: "q", help: "Print no progress and no notes" },
	{ flag: "verbose", help: "Print details, and llama.cpp's messages if it fails" },
	{ flag: "config", meta: "<FILE>", help: "Read options from a JSON file; options of the command line win" },
	{ flag: "help", short: "h", help: "Show help" },
	{ flag: "help-all", help: "Show help with all options" },
	{ flag: "version", help: "Show the versions of prune-gguf and llama.cpp" },
];

/** The same for yargs; it shows the version itself. */
export const globalOptions: Readonly<Record<string, Options>> = Object.fromEntries(
	globalFaces
		.filter(({ flag }) => flag !== "version")
		.map(({ flag, short, meta }): [string, Options] => [
			flag,
			{
				...(short === undefined ? {} : { alias: short }),
				...(meta === undefined ? { type: "boolean" } : { type: "string", requiresArg: true, coerce: textOption(`--${flag}`) }),
			},
		]),
);

/** Positional argument: a model file. */
export const modelPositional = { type: "string", demandOption: true } as const;
export const outputPositional = { type: "string" } as const;

/** Adds the options of a command to its builder. */
export function withOptions<T>(cli: Argv<T>, command: OptionCommand): Argv<T> {
	const rows = rowsOf(command);
	cli.options(Object.fromEntries(rows.map((row) => [row.flag, yargsOption(row)])));
	for (const flags of exclusiveFlags[command] ?? [])
		for (const [i, flag] of flags.entries()) if (i + 1 < flags.length) cli.conflicts(flag, flags.slice(i + 1));
	return cli;
}

/** Options whose value says several settings. */
const joined: readonly OptionValue["kind"][] = ["amount", "amounts", "speedup", "heal"];

/** What was given of a command's options, by the names of their settings. */
export function settingsOf<Command extends OptionCommand>(command: Command, args: Readonly<Record<string, unknown>>): Settings<Command> {
	const settings: Record<string, unknown> = {};
	for (const { name, flag, value } of rowsOf(command)) {
		if (args[flag] === undefined) continue;
		if (joined.includes(value.kind)) Object.assign(settings, args[flag]);
		else settings[name] = args[flag];
	}
	return settings as Settings<Command>;
}

/** The same as the options of the command's function. */
export function optionsOf<Command extends OptionCommand>(
	command: Command,
	args: Readonly<Record<string, unknown>>,
): CommandOptions[Command] {
	return optionsFrom(command, settingsOf(command, args));
}

/** Options with a value are read as text, so that yargs turns nothing into NaN or a list without a word. */
function yargsOption(row: CommandRow): Options {
	const { value, off, short } = row;
	const common = short === undefined ? {} : { alias: short };
	if (value.kind === "switch") return { ...common, type: "boolean" };
	const read = readerOf(value, `--${row.flag}`);
	// `--no-FLAG` arrives as `false`.
	const coerce = off === undefined ? read : (given: unknown) => (given === false ? off : read(given));
	const list = value.kind === "files" || value.kind === "weightedFiles";
	return { ...common, coerce, requiresArg: true, ...(list ? { type: "array", string: true } : { type: "string" }) };
}

/** How a value is read, by its kind. Errors begin with the label: the option, or the key of a file. */
const readers: {
	readonly [Kind in OptionValue["kind"]]?: (
		label: string,
		value: Extract<OptionValue, { readonly kind: Kind }>,
	) => (given: unknown) => unknown;
} = {
	integer: integerOption,
	integers: integersOption,
	number: numberOption,
	amount: amountOption,
	amounts: amountsOption,
	share: fractionOption,
	duration: durationOption,
	size: sizeOption,
	speedup: speedupOption,
	heal: healOption,
	blocks: blocksOption,
	counts: countsOption,
	layers: layersOption,
	names: namesOption,
	text: textOption,
	choice: (label, { of }) => choiceOption(label, of),
	choices: (label, { of }) => choicesOption(label, of),
	fileType: fileTypeOption,
	fileTypes: fileTypesOption,
	files: filesOption,
	weightedFiles: weightedFilesOption,
	eachFile: eachFileOption,
	accuracies: accuraciesOption,
};

/** Reads the text of a value. */
export function readerOf(value: OptionValue, label: string): (given: unknown) => unknown {
	return (readers[value.kind] as (label: string, value: OptionValue) => (given: unknown) => unknown)(label, value);
}
