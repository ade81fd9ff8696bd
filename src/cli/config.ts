// Config files: JSON objects whose keys are options. Their values become words of the command line, which are read as if typed.
import { exclusiveFlags, factsOf, isEstimator, methodOptions, rankMethods, readInput, rowsOf } from "./api.js";
import { givenOptions, hasSwitch, kebab, splitAtEnd, optionValue } from "./arguments.js";
import { type CommandFacts, nameOf } from "./command-facts.js";
import { allCommands } from "./command-list.js";
import { valueKind } from "./config-values.js";
import { UsageError } from "./exit.js";
import { readerOf } from "./options.js";
import { renamedTo, renamedValue } from "./renamed.js";
import { didYouMean, meantOptions } from "./suggest.js";

/** A config file that was read and is right. */
export interface Config {
	readonly command: CommandFacts;
	/** Words by the option that they give. */
	readonly words: ReadonlyMap<string, readonly string[]>;
}

/** Bytes of a config file at most: one with every option has a few thousand. */
const MAX_BYTES = 2 ** 20;

/** Options of every command that a file may give. */
const globalSwitches = ["json", "quiet", "verbose"];

/** Commands that a file may be for. */
export const configCommands = allCommands.filter(({ options }) => options !== undefined);

/**
 * @param option that names the file
 * @throws UsageError that names the file, the key and what was expected
 */
export async function readConfig(path: string, option: "--config" | "--check" = "--config"): Promise<Config> {
	const content = await contentOf(path, option);
	const command = commandIn(path, content.command);
	const words = new Map<string, readonly string[]>();
	for (const [key, value] of Object.entries(content)) {
		if (key === "command" || key === "$schema") continue;
		const renamed = renamedValue(nameOf(command), key, value);
		if (renamed !== undefined) throw new UsageError(`${path}: ${key} ${JSON.stringify(value)} has another name now: use "${renamed}".`);
		if (!globalSwitches.includes(key) && !rowsOf(command.options!).some(({ flag }) => flag === key))
			throw unknownKey(path, command, key, content);
		words.set(key, wordsOf(path, command, key, value));
	}
	for (const flags of exclusiveFlags[command.options!] ?? []) {
		const [first, second] = flags.filter((flag) => words.has(flag));
		if (second !== undefined) throw new UsageError(`${path}: ${first} and ${second} exclude each other: give one of them.`);
	}
	return { command, words };
}

async function contentOf(path: string, option: string): Promise<Readonly<Record<string, unknown>>> {
	const kind = { what: `${option}:`, give: "a config file (JSON)", mostBytes: MAX_BYTES, Failure: UsageError };
	const text = (await readInput(path, kind)).toString("utf8");
	let content: unknown;
	try {
		content = JSON.parse(text);
	} catch (error) {
		throw new UsageError(`${path}: expected JSON: ${(error as Error).message}`);
	}
	if (typeof content === "object" && content !== null && !Array.isArray(content)) return content as Readonly<Record<string, unknown>>;
	throw new UsageError(`${path}: expected a JSON object of options such as { "remove-blocks": 4 }.`);
}

function commandIn(path: string, named: unknown = "prune"): CommandFacts {
	const command = configCommands.find((facts) => nameOf(facts) === named);
	if (command !== undefined) return command;
	const names = configCommands.map(nameOf).join(", ");
	throw new UsageError(`${path}: command: expected one of ${names}, got ${JSON.stringify(named)}.`);
}

/** What is typed for a key. */
function wordsOf(path: string, command: CommandFacts, key: string, value: unknown): string[] {
	if (globalSwitches.includes(key)) {
		if (typeof value === "boolean") return value ? [`--${key}`] : [`--no-${key}`];
		throw wrongType(path, key, "true or false", value);
	}
	const row = rowsOf(command.options!).find(({ flag }) => flag === key)!;
	if (row.off !== undefined && value === false) return [`--no-${key}`];
	const { expected, words: typed } = valueKind(row.value);
	const words = typed(value);
	if (words === undefined) throw wrongType(path, key, expected, value);
	if (row.value.kind === "switch") return value === true ? [`--${key}`] : [`--no-${key}`];
	// The same checks as of what is typed, with the file and the key in the error.
	readerOf(row.value, `${path}: ${key}`)(words.length === 1 ? words[0] : words);
	return words.map((word) => `--${key}=${word}`);
}

function wrongType(path: string, key: string, expected: string, value: unknown): UsageError {
	return new UsageError(`${path}: ${key}: expected ${expected}, got ${JSON.stringify(value)}.`);
}

function unknownKey(path: string, command: CommandFacts, key: string, content: Readonly<Record<string, unknown>>): UsageError {
	const name = nameOf(command);
	const now = renamedTo(name, key, content);
	if (now !== undefined) return new UsageError(`${path}: ${key} is not an option any more: use ${now.replace(/^--/, "")}`);
	const flags = rowsOf(command.options!).map(({ flag }) => flag);
	const meant = meantOptions(key.replace(/^-+/, ""), [...flags, ...globalSwitches, "command"]);
	return new UsageError(`${path}: ${key} is no option of ${name}${didYouMean(meant)}.`);
}

/** The words of a command line with what its config file gives; options that were typed win, also over those that they exclude. */
export async function withConfig(command: CommandFacts, words: readonly string[], path: string): Promise<string[]> {
	const config = await readConfig(path);
	if (config.command !== command)
		throw new UsageError(`${path} is for the command ${nameOf(config.command)}, and ${nameOf(command)} runs.`);
	const given = givenOptions(words);
	if (given.has("q")) given.add("quiet");
	const shadowed = new Set([
		...(exclusiveFlags[command.options!] ?? []).flatMap((flags) => (flags.some((flag) => given.has(flag)) ? flags : [])),
		...unreadWith(command, words, given),
	]);
	const added = [...config.words].flatMap(([flag, typed]) => (given.has(flag) || shadowed.has(flag) ? [] : typed));
	const [options, rest] = splitAtEnd(words);
	return [...options, ...added, ...rest];
}

/** Options of the file that nothing reads with what was typed. */
function unreadWith(command: CommandFacts, words: readonly string[], given: ReadonlySet<string>): string[] {
	const method = optionValue(words, "method");
	const metric = optionValue(words, "metric");
	return [
		...(hasSwitch(words, "--no-heal", "--heal=false") ? ["heal-kind", "heal-type", "heal-heads"] : []),
		...(metric !== undefined && metric !== "accuracy" ? ["questions", "max-questions"] : []),
		...(metric === "accuracy" ? ["score-share"] : []),
		...(method === undefined ? [] : unreadBy(method)),
		...(command.options === "prune" && given.has("remove") ? ["method", ...methodOptions.map(kebab)] : []),
		...(command.options === "evaluate" && given.has("questions") ? ["preset", "window-length"] : []),
		...(command.options === "evaluate" && given.has("text") ? ["max-questions"] : []),
	];
}

/** Options that a method does not read; none for what is no method, which is refused later. */
function unreadBy(method: string): string[] {
	const known = rankMethods.find((one) => one === method);
	if (known === undefined) return [];
	const reads: readonly string[] = isEstimator(known) ? ["maxEvaluations"] : (factsOf(known).reads ?? []);
	return methodOptions.filter((name) => !reads.includes(name)).map(kebab);
}

/** The file that `--config` names; undefined where there is none. @throws UsageError */
export function configPath(words: readonly string[]): string | undefined {
	const [options] = splitAtEnd(words);
	const places = options.flatMap((word, i) => (word === "--config" || word.startsWith("--config=") ? [i] : []));
	if (places.length > 1) throw new UsageError(`--config: given ${places.length} times; give it once.`);
	const [place] = places;
	if (place === undefined) return undefined;
	const word = options[place]!;
	const path = word.includes("=") ? word.slice(word.indexOf("=") + 1) : options[place + 1];
	if (path === undefined || path === "" || path.startsWith("-")) throw new UsageError("--config: a value is missing.");
	return path;
}
