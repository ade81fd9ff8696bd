import { readFileSync } from "node:fs";
import { open } from "node:fs/promises";
import type { GgufWriteOptions } from "../../../src/model/gguf/sink.js";
import type { GgufContent } from "../../../src/model/gguf/types.js";
import { writeGguf } from "../../../src/model/gguf/writer.js";

/** Writes the content and returns the bytes of the file. */
export async function writeContent(path: string, content: GgufContent, options?: GgufWriteOptions): Promise<Buffer> {
	const handle = await open(path, "w");
	try {
		await writeGguf(handle, content, options);
	} finally {
		await handle.close();
	}
	return readFileSync(path);
}
