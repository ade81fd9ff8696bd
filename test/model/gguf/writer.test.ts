import { readdirSync, readFileSync, truncateSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { FileError, InvalidGgufError } from "../../../src/errors.js";
import { contentOf, GgufFile } from "../../../src/model/gguf/file.js";
import type { GgufContent } from "../../../src/model/gguf/types.js";
import { encodeEntry } from "../../../src/model/gguf/value.js";
import { writeGguf, writtenSize } from "../../../src/model/gguf/writer.js";
import { buildGguf, entry, makeGguf, tinyLlama } from "../../helpers/make-gguf.js";
import { tempFolder } from "../../helpers/temp-folder.js";
import { writeContent } from "./write-content.js";

const folder = tempFolder();
const path = join(folder, "out.gguf");
const tensor = { name: "t", dims: [4], type: 0, source: new Uint8Array(16) };
const empty: GgufContent = { version: 3, alignment: 32, entries: [], tensors: [] };

describe("writeGguf", () => {
	test("writes given and copied tensors in the order of the content", async () => {
		const source = await GgufFile.read(makeGguf(join(folder, "source.gguf"), { tensors: [{ name: "a", dims: [4] }] }));
		const given = Uint8Array.from({ length: 34 }, (_, i) => i);
		const copied = source.tensors[0]!;
		const content = {
			...empty,
			tensors: [
				{ name: "g", dims: [32], type: 8, source: given },
				{ ...copied, name: "b" },
			],
		};
		const bytes = await writeContent(path, content);
		const original = readFileSync(copied.source.path).subarray(copied.source.offset, copied.source.offset + 16);
		const expected = buildGguf({
			tensors: [
				{ name: "g", dims: [32], type: 8, data: given },
				{ name: "b", dims: [4], data: original },
			],
		});
		expect(bytes.equals(expected)).toBe(true);
		expect(writtenSize(content)).toBe(bytes.length);
	});

	test("a key can be replaced, added and left out", async () => {
		const file = await GgufFile.read(makeGguf(join(folder, "source.gguf"), tinyLlama({ blocks: 2 })));
		const { entries, ...rest } = contentOf(file);
		const changed = entries
			.filter(({ key }) => key !== "general.name")
			.map((item) => (item.key === "llama.block_count" ? encodeEntry(item.key, "uint32", 1) : item));
		await writeContent(path, { ...rest, entries: [...changed, encodeEntry("new.list", "array", [1, 2], "uint32")] });
		const written = await GgufFile.read(path);
		expect(written.number("llama.block_count")).toBe(1);
		expect(written.value("general.name")).toBeUndefined();
		expect(written.array("new.list")).toEqual([1, 2]);
		expect(written.entries.map(({ key }) => key)).toEqual([...changed.map(({ key }) => key), "new.list"]);
	});

	test("reports progress up to the whole size", async () => {
		const large = { ...tensor, dims: [6 * 2 ** 20], source: new Uint8Array(24 * 2 ** 20).fill(7) };
		const content = { ...empty, tensors: [large] };
		const seen: [number, number][] = [];
		const bytes = await writeContent(path, content, { onProgress: (done, total) => seen.push([done, total]) });
		expect(seen.map(([done]) => done)).toEqual([8 * 2 ** 20, 16 * 2 ** 20, 24 * 2 ** 20, bytes.length]);
		expect(new Set(seen.map(([, total]) => total))).toEqual(new Set([writtenSize(content)]));
		expect(bytes.subarray(-24 * 2 ** 20).every((byte) => byte === 7)).toBe(true);
	});

	test("stops when aborted, with the signal's reason", async () => {
		const reason = new Error("enough");
		await expect(writeContent(path, empty, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
		const stop = new AbortController();
		const large = { ...tensor, dims: [6 * 2 ** 20], source: new Uint8Array(24 * 2 ** 20) };
		const calls: number[] = [];
		const onProgress = (done: number) => {
			calls.push(done);
			stop.abort(reason);
		};
		await expect(writeContent(path, { ...empty, tensors: [large] }, { signal: stop.signal, onProgress })).rejects.toBe(reason);
		expect(calls).toEqual([8 * 2 ** 20]);
	});

	test("names a source that was cut short or removed after it was read", async () => {
		const source = makeGguf(join(folder, "shrinking.gguf"), { tensors: [{ name: "a", dims: [64] }] });
		const content = contentOf(await GgufFile.read(source));
		truncateSync(source, 100);
		await expect(writeContent(path, content)).rejects.toThrow(InvalidGgufError);
		await expect(writeContent(path, content)).rejects.toThrow(/shrinking\.gguf: at byte \d+: expected \d+ more bytes/);
		const gone = { ...content, tensors: [{ ...tensor, source: { path: join(folder, "gone.gguf"), offset: 0, size: 16 } }] };
		await expect(writeContent(path, gone)).rejects.toThrow(FileError);
	});

	test("repeats short writes", async () => {
		const written: number[] = [];
		const stingy = {
			write: async (buffer: Buffer, offset: number, length: number, position: number) => {
				const count = Math.min(length, 7);
				for (let i = 0; i < count; i++) written[position + i] = buffer[offset + i]!;
				return { bytesWritten: count };
			},
		};
		await writeGguf(stingy as never, { ...empty, tensors: [tensor] });
		expect(written).toEqual([...(await writeContent(path, { ...empty, tensors: [tensor] }))]);
	});

	test.each<[string, Partial<GgufContent>, RegExp]>([
		["version 1", { version: 1 as 2 }, /version must be 2 or 3/],
		["alignment 48", { alignment: 48 }, /power of two/],
		["an alignment that no key states", { alignment: 64 }, /general\.alignment/],
		["an alignment other than stated", { entries: [encodeEntry("general.alignment", "uint32", 64)] }, /general\.alignment/],
		["an alignment stated as uint64", { entries: [encodeEntry("general.alignment", "uint64", 32)] }, /general\.alignment/],
		["a key twice", { entries: [encodeEntry("k", "uint8", 1), encodeEntry("k", "uint8", 2)] }, /key "k" is there twice/],
		["an empty key", { entries: [encodeEntry("", "uint8", 1)] }, /1 to 65535 bytes/],
		["a long key", { entries: [encodeEntry("é".repeat(40000), "uint8", 1)] }, /1 to 65535 bytes, got 80000/],
		["a tensor twice", { tensors: [tensor, tensor] }, /tensor "t" is there twice/],
		["too few bytes", { tensors: [{ ...tensor, source: new Uint8Array(15) }] }, /tensor "t": expected 16 bytes of data, got 15/],
		["too large a source", { tensors: [{ ...tensor, source: { path, offset: 0, size: 17 } }] }, /expected 16 bytes of data, got 17/],
		["five dimensions", { tensors: [{ ...tensor, dims: [1, 1, 1, 1, 4] }] }, /at most 4 positive dimensions/],
		["a dimension of 0", { tensors: [{ ...tensor, dims: [0] }] }, /positive dimensions/],
		["a broken row", { tensors: [{ ...tensor, type: 8 }] }, /multiple of 32/],
	])("refuses %s before anything is written", async (_, part, message) => {
		const handle = await open(path, "w");
		try {
			await expect(writeGguf(handle, { ...empty, ...part })).rejects.toThrow(RangeError);
			await expect(writeGguf(handle, { ...empty, ...part })).rejects.toThrow(message);
			expect((await handle.stat()).size).toBe(0);
		} finally {
			await handle.close();
		}
	});

	test.skipIf(process.platform !== "linux")("leaves no file open, whether it succeeds or fails", async () => {
		const open = () => readdirSync("/proc/self/fd").length;
		const source = makeGguf(join(folder, "source.gguf"), { entries: [entry("k", "bool", true)], tensors: [{ name: "a", dims: [4] }] });
		const before = open();
		const content = contentOf(await GgufFile.read(source));
		await writeContent(path, content);
		const failing = () => {
			throw new Error("from the caller");
		};
		await expect(writeContent(path, content, { onProgress: failing })).rejects.toThrow("from the caller");
		await expect(GgufFile.read(makeGguf(join(folder, "bad.gguf"), { version: 9 }))).rejects.toThrow(InvalidGgufError);
		expect(open()).toBe(before);
	});
});
