import { closeSync, openSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { FileError, InvalidGgufError } from "../../../src/errors.js";
import { GgufFile } from "../../../src/model/gguf/file.js";
import { buildGguf, entry, makeGguf, nested, text, u32, u64 } from "../../helpers/make-gguf.js";
import { head, info, key, raw, tensor } from "../../helpers/raw-gguf.js";
import { tempFolder } from "../../helpers/temp-folder.js";

const folder = tempFolder();

const withVersion = (version: Uint8Array) => raw(version, u64(0), u64(0));

const HUGE = 2n ** 64n - 1n;
// Offsets: counts at 8 and 16, the first key at 24; with a key "k" its type is at 33 and its value at 37.
const table: [name: string, bytes: Uint8Array, offset: number, message: RegExp][] = [
	["empty file", Buffer.alloc(0), 0, /4 bytes for the magic GGUF/],
	["bad magic", Buffer.from("GGML0000000000000000000000000000"), 0, /magic GGUF, found "GGML"/],
	["byte-swapped version", withVersion(Buffer.from([0, 0, 0, 3])), 4, /big-endian/],
	["byte-swapped version 2", withVersion(Buffer.from([0, 0, 0, 2])), 4, /big-endian/],
	["version 0", withVersion(u32(0)), 4, /version 2 or 3, found version 0/],
	["version 1", withVersion(u32(1)), 4, /no longer reads version 1/],
	["version 4", withVersion(u32(4)), 4, /version 2 or 3, found version 4/],
	["tensor count of 2^64-1", raw(...head(HUGE, 0)), 8, /number of tensors below 2\^53, found 18446744073709551615/],
	["key count of 2^64-1", raw(...head(0, HUGE)), 16, /number of metadata keys below 2\^53/],
	["tensor count of 2^53", raw(...head(2n ** 53n, 0)), 8, /number of tensors below 2\^53/],
	["tensor count of 2^63", raw(...head(2n ** 63n, 0)), 8, /number of tensors below 2\^53/],
	["tensor count beyond the file", raw(...head(1000, 0)), 8, /at most \d+ tensors .* found 1000/],
	["key count beyond the file", raw(...head(0, 1000)), 16, /at most \d+ metadata keys .* found 1000/],
	["empty key", raw(...head(0, 1), key("", 4, u32(1))), 24, /a key of 1 to 65535 bytes, found 0/],
	["key of 65536 bytes", raw(...head(0, 1), key("k".repeat(65536), 4, u32(1))), 24, /a key of 1 to 65535 bytes, found 65536/],
	["key length of 2^64-1", raw(...head(0, 1), u64(HUGE), u32(4)), 24, /length of a key below 2\^53/],
	["duplicate key", raw(...head(0, 2), key("k", 4, u32(1)), key("k", 4, u32(2))), 41, /each key once, found "k"/],
	["value type 13", raw(...head(0, 1), key("k", 13, u32(1))), 33, /a value type 0\.\.12 for "k", found 13/],
	["value type -1", raw(...head(0, 1), key("k", 0xffffffff)), 33, /a value type 0\.\.12/],
	["boolean 2", raw(...head(0, 1), key("k", 7, Buffer.from([2]))), 37, /0 or 1 for a boolean of "k", found 2/],
	["boolean 255 in an array", raw(...head(0, 1), key("k", 9, u32(7), u64(2), Buffer.from([1, 255]))), 50, /0 or 1 for a boolean/],
	["string beyond the file", raw(...head(0, 1), key("k", 8, u64(10_000))), 45, /10000 bytes for the value of "k", found \d+ until the end/],
	["string length of 2^64-1", raw(...head(0, 1), key("k", 8, u64(HUGE))), 37, /length of "k" below 2\^53/],
	["array of type 13", raw(...head(0, 1), key("k", 9, u32(13), u64(0))), 37, /a value type 0\.\.12 for "k", found 13/],
	["array beyond the file", raw(...head(0, 1), key("k", 9, u32(0), u64(1_000_000))), 41, /at most \d+ items of "k"/],
	["array of 2^53-1 items", raw(...head(0, 1), key("k", 9, u32(10), u64(2n ** 53n - 1n))), 41, /at most \d+ items of "k"/],
	["array of 2^61 items (bytes overflow)", raw(...head(0, 1), key("k", 9, u32(10), u64(2n ** 61n))), 41, /items of "k" below 2\^53/],
	["string array beyond the file", raw(...head(0, 1), key("k", 9, u32(8), u64(1000))), 41, /at most \d+ items of "k"/],
	["string in an array beyond the file", raw(...head(0, 1), key("k", 9, u32(8), u64(1), u64(5000))), 57, /5000 bytes for a string of "k"/],
	["nested array beyond the file", raw(...head(0, 1), key("k", 9, u32(9), u64(1), u32(0), u64(5000))), 53, /at most \d+ items of "k"/],
	[
		"nested array of a bad type",
		raw(...head(0, 1), key("k", 9, u32(9), u64(1), u32(77), u64(0))),
		49,
		/a value type 0\.\.12 for "k", found 77/,
	],
	[
		"five arrays deep",
		raw(...head(0, 1), key("k", 9, ...Array(4).fill(Buffer.concat([u32(9), u64(1)])), u32(0), u64(0))),
		85,
		/nested at most 4 deep/,
	],
	["alignment 0", raw(...head(0, 1), key("general.alignment", 4, u32(0))), 53, /power of two as general.alignment, found 0/],
	["alignment 24", raw(...head(0, 1), key("general.alignment", 4, u32(24))), 53, /power of two as general.alignment, found 24/],
	["alignment as uint64", raw(...head(0, 1), key("general.alignment", 10, u64(32))), 53, /general.alignment as uint32, found uint64/],
	["alignment as an array", raw(...head(0, 1), key("general.alignment", 9, u32(4), u64(1), u32(32))), 53, /as uint32, found array/],
	["five dimensions", tensor("t", [1, 1, 1, 1, 1], 0, 0), 33, /at most 4 dimensions for tensor "t", found 5/],
	["2^32-1 dimensions", raw(...head(1, 0), text("t"), u32(0xffffffff)), 33, /at most 4 dimensions/],
	["dimension 0", tensor("t", [4, 0], 0, 0), 45, /a positive dimension 1 of tensor "t", found 0/],
	["dimension -1", tensor("t", [HUGE], 0, 0), 37, /dimension 0 of tensor "t" below 2\^53/],
	["element count overflows", tensor("t", [2 ** 30, 2 ** 30, 2 ** 30], 0, 0), 24, /tensor "t": expected fewer than 2\^53 elements/],
	["elements of an unknown type overflow", tensor("t", [2 ** 30, 2 ** 30], 99, 0), 24, /expected fewer than 2\^53 elements/],
	["elements overflow 64 bits to zero", tensor("t", [2 ** 31, 2 ** 31, 4], 0, 0), 24, /tensor "t": expected fewer than 2\^53 elements/],
	["elements overflow to a negative number", tensor("t", [2 ** 31, 2 ** 32], 0, 0), 24, /expected fewer than 2\^53 elements/],
	["byte count overflows", tensor("t", [2 ** 51], 28, 0), 24, /tensor "t": expected fewer than 2\^53 bytes/],
	["row is no whole block", tensor("t", [33], 8, 0), 24, /rows of a multiple of 32 elements \(Q8_0\), found 33/],
	["scalar of a block type", tensor("t", [], 8, 0), 24, /rows of a multiple of 32 elements \(Q8_0\), found 1/],
	["misaligned offset", tensor("t", [4], 0, 8), 49, /multiple of 32, found 8/],
	["offset of 2^64-32", tensor("t", [4], 0, 2n ** 64n - 32n), 49, /offset of tensor "t" below 2\^53/],
	["offset beyond the file", tensor("t", [4], 0, 4096), 49, /16 bytes for tensor "t" from byte 4160 on/],
	["tensor larger than the file", tensor("t", [4096], 0, 0), 49, /16384 bytes for tensor "t" from byte 64 on.* cut short/],
	["unknown type beyond the file", tensor("t", [4], 99, 4096), 49, /for tensor "t" from byte 4160 on/],
	["empty tensor name", tensor("", [4], 0, 0), 24, /a tensor name of 1 to 65535 bytes/],
	[
		"duplicate tensor",
		raw(...head(2, 0), info("t", [4], 0, 0), info("t", [4], 0, 32), Buffer.alloc(256)),
		57,
		/each tensor name once, found "t"/,
	],
	["overlapping tensors", raw(...head(2, 0), info("a", [16], 0, 0), info("b", [4], 0, 32), Buffer.alloc(256)), 49, /tensor "b" inside/],
	["tensors at one place", raw(...head(2, 0), info("a", [4], 0, 0), info("b", [4], 0, 0), Buffer.alloc(256)), 49, /tensor "b" inside/],
	[
		"unknown types at one place",
		raw(...head(2, 0), info("a", [4], 99, 0), info("b", [4], 99, 0), Buffer.alloc(256)),
		49,
		/tensor "b" inside/,
	],
];

const read = (path: string) =>
	GgufFile.read(path).then(
		() => undefined,
		(error: unknown) => error,
	);

describe("a malformed file is refused with its name, the offset and what was expected", () => {
	test.each(table)("%s", async (name, bytes, offset, message) => {
		const path = join(folder, `${name.replace(/\W+/g, "-")}.gguf`);
		writeFileSync(path, bytes);
		const error = await read(path);
		expect(error).toBeInstanceOf(InvalidGgufError);
		const text = (error as Error).message;
		expect(text.startsWith(`${path}: at byte ${offset}: `), text).toBe(true);
		expect(text).toMatch(message);
		expect(text).toMatch(/expected .*, found /);
	});
});

describe("a file that was cut short", () => {
	const whole = buildGguf({
		alignment: 64,
		entries: [
			entry("general.architecture", "string", "llama"),
			entry("a.flag", "bool", true),
			entry("a.list", "array", ["x", "", "yz"], "string"),
			entry("a.numbers", "array", [1, 2, 3], "float64"),
			nested("a.rows", "uint16", [[1], [2, 3]]),
		],
		tensors: [
			{ name: "one", dims: [32, 2], type: 8 },
			{ name: "two", dims: [16], type: 0 },
		],
	});

	test("is refused at every length, with what to do", async () => {
		const path = join(folder, "cut.gguf");
		writeFileSync(path, whole);
		expect(await read(path)).toBeUndefined();
		// The last tensor fills its padding, so that every byte counts.
		for (let length = whole.length - 1; length >= 0; length--) {
			truncateSync(path, length);
			const error = await read(path);
			expect(error, `${length} bytes`).toBeInstanceOf(InvalidGgufError);
			expect((error as Error).message).toMatch(
				/at byte \d+: expected .*, found .*; the file is cut short or damaged: download or copy it again$/,
			);
		}
	});

	test("is fine where only the padding after the last tensor is missing", async () => {
		const bytes = buildGguf({ tensors: [{ name: "t", dims: [2], type: 0 }] });
		const path = join(folder, "unpadded.gguf");
		writeFileSync(path, bytes.subarray(0, bytes.length - 24));
		const [tensor] = (await GgufFile.read(path)).tensors;
		expect(tensor?.source.size).toBe(8);
		truncateSync(path, bytes.length - 25);
		expect(await read(path)).toBeInstanceOf(InvalidGgufError);
	});
});

describe("damage anywhere in a header", () => {
	test("gives a typed error or a readable file, never a crash", async () => {
		const bytes = buildGguf({
			entries: [entry("general.architecture", "string", "llama"), entry("list", "array", ["a", "bc"], "string"), entry("n", "uint32", 3)],
			tensors: [{ name: "t", dims: [32], type: 8 }],
		});
		const path = join(folder, "damaged.gguf");
		for (let at = 0; at < bytes.length; at++) {
			for (const value of [0x00, 0x01, 0x7f, 0x80, 0xff]) {
				const damaged = Buffer.from(bytes);
				damaged[at] = value;
				writeFileSync(path, damaged);
				const error = await read(path);
				if (error !== undefined) expect(error, `byte ${at} = ${value}: ${error}`).toBeInstanceOf(InvalidGgufError);
			}
		}
	});
});

describe("a forged size", () => {
	// Sparse files: they take no space on the disk and are far larger than the memory.
	const sparse = (name: string, bytes: Uint8Array) => {
		const path = join(folder, name);
		writeFileSync(path, bytes);
		truncateSync(path, 2 ** 40);
		return path;
	};

	test.each([
		["bytes", raw(...head(0, 1), key("k", 9, u32(0), u64(2 ** 38)))],
		["strings", raw(...head(0, 1), key("k", 9, u32(8), u64(2 ** 36)))],
		["a string", raw(...head(0, 1), key("k", 8, u64(2 ** 38)))],
		["keys", raw(...head(0, 2 ** 30))],
		["tensors", raw(...head(2 ** 30, 0))],
		["zero-length names", raw(...head(2 ** 19, 2 ** 16))],
	])("of %s costs no memory", async (name, bytes) => {
		const path = sparse(`forged-${name}.gguf`, bytes);
		const before = process.memoryUsage().rss;
		expect(await read(path)).toBeInstanceOf(InvalidGgufError);
		expect(process.memoryUsage().rss - before).toBeLessThan(64e6);
	});

	test("of a string that a sparse file does have is read, once", async () => {
		const size = 48 * 2 ** 20;
		// The last 64 bytes that are written here are the first of the string.
		const start = raw(...head(0, 2), key("k", 8, u64(size)));
		const path = sparse("sparse-string.gguf", start);
		const file = openSync(path, "r+");
		writeSync(file, key("n", 4, u32(7)), 0, undefined, start.length - 64 + size);
		closeSync(file);
		const before = process.memoryUsage().arrayBuffers;
		expect((await GgufFile.read(path)).number("n")).toBe(7);
		expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1.2 * size);
	});

	test("of a name costs no memory", async () => {
		const size = 2 ** 26;
		const path = join(folder, "long-name.gguf");
		// Bytes that are no UTF-8: each becomes a character of its own.
		writeFileSync(path, raw(...head(0, 1), key("general.architecture", 8, u64(size), Buffer.alloc(size, 0xff))));
		const file = await GgufFile.read(path);
		const before = process.memoryUsage().rss;
		expect(() => file.architecture).toThrow(/general.architecture of at most 65535 bytes, found 67108864/);
		expect(process.memoryUsage().rss - before).toBeLessThan(64e6);
	});

	test("of a header is limited", async () => {
		const path = makeGguf(join(folder, "limit.gguf"), { entries: [entry("k", "string", "x".repeat(1000))] });
		await expect(GgufFile.read(path, { maxHeaderBytes: 500 })).rejects.toThrow(/a header of at most 500 bytes/);
		await expect(GgufFile.read(path, { maxHeaderBytes: 5000 })).resolves.toBeInstanceOf(GgufFile);
	});
});

test("a key that a terminal would obey, or of any length, is shown escaped and short", async () => {
	const path = join(folder, "shown.gguf");
	for (const name of [`\u009b31m\u202e\u2028${"k".repeat(60_000)}`, `\u001b]52;c;aGk=\u0007${"k".repeat(60_000)}`]) {
		writeFileSync(path, raw(...head(0, 1), key(name, 77)));
		const { message } = (await read(path)) as Error;
		expect(message).toMatch(/a value type 0\.\.12 for "/);
		expect(message).not.toMatch(/[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]/u);
		expect(message.length).toBeLessThan(path.length + 300);
	}
});

describe("what is no file", () => {
	test("is a FileError", async () => {
		await expect(GgufFile.read(join(folder, "absent.gguf"))).rejects.toThrow(FileError);
		await expect(GgufFile.read(join(folder, "absent.gguf"))).rejects.toThrow(/there is no such file/);
		await expect(GgufFile.read(folder)).rejects.toThrow(/not a regular file/);
	});
});
