import { FileError, InvalidGgufError } from "../../errors.js";
import { type OpenedInput, openInput } from "../../storage/input-file.js";
import type { ReadableFile, WritableFile } from "./types.js";

/** @throws FileError if the file is missing, unreadable or not a regular file */
export const openForReading = (path: string): Promise<OpenedInput> => openInput(path, { give: "the path of a GGUF file" });

/**
 * Fills `buffer` from `offset` on. A read may deliver less than requested, so it is repeated until the buffer is full.
 * @throws InvalidGgufError if the file ends before
 */
export async function readFully(handle: ReadableFile, path: string, buffer: Uint8Array, offset: number): Promise<void> {
	let done = 0;
	while (done < buffer.length) {
		const { bytesRead } = await handle.read(buffer, done, buffer.length - done, offset + done);
		if (bytesRead === 0) {
			throw new InvalidGgufError(
				`${path}: at byte ${offset + done}: expected ${buffer.length - done} more bytes, found the end of the file; it was cut short`,
			);
		}
		done += bytesRead;
	}
}

/** Writes all of `buffer` at `offset`. */
export async function writeFully(handle: WritableFile, buffer: Uint8Array, offset: number): Promise<void> {
	let done = 0;
	while (done < buffer.length) {
		const { bytesWritten } = await handle.write(buffer, done, buffer.length - done, offset + done);
		if (bytesWritten === 0) throw new FileError(`nothing could be written at byte ${offset + done} of the output`);
		done += bytesWritten;
	}
}
