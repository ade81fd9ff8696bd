import { rm, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { NoSpaceError } from "../../errors.js";
import { checkAsRead } from "../gguf/as-read.js";
import type { GgufFile } from "../gguf/file.js";
import { predictedBytes } from "./file-types.js";
import { availableMemory, type MemoryShape, neededBesideWeights, sizeText } from "./memory.js";
import { Model, type ModelOptions } from "./model.js";
import { type FileType, quantizeFile } from "./quantize.js";

/** A model, loaded or not. */
export interface CopySource {
	readonly file: GgufFile;
}

/** Approximate size of a copy of the model in that type, bytes. */
export function copyBytes({ file }: CopySource, type: FileType): number {
	return predictedBytes(file, type);
}

/** Whether the memory budget holds a copy besides the model, and measuring with it in this shape. */
export function copyFits(model: CopySource, type: FileType, shape: MemoryShape = {}, available = availableMemory()): boolean {
	return 1.2 * copyBytes(model, type) + 2 ** 28 + neededBesideWeights(model.file, shape) < available;
}

/**
 * The same model with weights of another type, in memory. llama.cpp's quantizer writes a file, which is read completely and deleted.
 * @param path of that file, which must not exist
 * @throws NoSpaceError if its disk has too little space, FileError if the model changed since its header was read, QuantizeError, and the
 * errors of loading
 */
export async function workingCopy(
	model: CopySource,
	type: FileType,
	path: string,
	options: Pick<
		ModelOptions,
		"threads" | "gpuLayers" | "devices" | "splitMode" | "rpc" | "placement" | "signal" | "allowUnknownArchitecture"
	> & {
		onProgress?: (fraction: number) => void;
	},
): Promise<Model> {
	const { bavail, bsize } = await statfs(dirname(path));
	const needed = 1.1 * copyBytes(model, type);
	if (bavail * bsize < needed) {
		throw new NoSpaceError(
			`a ${type} copy of the model needs ${sizeText(needed)} in ${dirname(path)}, which has ${sizeText(bavail * bsize)} free: free some space there`,
		);
	}
	const { signal, onProgress, ...load } = options;
	try {
		await quantizeFile(model.file.paths[0]!, path, type, {
			threads: options.threads,
			signal,
			onProgress: (done, total) => onProgress?.(done / total),
		});
		// The quantizer reads the file by its name, which another model may have by now.
		await checkAsRead(model);
		return await Model.load(path, { ...load, signal, mmap: false });
	} finally {
		await rm(path, { force: true });
	}
}
