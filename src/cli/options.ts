import type { ArgumentsCamelCase, Argv, CommandModule, Options } from "yargs";
import {
	type CommandOptions,
	type CommandRow,
	type OptionCommand,
	type OptionValue,
	optionGroups,
	optionsFrom,
	rowsOf,
	type Settings,
} from "./api.js";
import {
	accuraciesOption,
	blocksOption,
	choiceOption,
	choicesOption,
	durationOption,
	eachFileOption,
	filesOption,
	fileTypeOption,
	fileTypesOption,
	fractionOption,
	fractionsOption,
	integerOption,
	integersOption,
	numberOption,
	sizeOption,
	textOption,
	weightedFilesOption,
} from "./coerce.js";
import type { GlobalArguments } from "./context.js";

// What the command line makes of the table of options: options of yargs, and of their values the options of the functions.

/** A command whose handler takes what its builder declares. */
export function defineCommand<T>(command: {
	readonly command: string | string[];
	readonly describe: string;
	readonly builder: (cli: Argv<GlobalArguments>) => Argv<T>;
	readonly handler: (args: ArgumentsCamelCase<T>) => void | Promise<void>;
}): CommandModule<GlobalArguments, T> {
	return command;
}

/** Options that every command has. */
export const globalOptions = {
	json: { describe: "Print one JSON document on standard output", type: "boolean", group: optionGroups.output },
	quiet: { alias: "q", describe: "No progress and no notes", type: "boolean", group: optionGroups.output },
	verbose: { describe: "Also print details, and llama.cpp's own lines where it fails", type: "boolean", group: optionGroups.output },
} as const satisfies Record<string, Options>;

/** Positional argument: a model file. */
export const modelPositional = { describe: "GGUF file; of a split model the first part", type: "string", demandOption: true } as const;
export const outputPositional = { describe: "File to write", type: "string" } as const;

/** Adds the options of a command to its builder. */
export function withOptions<T>(cli: Argv<T>, command: OptionCommand): Argv<T> {
	return cli.options(Object.fromEntries(rowsOf(command).map((row) => [row.flag, yargsOption(row)]))) as unknown as Argv<T>;
}

/** What was given of a command's options, by the names of their settings. */
export function settingsOf<Command extends OptionCommand>(command: Command, args: Readonly<Record<string, unknown>>): Settings<Command> {
	const given = rowsOf(command).filter(({ flag }) => args[flag] !== undefined);
	return Object.fromEntries(given.map(({ name, flag }) => [name, args[flag]])) as Settings<Command>;
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
	const { value, off } = row;
	const common = {
		describe: row.default === undefined ? row.help : `${row.help} [default: ${row.default}]`,
		group: optionGroups[row.group],
	};
	if (value.kind === "switch") return { ...common, type: "boolean" };
	const read = reader(row.flag, value);
	// `--no-FLAG` arrives as `false`.
	const coerce = off === undefined ? read : (given: unknown) => (given === false ? off : read(given));
	const list = value.kind === "files" || value.kind === "weightedFiles";
	return { ...common, coerce, requiresArg: true, ...(list ? { type: "array", string: true } : { type: "string" }) };
}

/** How a value is read, by its kind. */
const readers: {
	readonly [Kind in OptionValue["kind"]]?: (
		flag: string,
		value: Extract<OptionValue, { readonly kind: Kind }>,
	) => (given: unknown) => unknown;
} = {
	integer: integerOption,
	integers: integersOption,
	number: numberOption,
	share: fractionOption,
	shares: fractionsOption,
	duration: durationOption,
	size: sizeOption,
	blocks: blocksOption,
	counts: blocksOption,
	text: textOption,
	choice: (flag, { of }) => choiceOption(flag, of),
	choices: (flag, { of }) => choicesOption(flag, of),
	fileType: fileTypeOption,
	fileTypes: fileTypesOption,
	files: filesOption,
	weightedFiles: weightedFilesOption,
	eachFile: eachFileOption,
	accuracies: accuraciesOption,
};

function reader(flag: string, value: OptionValue): (given: unknown) => unknown {
	return (readers[value.kind] as (flag: string, value: OptionValue) => (given: unknown) => unknown)(flag, value);
}
