import { realpath } from "node:fs/promises";
import { dirname } from "node:path";
import type { JobOptions } from "../../api/index.js";
import { logger } from "../../api/logger.js";
import { formatBytes } from "../../report/format.js";
import { deletePartials } from "../../storage/partials.js";

/**
 * Deletes the unfinished files that killed runs have left in the folder of an output, and says so: nobody will finish them, and their
 * room may be needed. Those of live processes, and of other machines, stay.
 */
export async function cleanPartials(output: string, options: JobOptions): Promise<void> {
	const folder = dirname(await realpath(output).catch(() => output));
	try {
		const { deleted, freed } = await deletePartials(folder);
		if (deleted.length === 0) return;
		const files = deleted.length === 1 ? "an unfinished file of a killed run" : `${deleted.length} unfinished files of killed runs`;
		logger(options)("note", `deleted ${files} (${formatBytes(freed)}) in ${folder}`);
	} catch (error) {
		logger(options)("warning", `what killed runs left unfinished stays: ${(error as Error).message}`);
	}
}
