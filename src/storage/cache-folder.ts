import { chmod, mkdir, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";

/** Where ledgers, plans and builds are kept: `PRUNE_GGUF_HOME`, else the cache folder of the system's convention. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env, platform: NodeJS.Platform = process.platform): string {
	if (env.PRUNE_GGUF_HOME) return env.PRUNE_GGUF_HOME;
	if (platform === "win32" && env.LOCALAPPDATA) return join(env.LOCALAPPDATA, "prune-gguf");
	if (platform === "darwin") return join(homedir(), "Library", "Caches", "prune-gguf");
	return join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "prune-gguf");
}

/**
 * Makes a folder, and those above it, that others can neither list nor read: what is kept tells which models and texts someone works
 * with. The rights of one that is there are left as they are.
 */
export async function makePrivate(folder: string): Promise<void> {
	await mkdir(folder, { recursive: true, mode: 0o700 });
}

/**
 * Closes a folder that an earlier version made to those who can only read it: its group, and others. Who can write to it was let in on
 * purpose, and stays. Does nothing where the folder belongs to someone else.
 */
export async function closeToReaders(folder: string): Promise<void> {
	const { mode } = await stat(folder);
	const closed = mode & ~(mode & 0o020 ? 0 : 0o070) & ~(mode & 0o002 ? 0 : 0o007);
	if (closed !== mode) await chmod(folder, closed & 0o7777).catch(() => {});
}

/**
 * Makes a folder inside another, open to whom the other one is: who shares a cache would be shut out of it by a folder of someone
 * else's. The rights of one that is there are left as they are.
 */
export async function makeSharedAs(parent: string, folder: string): Promise<void> {
	// Set afterwards: the umask takes rights of a group from what is made. 0o3000: to pass the group on, and to delete one's own files only.
	if (await mkdir(folder, { recursive: true, mode: 0o700 }))
		await chmod(folder, ((await stat(parent)).mode & 0o3777) | 0o700).catch(() => {});
}
