import type { Report } from "./report-data.js";

// Commands that a reader of the page or of the model card can copy.

/** The command that runs the pruned model in llama.cpp; undefined if no file was written. */
export function runCommand({ output }: Pick<Report, "output">): string | undefined {
	if (!output) return undefined;
	// A name that starts like an option would be read as one.
	return `llama-cli -m ${shellWord(output.name.startsWith("-") ? `./${output.name}` : output.name)}`;
}

/** A word for a shell. @internal */
export function shellWord(word: string): string {
	return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
