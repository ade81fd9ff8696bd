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
	// Whatever PATH the test has.
	const run = (...[program, ...args]: [string, ...string[]]) =>
		spawnSync(program, args, { env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" } }).status === 0;
	if (!run("mount", "--bind", folder, folder)) return undefined;
	const undo = () => void run("umount", folder);
	if (run("mount", "-o", "remount,bind,ro", folder)) return undo;
	undo();
	return undefined;
}
