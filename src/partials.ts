import { dirname } from "node:path";
import type { JobOptions } from "./api.js";
import { quoted } from "./command.js";
import { formatBytes } from "./report/format.js";
import { listPartials } from "./storage/partials.js";
import { logger } from "./log.js";

/** Says which unfinished files killed runs have left in the folder of an output, and how to delete them. */
export async function notePartials(output: string, options: JobOptions): Promise<void> {
	const folder = dirname(output);
	const dead = (await listPartials(folder)).filter(({ inUse }) => !inUse);
	if (dead.length === 0) return;
	const size = formatBytes(dead.reduce((sum, partial) => sum + partial.size, 0));
	const files = dead.length === 1 ? "an unfinished file" : `${dead.length} unfinished files`;
	logger(options)(
		"note",
		`${files} of killed runs (${size}) ${dead.length === 1 ? "lies" : "lie"} in ${folder}: prune-gguf runs clean --partials ${quoted(folder)} deletes ${dead.length === 1 ? "it" : "them"}`,
	);
}
