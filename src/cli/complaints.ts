// What yargs complains of, in our words: with the argument that is missing, and the option or command that was meant.
import { closestOf } from "./api.js";
import { kebab } from "./arguments.js";
import { type CommandFacts, nameOf, usageOf } from "./command-facts.js";
import { runsCommandNames } from "./commands/runs.js";
import { UsageError } from "./exit.js";
import { didYouMean, meantOptions } from "./suggest.js";

/** Begins the complaint of missing arguments, of which a message is made below. */
const tooFew = "missing arguments: ";

/** yargs' wording made plain; every value is read as text, whatever it becomes. */
export const plainWording = {
	"Not enough non-option arguments: got %s, need at least %s": { one: `${tooFew}%s of %s`, other: `${tooFew}%s of %s` },
	"Not enough arguments following: %s": "--%s: a value is missing.",
	"Missing required argument: %s": { one: "--%s is missing.", other: "These are missing: %s" },
	"Arguments %s and %s are mutually exclusive": "--%s and --%s exclude each other: give one of them.",
};

/** The command line that yargs complains of. */
export interface Refused {
	readonly command: CommandFacts;
	readonly words: readonly string[];
	/** Names that the command's options have. */
	readonly options: readonly string[];
}

/** A complaint of yargs as an error of ours; every other error as it is. */
export function inOurWords(error: unknown, refused: Refused): unknown {
	if (!(error instanceof Error)) return error;
	const [, unknown] = /^Unknown arguments?: (.*)$/.exec(error.message) ?? [];
	if (unknown !== undefined) return new UsageError(unknownText(unknown, refused));
	if (error.message.startsWith(tooFew))
		return new UsageError(missingText(Number.parseInt(error.message.slice(tooFew.length), 10), refused));
	return error.name === "YError" ? new UsageError(error.message) : error;
}

/** @param given arguments that are there */
function missingText(given: number, { command }: Refused): string {
	const missing = command.positionals[given]?.name.replace(/[<>]/g, "") ?? "argument";
	const of = command.words.length === 0 ? "The" : `${nameOf(command)}: the`;
	return `${of} ${missing} is missing: ${usageOf(command)}`;
}

/** @param unknown as yargs names it: an option twice, as written and in camel case */
function unknownText(unknown: string, { words, options }: Refused): string {
	const names = [...new Set(unknown.split(", ").map(kebab))];
	const parts = names.map((name) => {
		const written = (text: string) => words.some((word) => word.startsWith("-") && kebab(word.replace(/^-+/, "").split("=")[0]!) === text);
		// yargs takes --no-report for report.
		if (written(`no-${name}`)) return `--no-${name}${didYouMean(meantOptions(name, options).map((meant) => `--no-${meant}`))}`;
		if (!written(name)) return `${name}${didYouMean(words[0] === "runs" ? closestOf(name, runsCommandNames) : [])}`;
		return `${name.length > 1 ? "--" : "-"}${name}${didYouMean(meantOptions(name, options).map((meant) => `--${meant}`))}`;
	});
	return `Unknown argument${parts.length > 1 ? "s" : ""}: ${parts.join(", ")}`;
}
