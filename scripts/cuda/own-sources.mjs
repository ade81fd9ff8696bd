// Warnings of our own sources in a build that is kept between runs.
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

/**
 * Removes the objects of our sources, so that the next build compiles them: a build that finds them says nothing of their warnings.
 * @param {string} folder of the build
 */
export function forgetOwnObjects(folder) {
	const objects = join(folder, "CMakeFiles", "prune_gguf.dir");
	if (!existsSync(objects)) return;
	for (const name of readdirSync(objects, { recursive: true, encoding: "utf8" })) if (/\.o(?:bj)?$/.test(name)) rmSync(join(objects, name));
}

/**
 * Of the log of a build.
 * @param {readonly string[]} lines
 */
export const ownWarnings = (lines) => lines.filter((line) => /(?:^|\/)native\/[\w.]+:\d+.*warning/i.test(line));
