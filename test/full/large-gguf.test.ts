import { join } from "node:path";
import { expect, test } from "vitest";
import { contentOf, GgufFile } from "../../src/model/gguf/file.js";
import { writeGguf } from "../../src/model/gguf/writer.js";
import { makeLargeGguf } from "../helpers/large-gguf.js";
import { tempFolder } from "../helpers/temp-folder.js";

const folder = tempFolder();

test("a file above 4 GB is copied completely, every byte at its place", async () => {
	const { path, hole } = await makeLargeGguf(join(folder, "large.gguf"));
	const file = await GgufFile.read(path);
	const [a, b, c] = contentOf(file).tensors;
	let end = 0;
	let last = Buffer.alloc(0);
	// The written bytes are checked, not stored.
	const discarding = {
		write: async (buffer: Buffer, offset: number, length: number, position: number) => {
			expect(position).toBe(end);
			end += length;
			last = Buffer.from(buffer.subarray(offset, offset + length).subarray(-64));
			return { bytesWritten: length };
		},
	};
	const progress: number[] = [];
	const content = { ...contentOf(file), tensors: [b!, a!, c!] };
	await writeGguf(discarding as never, content, { onProgress: (done) => progress.push(done) });
	expect(end).toBe(file.size);
	expect(end).toBeGreaterThan(hole);
	expect(last.equals(Buffer.concat([Buffer.alloc(32, 1), Buffer.alloc(32, 3)]))).toBe(true);
	expect(progress.at(-1)).toBe(file.size);
	expect(progress.length).toBeGreaterThan(500);
});
