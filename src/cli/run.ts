import { existsSync } from "node:fs";
import yargs, { type Argv } from "yargs";
import { checkHeal, commandOf, expandShort, givenOptions, hasSwitch, kebab, positionalsOf, splitAtEnd, withoutEnd } from "./arguments.js";
import { nameOf } from "./command-facts.js";
import { commandNames } from "./command-list.js";
import { configPath, withConfig } from "./config.js";
import { helpText } from "./help.js";
import { checkRenamed } from "./renamed.js";
import { llamaPin, packageVersion } from "./api.js";
import { applyCommand } from "./commands/apply.js";
import { buildCommand } from "./commands/build.js";
import { compareCommand } from "./commands/compare.js";
import { evaluateCommand } from "./commands/evaluate.js";
import { frontierCommand } from "./commands/frontier.js";
import { inspectCommand } from "./commands/inspect.js";
import { pruneCommand } from "./commands/prune.js";
import { rankCommand } from "./commands/rank.js";
import { configCommand } from "./commands/config.js";
import { runsCommand, runsCommandNames } from "./commands/runs.js";
import { speedCommand } from "./commands/speed.js";
import { CliContext, type CliIo, type GlobalArguments } from "./context.js";
import { UsageError } from "./exit.js";
import { globalOptions } from "./options.js";
import { closest } from "./suggest.js";

/** yargs' wording made plain; every value is read as text, whatever it becomes. */
const STRINGS = {
	"Not enough non-option arguments: got %s, need at least %s": {
		one: "An argument is missing: got %s, expected at least %s.",
		other: "An argument is missing: got %s, expected at least %s.",
	},
	"Not enough arguments following: %s": "--%s: a value is missing.",
	"Missing required argument: %s": { one: "--%s is missing.", other: "These are missing: %s" },
	"Arguments %s and %s are mutually exclusive": "--%s and --%s exclude each other: give one of them.",
};

/**
 * Runs the command line.
 * @param argv arguments without the program's name
 * @returns the exit code; what there is to say was written
 */
export async function runCli(argv: readonly string[], io: CliIo): Promise<number> {
	const context = new CliContext(io);
	const words = expandShort(argv);
	const help = helpAskedFor(words, io);
	if (help !== undefined) {
		io.stdout.write(help);
		return context.exitCode;
	}
	const cli = makeCli(context, words);
	let known: readonly string[] = words;
	try {
		known = completed(words);
		// With a callback yargs hands its output over instead of printing it.
		await cli.parseAsync([...known], {}, (_error, _args, output) => {
			if (output) io.stdout.write(`${output}\n`);
		});
	} catch (error) {
		context.fail(withSuggestion(error, cli, words), globalsOf(known));
	}
	return context.exitCode;
}

/** The help, where it was asked for. */
function helpAskedFor(words: readonly string[], io: CliIo): string | undefined {
	const all = hasSwitch(words, "--help-all", "--helpAll");
	const asked = words[0] === "help" && !existsSync("help");
	if (!asked && !all && !hasSwitch(words, "--help", "-h")) return undefined;
	const about = asked ? words.slice(1) : words;
	const command = commandOf(about);
	const named = command.words.length > 0 || positionalsOf(about)[0] === "prune";
	return helpText(command, all ? "all" : named ? "command" : "screen", io.stdout.columns ?? 80);
}

/** The words with what a config file gives. @throws UsageError for old spellings, and for what is wrong in the file */
function completed(words: readonly string[]): string[] {
	const command = commandOf(words);
	checkRenamed(command, words);
	checkHeal(words);
	if (nameOf(command) === "config" && !givenOptions(words).has("check"))
		throw new UsageError(`--check is missing: prune-gguf config --check ${positionalsOf(words)[1] ?? "prune.json"}`);
	const path = configPath(words);
	if (path === undefined) return withoutEnd(words);
	if (command.options === undefined) throw new UsageError(`--config: ${nameOf(command)} has no options of its own.`);
	return withoutEnd(withConfig(command, words, path));
}

function makeCli(context: CliContext, argv: readonly string[]): Argv<GlobalArguments> {
	const cli = yargs();
	return cli
		.scriptName("prune-gguf")
		.locale("en")
		.updateStrings(STRINGS as unknown as Record<string, string>)
		.parserConfiguration({ "dot-notation": false, "parse-numbers": false, "parse-positional-numbers": false })
		.options(globalOptions)
		.command(pruneCommand(context, ["prune", ...commandNames]))
		.command(rankCommand(context))
		.command(compareCommand(context))
		.command(frontierCommand(context))
		.command(applyCommand(context))
		.command(evaluateCommand(context))
		.command(speedCommand(context))
		.command(inspectCommand(context))
		.command(buildCommand(context))
		.command(runsCommand(context))
		.command(configCommand(context))
		.middleware(() => checkSwitches(argv, switchesOf(cli)), true)
		.strict()
		.recommendCommands()
		.help(false)
		.version(`prune-gguf ${packageVersion} (llama.cpp ${llamaPin.version}, commit ${llamaPin.commit})`)
		.showHelpOnFail(false)
		.exitProcess(false)
		.fail((message, error) => {
			// Without an error it is yargs that complains: about the command line.
			throw error ?? new UsageError(message);
		}) as unknown as Argv<GlobalArguments>;
}

/** `--dry-run=yes` would read as false, and write: yargs takes every word but "true" for it. */
function checkSwitches(argv: readonly string[], switches: readonly string[]): void {
	for (const arg of splitAtEnd(argv)[0]) {
		const [, long, letters = "", value = ""] = /^-(?:-([A-Za-z-]+)|([A-Za-z]+))=(.*)$/s.exec(arg) ?? [];
		// The last of several letters in a row takes the value.
		const name = long ? kebab(long) : letters.slice(-1);
		if (switches.includes(name) && value !== "true" && value !== "false") {
			throw new UsageError(`${long ? "--" : "-"}${name}: takes no value, got ${JSON.stringify(value)}.`);
		}
	}
}

/** yargs' complaints as ours, with the option or command that was meant. */
function withSuggestion(error: unknown, cli: Argv<GlobalArguments>, argv: readonly string[]): unknown {
	if (!(error instanceof Error)) return error;
	const unknown = /^Unknown arguments?: (.*)$/.exec(error.message);
	if (!unknown) return error.name === "YError" ? new UsageError(error.message) : error;
	// yargs names an option twice: as written, and in camel case.
	const names = [...new Set((unknown[1] ?? "").split(", ").map(kebab))];
	const parts = names.map((name) => {
		const isOption = argv.some((arg) => arg.startsWith("-") && kebab(arg.replace(/^-+/, "").split("=")[0]!) === name);
		const candidates = isOption ? optionNames(cli) : argv[0] === "runs" ? runsCommandNames : [];
		const meant = closest(name, candidates);
		const dashes = !isOption ? "" : name.length > 1 ? "--" : "-";
		return `${dashes}${name}${meant ? ` (did you mean ${dashes && "--"}${meant}?)` : ""}`;
	});
	return new UsageError(`Unknown argument${parts.length > 1 ? "s" : ""}: ${parts.join(", ")}`);
}

function optionNames(cli: Argv<GlobalArguments>): string[] {
	return Object.keys(knownOptions(cli).key)
		.map(kebab)
		.filter((name) => name.length > 3);
}

/** The options without a value, of the command that was parsed. */
function switchesOf(cli: unknown): string[] {
	const { boolean, alias } = knownOptions(cli);
	return boolean.flatMap((name) => [name, ...(alias[name] ?? [])]);
}

interface KnownOptions {
	readonly key: Readonly<Record<string, unknown>>;
	readonly boolean: readonly string[];
	readonly alias: Readonly<Record<string, readonly string[]>>;
}

/** Not in the types: what yargs knows of the options of the command that was parsed. */
function knownOptions(cli: unknown): KnownOptions {
	return (cli as { getOptions(): KnownOptions }).getOptions();
}

/** What an error needs to know where the arguments could not be read. */
function globalsOf(argv: readonly string[]): GlobalArguments {
	const options = splitAtEnd(argv)[0];
	const given = (flag: string) => hasSwitch(options, `--${flag}`);
	return { json: given("json"), quiet: hasSwitch(options, "--quiet", "-q"), verbose: given("verbose") };
}
