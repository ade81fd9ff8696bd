import { realpath, stat } from "node:fs/promises";
import { hashFile } from "./hash.js";

// Files that a user gave twice, under one name or several.

/** Two of several files that hold the same. */
export interface EqualFiles {
	/** Places of the two in the list, ascending. */
	readonly at: readonly [number, number];
	/** Whether both names lead to one file; if not, two files hold the same. */
	readonly oneFile: boolean;
}

/**
 * The first file of a list that an earlier one equals. Only files of the same size are read. One that cannot be read equals none: who opens
 * it says why.
 * @throws the signal's reason once it is aborted
 */
export async function findEqualFiles(files: readonly string[], signal?: AbortSignal): Promise<EqualFiles | undefined> {
	const sizes = await Promise.all(files.map(sizeOf));
	const paths = await Promise.all(files.map((file) => realpath(file).catch(() => file)));
	const hashes = new Map<number, string | undefined>();
	const hashAt = async (at: number) => {
		if (!hashes.has(at)) hashes.set(at, await hashOfReadable(files[at]!, signal));
		return hashes.get(at);
	};
	for (const [second, path] of paths.entries()) {
		for (const [first, earlier] of paths.slice(0, second).entries()) {
			if (earlier === path) return { at: [first, second], oneFile: true };
			if (sizes[first] === undefined || sizes[first] !== sizes[second]) continue;
			const hash = await hashAt(first);
			if (hash !== undefined && hash === (await hashAt(second))) return { at: [first, second], oneFile: false };
		}
	}
	return undefined;
}

/** Bytes of a regular file that holds any. */
async function sizeOf(file: string): Promise<number | undefined> {
	const found = await stat(file).catch(() => undefined);
	return found?.isFile() && found.size > 0 ? found.size : undefined;
}

function hashOfReadable(file: string, signal: AbortSignal | undefined): Promise<string | undefined> {
	return hashFile(file, signal).catch((error: unknown) => {
		if (signal?.aborted) throw error;
		return undefined;
	});
}
