import { spawnSync } from "node:child_process";
import { chmodSync } from "node:fs";

/**
 * Makes a folder read-only, with what is in it: by its permissions, or for a superuser, whom these do not stop, by mounting it once more.
 * @returns a function that undoes it; undefined if a superuser may not mount
 */
export function makeReadOnly(folder: string): (() => void) | undefined {
	if (process.getuid?.() !== 0) {
		chmodSync(folder, 0o555);
		return () => chmodSync(folder, 0o755);
	}
	if (spawnSync("mount", ["--bind", folder, folder]).status !== 0) return undefined;
	const undo = () => void spawnSync("umount", [folder]);
	if (spawnSync("mount", ["-o", "remount,bind,ro", folder]).status === 0) return undo;
	undo();
	return undefined;
}
