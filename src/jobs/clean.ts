import type { CleanOptions, CleanResult } from "../api/runs.js";
import { checkCall } from "../pipeline/preflight/call.js";
import { checkKeys } from "../pipeline/preflight/option-keys.js";
import { deleteRuns } from "../storage/runs.js";

/**
 * Deletes ledgers, plans and what dead processes left (never anything else) and the folders that this leaves empty.
 * @throws InvalidOptionError if nothing says what to delete, no model has that name, or a name of an option is none
 */
export async function cleanRuns(options: CleanOptions): Promise<CleanResult> {
	checkCall("clean", {}, options);
	checkKeys("clean", options);
	return deleteRuns(options);
}
