import { spawnSync } from "node:child_process";

/**
 * Mounts an empty disk in memory over a folder.
 * @returns a function that undoes it; undefined if this user may not mount
 */
export function mountSmallDisk(folder: string, bytes: number): (() => void) | undefined {
	// Whatever PATH the test has.
	const run = (program: string, ...args: string[]) =>
		spawnSync(program, args, { env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" } }).status === 0;
	return run("mount", "-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", folder) ? () => void run("umount", folder) : undefined;
}
