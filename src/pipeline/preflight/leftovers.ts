import { realpath } from "node:fs/promises";
import { dirname } from "node:path";
import type { JobOptions } from "../../api/index.js";
import { logger } from "../../api/logger.js";
import { formatBytes } from "../../report/format.js";
import { shellWord } from "../../report/commands.js";
import { deletePartials } from "../../storage/partials.js";

/**
 * Deletes the unfinished files that killed runs have left in the folder of an output, and says so: nobody will finish them, and their
 * room may be needed. Those of live processes, of other machines and of the last five minutes stay; of the last it says how to delete them.
 */
export async function cleanPartials(output: string, options: JobOptions): Promise<void> {
	const folder = dirname(await realpath(output).catch(() => output));
	const log = logger(options);
	try {
		const { deleted, freed, recent } = await deletePartials(folder, false);
		if (deleted.length > 0) log("note", `deleted ${filesOf(deleted)} (${formatBytes(freed)}) in ${folder}`);
		if (recent.length > 0)
			log(
				"note",
				`${filesOf(recent)}, less than five minutes old, left in ${folder}; to delete: prune-gguf runs clean --partials ${shellWord(folder)}`,
			);
	} catch (error) {
		log("warning", `what killed runs left unfinished stays: ${(error as Error).message}`);
	}
}

function filesOf({ length }: readonly string[]): string {
	return length === 1 ? "an unfinished file of a killed run" : `${length} unfinished files of killed runs`;
}
