import type { Report } from "./report-data.js";

// Commands that a reader of the page or of the model card can copy.

/** The command that runs the pruned model in llama.cpp; undefined if no file was written. */
export function runCommand({ output }: Pick<Report, "output">): string | undefined {
	if (!output) return undefined;
	// A name that starts like an option would be read as one.
	return `llama-cli -m ${shellWord(output.name.startsWith("-") ? `./${output.name}` : output.name)}`;
}

/**
 * A word of a command, as a shell reads it.
 * @param platform whose shells will read it: on Windows a backslash separates folders, elsewhere a shell would drop it @default this one
 */
export function shellWord(word: string, platform: string = process.platform): string {
	// No name of a file on Windows holds a double quote, and all its shells know them.
	if (platform === "win32") return /^[\w@%+=:,./\\-]+$/.test(word) ? word : `"${word}"`;
	return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
