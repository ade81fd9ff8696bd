import { spawnSync } from "node:child_process";
import { chmodSync } from "node:fs";

/**
 * Makes a folder read-only: by its permissions, or for a superuser, whom these do not stop, by a file system.
 * @returns a function that undoes it; undefined if a superuser may not mount
 */
export function makeReadOnly(folder: string): (() => void) | undefined {
	if (process.getuid?.() !== 0) {
		chmodSync(folder, 0o555);
		return () => chmodSync(folder, 0o755);
	}
	if (spawnSync("mount", ["-t", "tmpfs", "-o", "ro", "tmpfs", folder]).status !== 0) return undefined;
	return () => void spawnSync("umount", [folder]);
}
