// What others could have changed in the cache: native code there is run with the rights of whoever runs prune-gguf.
import { chmod, lstat, stat } from "node:fs/promises";
import { isAbsolute, join, relative, sep } from "node:path";
import { cacheFolder } from "./cache-folder.js";

/** Group and others. */
const WRITE = 0o022;
const ENTER = 0o011;
/** In a sticky folder only its owner renames and deletes an entry. */
const STICKY = 0o1000;

/**
 * Why something in the cache may be another user's work: it, or a folder between it and the cache folder, belongs to another user than this
 * one and root, or others may write to it. Who shares the cache folder itself decided that. Nothing below a folder that is closed to others
 * is reached by them.
 * @returns undefined for what is safe, is outside the cache, or is missing, and on Windows, which has no modes
 */
export async function exposedBy(path: string, cache: string = cacheFolder()): Promise<string | undefined> {
	const user = process.getuid?.();
	if (user === undefined) return undefined;
	if (!isCached(path, cache)) return undefined;
	const isOwn = ({ uid }: { readonly uid: number }) => uid === user || uid === 0;
	const root = await stat(cache).catch(() => undefined);
	if (!root || (isOwn(root) && (root.mode & ENTER) === 0)) return undefined;
	const inside = relative(cache, path).split(sep);
	for (let i = 1; i <= inside.length; i++) {
		const at = join(cache, ...inside.slice(0, i));
		// The owner of a link can let it lead elsewhere.
		const [link, found] = await Promise.all([lstat(at), stat(at)]).catch(() => []);
		if (!link || !found) return undefined;
		const other = [link, found].find((one) => !isOwn(one));
		if (other) return `${at} belongs to another user (number ${other.uid})`;
		const isFolder = found.isDirectory();
		if (isFolder && (found.mode & ENTER) === 0) return undefined;
		if ((found.mode & WRITE) !== 0 && !(isFolder && (found.mode & STICKY) !== 0))
			return `other users may write to ${at} (mode ${(found.mode & 0o777).toString(8)})`;
	}
	return undefined;
}

/** Takes from group and others the right to write to a file or folder; nothing for what is missing or belongs to someone else. */
export async function closeToWriters(path: string): Promise<void> {
	const mode = (await stat(path).catch(() => undefined))?.mode;
	if (process.getuid !== undefined && mode !== undefined && (mode & WRITE) !== 0) await chmod(path, mode & 0o7777 & ~WRITE).catch(() => {});
}

/** Whether it lies in the cache folder. */
export function isCached(path: string, cache: string = cacheFolder()): boolean {
	const inside = relative(cache, path);
	return inside !== "" && !isAbsolute(inside) && inside.split(sep)[0] !== "..";
}
