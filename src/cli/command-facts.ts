// What help, config files and reading of arguments know of a command without running it.
import type { OptionCommand } from "./api.js";

/** One command. */
export interface CommandFacts {
	/** Words that name it: none for `prune`, which is the default. */
	readonly words: readonly string[];
	/** Where its options stand in the table; missing where it has none of its own. */
	readonly options?: OptionCommand;
	/** As usage lines show them. */
	readonly positionals: readonly { readonly name: string; readonly help: string }[];
	/** One line. */
	readonly describe: string;
	/** A command line, and what it does. */
	readonly examples: readonly (readonly [string, string])[];
	/** A further table: its title and its rows. */
	readonly notes?: { readonly title: string; readonly rows: readonly (readonly [string, string])[] };
}

export const modelArgument = { name: "<model>", help: "GGUF file; of a split model any part" } as const;

/** Its usage line without its options: `prune-gguf speed <model> [other]`. */
export const usageOf = ({ words, positionals }: CommandFacts): string =>
	["prune-gguf", ...words, ...positionals.map(({ name }) => name)].join(" ");

/** How the command is named in text: `runs clean`. */
export const nameOf = ({ words }: CommandFacts): string => words.join(" ") || "prune";
