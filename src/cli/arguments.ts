// What is done to the arguments before yargs reads them: which command runs, and spellings that yargs would misread.
import { existsSync } from "node:fs";
import { rowsOf } from "./api.js";
import type { CommandFacts } from "./command-facts.js";
import { allCommands } from "./command-list.js";
import { UsageError } from "./exit.js";
import { globalFaces } from "./options.js";

/** A word that names an option; a negative number is a value. */
const isOption = (word: string) => word.startsWith("-") && word.length > 1 && !/^-\d/.test(word);

/** The words up to `--`, behind which nothing is an option, and the rest. */
export function splitAtEnd(words: readonly string[]): [options: string[], rest: string[]] {
	const end = words.indexOf("--");
	return end < 0 ? [[...words], []] : [words.slice(0, end), words.slice(end)];
}

/** The name of an option as it is written: `--removeBlocks=4` is `remove-blocks`. Undefined for what is none. */
export function optionName(word: string): string | undefined {
	const [, name] = /^--?([A-Za-z][\w-]*)(?:=.*)?$/s.exec(word) ?? [];
	return name === undefined ? undefined : kebab(name);
}

export const kebab = (name: string): string =>
	name.replace(/[A-Z]/g, (letter, index: number) => (index > 0 ? "-" : "") + letter.toLowerCase());

/**
 * Short options with values as long ones, `-qn 4` as two options, `--heal` with a value. yargs reads `-ngl 99` as three options, and the
 * word behind a `--heal` that may have a value as that.
 */
export function expandShort(words: readonly string[]): string[] {
	const [options, rest] = splitAtEnd(words);
	return [...options.flatMap(ungrouped).map(expanded), ...rest];
}

/** The switches `q` and `h` by themselves where they come in one word with each other, or before a short option with a value. */
function ungrouped(word: string): string[] {
	const [, switches, short = ""] = /^-([qh]+)((?:ngl|n|t)(?:=?[-\d.].*)?)?$/s.exec(word) ?? [];
	if (switches === undefined) return [word];
	return [...Array.from(switches, (letter) => `-${letter}`), ...(short === "" ? [] : [`-${short}`])];
}

function expanded(word: string): string {
	if (word === "--heal") return "--heal=true";
	const [, short, value] = /^-(ngl|n|t)(?:=?([-\d.].*))?$/s.exec(word) ?? [];
	if (short === undefined) return word;
	const flag = { ngl: "gpu-layers", n: "remove-blocks", t: "threads" }[short as "ngl" | "n" | "t"];
	return value === undefined ? `--${flag}` : `--${flag}=${value}`;
}

/** `--heal 10m` would heal without a limit, and write a model to a file named 10m. @throws UsageError */
export function checkHeal(words: readonly string[]): void {
	const [options] = splitAtEnd(words);
	const value = options.find((word, i) => options[i - 1] === "--heal=true" && /^\d+(\.\d+)?[smh]?$/i.test(word));
	if (value !== undefined && !existsSync(value)) throw new UsageError(`--heal takes its value with =: --heal=${value}`);
}

/**
 * Words behind `--` as yargs reads them: as files, whatever they are named. An option ends a list of files that may come before them; that
 * of the help does nothing else there.
 */
export function withoutEnd(words: readonly string[]): string[] {
	const [options, rest] = splitAtEnd(words);
	if (rest.length < 2) return options;
	const names = new Set(allCommands.map((facts) => facts.words[0] ?? "prune"));
	const files = rest.slice(1).map((word) => (word.startsWith("-") || names.has(word) ? `./${word}` : word));
	return [...options, "--help-all=false", ...files];
}

/** Options that take the word behind them; of those that take several the first is enough. */
const takesValue = new Set([
	...allCommands.flatMap(({ options }) =>
		options === undefined
			? []
			: rowsOf(options).flatMap(({ flag, value }) => (value.kind === "switch" || value.kind === "heal" ? [] : [flag])),
	),
	...globalFaces.flatMap(({ flag, meta }) => (meta === undefined ? [] : [flag])),
	"check",
]);

/** Words that are neither options nor values of options. */
export function positionalsOf(words: readonly string[]): string[] {
	const [options, rest] = splitAtEnd(words);
	const found = options.filter((word, i) => {
		if (isOption(word)) return false;
		const before = options[i - 1];
		return before === undefined || !isOption(before) || before.includes("=") || !takesValue.has(optionName(before) ?? "");
	});
	return [...found, ...rest.slice(1)];
}

/** The command that runs: `prune` where none is named. */
export function commandOf(words: readonly string[]): CommandFacts {
	const [first, second] = positionalsOf(splitAtEnd(words)[0]);
	const named = allCommands.filter((facts) => facts.words[0] === first && first !== undefined);
	return named.find((facts) => facts.words[1] === second && second !== undefined) ?? named[0] ?? allCommands[0]!;
}

/** The value of the option at a place; undefined where none was given. */
export function valueAt(options: readonly string[], index: number): string | undefined {
	const [, behind] = /=(.*)$/s.exec(options[index]!) ?? [];
	if (behind !== undefined) return behind;
	const next = options[index + 1];
	return next === undefined || next.startsWith("-") ? undefined : next;
}

/** The value of an option by its flag. */
export function optionValue(words: readonly string[], flag: string): string | undefined {
	const [options] = splitAtEnd(words);
	const at = options.findIndex((word) => isOption(word) && optionName(word) === flag);
	return at < 0 ? undefined : valueAt(options, at);
}

/** Whether one of the words is this switch. */
export const hasSwitch = (words: readonly string[], ...names: readonly string[]): boolean =>
	splitAtEnd(words)[0].some((word) => names.includes(word) || names.includes(word.replace(/=true$/, "")));

/** Names of the options that are given, `--no-` left out. */
export function givenOptions(words: readonly string[]): Set<string> {
	const names = splitAtEnd(words)[0].flatMap((word) => (isOption(word) ? (optionName(word) ?? []) : []));
	return new Set(names.map((name) => name.replace(/^no-/, "")));
}
