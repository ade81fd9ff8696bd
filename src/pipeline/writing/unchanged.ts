// A model that changed while it was worked on: that is said, rather than that the written file computes something else.
import { stat } from "node:fs/promises";
import { basename } from "node:path";
import type { JobOptions } from "../../api/index.js";
import { shellWord } from "../../report/commands.js";
import { FileError } from "../../errors.js";
import { modelHash } from "../../model/evaluation/kept.js";
import type { GgufFile } from "../../model/gguf/index.js";

/**
 * Works with a model's files. Where that fails they are compared with what they were, by size and by hash.
 * @param sha256 of the files when the work began
 * @throws FileError where they changed, else what the work threw
 */
export async function whileUnchanged<T>(file: GgufFile, sha256: string, options: JobOptions, work: () => Promise<T>): Promise<T> {
	try {
		return await work();
	} catch (cause) {
		// What the system says of a disk has nothing to do with what the files hold.
		const ofSystem = cause instanceof Error && "syscall" in cause;
		if (options.signal?.aborted || ofSystem || !(await hasChanged(file, sha256, options))) throw cause;
		const [path] = file.paths;
		throw new FileError(
			`${path} changed while it was worked on: it was replaced, written to or deleted. The output was not kept. ` +
				`Some of what was measured may be of the other file: delete that with prune-gguf runs clean --model ${shellWord(basename(path!))}, and run again while nothing changes the file.`,
			{ cause },
		);
	}
}

async function hasChanged(file: GgufFile, sha256: string, options: JobOptions): Promise<boolean> {
	try {
		const sizes = await Promise.all(file.paths.map(async (path) => (await stat(path)).size));
		if (sizes.reduce((sum, size) => sum + size, 0) !== file.size) return true;
		return (await modelHash(file, options)) !== sha256;
	} catch (error) {
		if (options.signal?.aborted) throw error;
		return true; // it is gone, or can no longer be read
	}
}
