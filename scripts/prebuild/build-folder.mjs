// The folder that a prebuilt binary is compiled in. Objects in it are used again only if they were compiled with the same settings.
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";

/** Beside the folder: inside, it would be deleted with it. */
const recordOf = (folder) => `${folder}.settings.sha256`;

/**
 * Hash of what objects are compiled with. CMake does not see a change of system or CPU: only the programs that it calls name them.
 * @param {{ args: string[], files: { path: string, text: string }[], compiler: string }} settings those of configuration(), and the compiler
 *   with its version
 */
export const settingsHash = ({ args, files, compiler }) =>
	createHash("sha256")
		.update(JSON.stringify([compiler, args, files.map(({ path, text }) => [path, text])]))
		.digest("hex");

/**
 * Makes the folder ready to be configured: empties it if its objects were compiled with other settings, or if that is not known, and writes
 * the files that the settings name.
 * @returns {Promise<boolean>} whether something was deleted
 */
export async function prepareFolder(folder, settings) {
	const hash = settingsHash(settings);
	const record = recordOf(folder);
	const known = await readFile(record, "utf8").catch(() => "");
	const deleted = known.trim() !== hash && existsSync(folder);
	if (deleted) await rm(folder, { recursive: true });
	await mkdir(folder, { recursive: true });
	await writeFile(record, `${hash}\n`);
	for (const { path, text, mode } of settings.files) await writeHelper(path, text, mode);
	return deleted;
}

/** A file that is as it should be stays as old as it is: what includes it is not compiled again. */
async function writeHelper(path, text, mode) {
	if ((await readFile(path, "utf8").catch(() => undefined)) === text) return;
	await mkdir(dirname(path), { recursive: true });
	await rm(path, { force: true });
	await writeFile(path, text, { mode });
}
