// The help: a first screen, that of a command, and all of it. Written from the table of options and the facts of the commands.
import { type CommandRow, groupTitles, type OptionValue, rowsOf } from "./api.js";
import { type CommandFacts, nameOf, usageOf } from "./command-facts.js";
import { allCommands } from "./command-list.js";
import { globalFaces } from "./options.js";

/** What is shown: the first screen, what most people need of a command, or all. */
export type HelpKind = "screen" | "command" | "all";

const blocksAndCodes = `Blocks are numbered from 0, as in the tensor names (blk.0, blk.1, ...).
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 quality limit missed, 130 interrupted.`;

/** @param width columns, at most 100 are used */
export function helpText(command: CommandFacts, kind: HelpKind, width: number): string {
	const columns = Math.max(60, Math.min(100, width));
	return `${kind === "screen" ? firstScreen(columns) : commandHelp(command, kind === "all", columns)}\n`;
}

/** What a person needs who has a model and has never seen the program. */
function firstScreen(width: number): string {
	const rows = rowsOf("prune").filter(({ level }) => level === "basic");
	const commands = allCommands.filter(({ words }) => words.length < 2).map(nameOf);
	return [
		...wrapped("prune-gguf removes transformer blocks from GGUF models: smaller, faster files.", width),
		"",
		...table(
			[
				["prune-gguf model.gguf", "Measure what removing blocks would cost"],
				["prune-gguf model.gguf small.gguf -n 4", "Remove 4 blocks, measure the result, verify the file"],
			],
			width,
		),
		"",
		"Options:",
		...table(
			rows.map((row) => [termOf(row), shortHelp(row)]),
			width,
		),
		"",
		...wrapped(`Commands: ${commands.join(", ")}`, width),
		"",
		"More: prune-gguf <command> --help, and --help-all for every option.",
	].join("\n");
}

/** The help of an option up to its first further remark. */
function shortHelp({ help }: CommandRow): string {
	return help.split(/; | \(/)[0]!;
}

function commandHelp(command: CommandFacts, all: boolean, width: number): string {
	const { words, positionals, examples, notes, options } = command;
	const rows = options === undefined ? [] : rowsOf(options);
	const titles = options === undefined ? [] : groupTitles(options);
	const shown = rows.filter(({ level }) => level !== "research");
	const research = rows.filter(({ level }) => level === "research");
	const isDefault = words.length === 0;
	const parts = [
		[`Usage: ${usageOf(command)} [options]`, "", ...wrapped(command.describe, width)],
		isDefault && all ? section("Commands", commandRows(), width) : [],
		section(
			"Arguments",
			positionals.map(({ name, help }) => [name, help]),
			width,
		),
		...titles.map(([group, title]) => section(title, optionRows(shown.filter((row) => row.group === group)), width)),
		all ? section("Research", optionRows(research), width) : [],
		section("General", globalRows(command), width),
		examples.length === 0 ? [] : ["Examples:", ...exampleLines(examples)],
		notes === undefined ? [] : section(notes.title, notes.rows, width),
		isDefault ? blocksAndCodes.split("\n") : [],
		!all && research.length > 0 ? [`--help-all also shows ${research.length} research options.`] : [],
	];
	return parts
		.filter((lines) => lines.length > 0)
		.map((lines) => lines.join("\n"))
		.join("\n\n");
}

type TableRow = readonly [term: string, text: string];

const commandRows = (): TableRow[] => allCommands.map((facts) => [nameOf(facts), facts.describe]);

const optionRows = (rows: readonly CommandRow[]): TableRow[] =>
	rows.map((row) => [termOf(row), row.default === undefined ? row.help : `${row.help} [default: ${row.default}]`]);

/** Options of every command; a config file has nothing to give where there are no others. */
const globalRows = ({ options }: CommandFacts): TableRow[] =>
	globalFaces
		.filter(({ flag }) => flag !== "config" || options !== undefined)
		.map(({ flag, short, meta, help }) => [
			`${short === undefined ? "    " : `-${short}, `}--${flag}${meta === undefined ? "" : ` ${meta}`}`,
			help,
		]);

/** An option as it is written: `-n, --remove-blocks <N|SHARE>`. */
function termOf({ flag, short, value, meta = metaOf(value) }: CommandRow): string {
	const names = `${short === undefined ? "    " : `-${short}, `}--${flag}`;
	return meta === "" || meta.startsWith("[") ? `${names}${meta}` : `${names} ${meta}`;
}

const metas: Readonly<Partial<Record<OptionValue["kind"], string>>> = {
	...{ switch: "", integer: "<N>", integers: "<N,N>", number: "<N>", share: "<SHARE>", duration: "<TIME>", size: "<SIZE>" },
	...{
		blocks: "<LIST>",
		counts: "<N,N>",
		layers: "<N>",
		names: "<NAME,NAME>",
		text: "<FILE>",
		choice: "<NAME>",
		choices: "<NAME,NAME>",
		fileType: "<TYPE>",
	},
	...{ fileTypes: "<TYPE,TYPE>", files: "<FILE...>", weightedFiles: "<FILE...>", eachFile: "<FILE>", accuracies: "<NAME=SHARE>" },
};

const metaOf = ({ kind }: OptionValue): string => metas[kind] ?? "<VALUE>";

function section(title: string, rows: readonly TableRow[], width: number): string[] {
	return rows.length === 0 ? [] : [`${title}:`, ...table(rows, width)];
}

/** Widest term beside which its text still begins. */
const widestTerm = 38;

function table(rows: readonly TableRow[], width: number): string[] {
	const longest = Math.max(...rows.map(([term]) => term.length));
	const column = Math.min(longest, widestTerm);
	return rows.flatMap(([term, text]) => {
		const [first = "", ...more] = wrapped(text, width - column - 4);
		const indent = " ".repeat(column + 4);
		const following = more.map((line) => indent + line);
		if (term.length > column) return [`  ${term}`, indent + first, ...following];
		return [`  ${term.padEnd(column)}  ${first}`.trimEnd(), ...following];
	});
}

function exampleLines(examples: CommandFacts["examples"]): string[] {
	return examples.flatMap(([line, does]) => [`  ${does}:`, `    ${line}`]);
}

function wrapped(text: string, width: number): string[] {
	const lines: string[] = [];
	for (const word of text.split(" ")) {
		const last = lines.at(-1);
		if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
		else lines.push(word);
	}
	return lines;
}
