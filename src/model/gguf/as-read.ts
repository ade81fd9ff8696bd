import { stat } from "node:fs/promises";
import { FileError } from "../../errors.js";
import type { FileState } from "../../storage/file-state.js";
import { stateOf } from "../../storage/input-file.js";
import type { GgufFile } from "./file.js";

/**
 * What is measured and written goes by the header that was read: a hash, weights or figures of another file must not be taken for its own.
 * @throws FileError if a file of the model changed since its header was read
 */
export async function checkAsRead({ file }: { readonly file: Pick<GgufFile, "paths" | "states"> }): Promise<void> {
	for (const [i, path] of file.paths.entries()) {
		const now = await stateNow(path);
		const before = file.states[i]!;
		if (now.size === before.size && now.modified === before.modified && now.inode === before.inode) continue;
		throw new FileError(
			`${path} changed since its header was read: it was replaced or written to. Run again while nothing changes the file.`,
		);
	}
}

/** @throws FileError if the file is gone */
async function stateNow(path: string): Promise<FileState> {
	try {
		return stateOf(await stat(path));
	} catch (cause) {
		throw new FileError(`${path} cannot be read any more: ${(cause as Error).message}. It was there when the run began.`, { cause });
	}
}
