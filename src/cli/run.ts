import { existsSync } from "node:fs";
import yargs, { type Argv } from "yargs";
import { checkHeal, commandOf, expandShort, givenOptions, hasSwitch, kebab, positionalsOf, splitAtEnd, withoutEnd } from "./arguments.js";
import { type CommandFacts, nameOf } from "./command-facts.js";
import { commandNames } from "./command-list.js";
import { inOurWords, plainWording } from "./complaints.js";
import { configPath, withConfig } from "./config.js";
import { helpText } from "./help.js";
import { checkRenamed } from "./renamed.js";
import { llamaPin, packageVersion } from "./api.js";
import { applyCommand } from "./commands/apply.js";
import { buildCommand } from "./commands/build.js";
import { compareCommand } from "./commands/compare.js";
import { doctorCommand } from "./commands/doctor.js";
import { evaluateCommand } from "./commands/evaluate.js";
import { frontierCommand } from "./commands/frontier.js";
import { inspectCommand } from "./commands/inspect.js";
import { pruneCommand } from "./commands/prune.js";
import { rankCommand } from "./commands/rank.js";
import { configCommand } from "./commands/config.js";
import { runsCommand } from "./commands/runs.js";
import { speedCommand } from "./commands/speed.js";
import { CliContext, type CliIo, type GlobalArguments } from "./context.js";
import { exitCodes, UsageError } from "./exit.js";
import { globalOptions } from "./options.js";

/**
 * Runs the command line.
 * @param argv arguments without the program's name
 * @returns the exit code; what there is to say was written
 */
export async function runCli(argv: readonly string[], io: CliIo): Promise<number> {
	const words = expandShort(argv);
	const command = commandOf(words);
	const context = new CliContext(io, command);
	if (words.length === 0) return firstScreen(command, io);
	const help = helpAskedFor(words, io);
	if (help !== undefined) {
		io.stdout.write(help);
		return context.exitCode;
	}
	const cli = makeCli(context, words);
	let known: readonly string[] = words;
	try {
		known = await completed(words);
		// With a callback yargs hands its output over instead of printing it.
		await cli.parseAsync([...known], {}, (_error, _args, output) => {
			if (output) io.stdout.write(`${output}\n`);
		});
	} catch (error) {
		context.fail(inOurWords(error, { command, words, options: optionNames(cli) }), globalsOf(known));
	}
	return context.exitCode;
}

/**
 * What a person sees who types the name alone. It is no answer that was asked for, so it goes where errors go: a script that lost its
 * arguments must not take it for success.
 */
function firstScreen(command: CommandFacts, io: CliIo): number {
	io.stderr.write(helpText(command, "screen", io.stderr.columns ?? 80));
	return exitCodes.usage;
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
async function completed(words: readonly string[]): Promise<string[]> {
	const command = commandOf(words);
	checkRenamed(command, words);
	checkHeal(words);
	if (nameOf(command) === "config" && !givenOptions(words).has("check"))
		throw new UsageError(`--check is missing: prune-gguf config --check ${positionalsOf(words)[1] ?? "prune.json"}`);
	const path = configPath(words);
	if (path === undefined) return withoutEnd(words);
	if (command.options === undefined) throw new UsageError(`--config: ${nameOf(command)} has no options of its own: leave it out.`);
	return withoutEnd(await withConfig(command, words, path));
}

function makeCli(context: CliContext, argv: readonly string[]): Argv<GlobalArguments> {
	const cli = yargs();
	return cli
		.scriptName("prune-gguf")
		.locale("en")
		.updateStrings(plainWording as unknown as Record<string, string>)
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
		.command(doctorCommand(context))
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

/** Names of the options of the command that was parsed, without those of one letter and their like. */
function optionNames(cli: Argv<GlobalArguments>): string[] {
	const names = Object.keys(knownOptions(cli).key).map(kebab);
	return [...new Set(names)].filter((name) => name.length > 3);
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
