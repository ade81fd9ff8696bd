import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { InvalidGgufError, ModelLoadError } from "../../../src/errors.js";
import { GgufFile } from "../../../src/model/gguf/file.js";
import { Model } from "../../../src/model/runtime/model.js";
import { makeGguf, text, tinyLlama, u32, u64 } from "../../helpers/make-gguf.js";
import { head, info, key, raw, tensor } from "../../helpers/raw-gguf.js";
import { tempFolder } from "../../helpers/temp-folder.js";

// The cases that llama.cpp's own test of GGUF files names (tests/test-gguf.cpp), each with what we say of it.

const folder = tempFolder();
const MAX = 2n ** 64n - 1n;
const alignment = (value: number, type = 4) => key("general.alignment", type, u32(value));
const data = (size: number) => Buffer.alloc(size);
/** A key, its padding, and two tensors of 4 and 8 floats. */
const twoTensors = (stated: Buffer[], second: number) =>
	raw(...head(2, stated.length), ...stated, info("a", [4], 0, 0), info("b", [8], 0, second), data(256));

const refused: [name: string, bytes: Buffer, message: RegExp][] = [
	["HEADER_BAD_MAGIC", Buffer.concat([Buffer.from("FUGG"), ...head(0, 0)]), /at byte 0: expected the magic GGUF, found "FUGG"/],
	["HEADER_BAD_VERSION_0", raw(...head(0, 0, 0)), /at byte 4: expected version 2 or 3, found version 0/],
	["HEADER_BAD_VERSION_1", raw(...head(0, 0, 1)), /at byte 4: .*no longer reads version 1/],
	["HEADER_BAD_VERSION_FUTURE", raw(...head(0, 0, 4)), /at byte 4: expected version 2 or 3, found version 4/],
	["HEADER_BAD_N_TENSORS", raw(...head(MAX, 0)), /at byte 8: expected the number of tensors below/],
	["HEADER_BAD_N_KV", raw(...head(0, MAX)), /at byte 16: expected the number of metadata keys below/],
	["KV_BAD_KEY_SIZE", raw(...head(0, 1), u64(MAX), Buffer.from("k"), u32(4), u32(1)), /at byte 24: expected the length of a key below/],
	["KV_EMPTY_KEY", raw(...head(0, 1), key("", 4, u32(1))), /at byte 24: expected a key of 1 to 65535 bytes, found 0/],
	["KV_BAD_TYPE", raw(...head(0, 1), key("k", 13, data(1))), /at byte 33: expected a value type 0\.\.12 for "k", found 13/],
	["KV_BAD_TYPE, of an array", raw(...head(0, 1), key("k", 9, u32(13), u64(1))), /at byte 37: expected a value type 0\.\.12 for "k"/],
	["KV_BAD_VALUE_SIZE", raw(...head(0, 1), key("k", 8, u64(MAX))), /at byte 37: expected the length of "k" below/],
	["KV_DUPLICATE_KEY", raw(...head(0, 2), key("k", 4, u32(1)), key("k", 4, u32(1))), /at byte 41: expected each key once, found "k"/],
	["KV_BAD_ALIGN", raw(...head(0, 1), alignment(13)), /at byte 53: expected a power of two as general.alignment, found 13/],
	["KV_WRONG_TYPE_ALIGN", raw(...head(0, 1), alignment(32, 5)), /at byte 53: expected general.alignment as uint32, found int32/],
	["TENSORS_BAD_N_DIMS", tensor("t", [1, 1, 1, 1, 1], 0, 0), /at byte 33: expected at most 4 dimensions for tensor "t", found 5/],
	["TENSORS_BAD_SHAPE", tensor("t", [MAX, 1, 1, 1], 0, 0), /at byte 37: expected dimension 0 of tensor "t" below/],
	// llama.cpp takes a tensor without elements. No model needs one, and there would be nothing to copy.
	["TENSORS_ZERO_DIM", tensor("t", [4, 0], 0, 0), /at byte 45: expected a positive dimension 1 of tensor "t", found 0/],
	["TENSORS_NE_TOO_BIG", tensor("t", [2n ** 31n, 2n ** 31n, 2n ** 31n], 0, 0), /at byte 24: .*fewer than 2\^53 elements/],
	["TENSORS_NBYTES_TOO_BIG", tensor("t", [2 ** 51], 27, 0), /at byte 24: .*fewer than 2\^53 bytes/],
	["TENSORS_BAD_OFFSET", tensor("t", [4], 0, MAX), /at byte 49: expected the offset of tensor "t" below/],
	[
		"TENSORS_DUPLICATE_NAME",
		raw(...head(2, 0), info("t", [4], 0, 0), info("t", [4], 0, 32), data(256)),
		/at byte 57: expected each tensor name once/,
	],
	["TENSORS_BAD_ALIGN", twoTensors([alignment(13)], 26), /expected a power of two as general.alignment, found 13/],
	["TENSORS_INCONSISTENT_ALIGN", twoTensors([], 16), /expected an offset of tensor "b" that is a multiple of 32, found 16/],
	["DATA_NOT_ENOUGH_DATA", raw(...head(1, 0), info("t", [64], 0, 0), data(16)), /256 bytes for tensor "t" .* cut short/],
	["DATA_BAD_ALIGN", twoTensors([alignment(13)], 26), /expected a power of two/],
	["DATA_INCONSISTENT_ALIGN", twoTensors([], 16), /multiple of 32, found 16/],
	["DATA_MEM_SIZE_OVERFLOW", tensor("t", [2n ** 63n - 64n], 24, 0), /at byte 37: expected dimension 0 of tensor "t" below/],
];

const accepted: [name: string, bytes: Buffer, tensors: number][] = [
	["HEADER_EMPTY", raw(...head(0, 0)), 0],
	["KV_SUCCESS", raw(...head(0, 2), key("k", 4, u32(1)), key("s", 8, text("text"))), 0],
	["TENSORS_SUCCESS and DATA_SUCCESS", twoTensors([], 32), 2],
	["TENSORS_CUSTOM_ALIGN and DATA_CUSTOM_ALIGN", twoTensors([alignment(1)], 16), 2],
];

const write = (name: string, bytes: Buffer) => {
	const path = join(folder, `${name.replace(/\W+/g, "-")}.gguf`);
	writeFileSync(path, bytes);
	return path;
};

describe("the cases of llama.cpp's test of GGUF files", () => {
	test.each(refused)("%s is an InvalidGgufError", async (name, bytes, message) => {
		const path = write(name, bytes);
		const error: unknown = await GgufFile.read(path).catch((one: unknown) => one);
		expect(error).toBeInstanceOf(InvalidGgufError);
		expect((error as Error).message).toMatch(message);
	});

	test.each(accepted)("%s is read", async (name, bytes, tensors) => {
		expect((await GgufFile.read(write(name, bytes))).tensors.length).toBe(tensors);
	});

	// A later llama.cpp may know these, so they are copied; this one cannot load them.
	test.each([
		["TENSORS_BAD_NAME_SIZE", { name: "a tensor's name of more than the 63 bytes that llama.cpp keeps of it", dims: [32] }],
		["TENSORS_BAD_TYPE", { name: "unknown", dims: [32], type: 999, data: Buffer.alloc(32) }],
	])("%s is read, and to load it is a ModelLoadError", async (name, extra) => {
		const sound = tinyLlama();
		const path = makeGguf(join(folder, `${name}.gguf`), { ...sound, tensors: [...(sound.tensors ?? []), extra] });
		expect((await GgufFile.read(path)).tensor(extra.name)?.dims).toEqual([32]);
		await expect(Model.load(path)).rejects.toThrow(ModelLoadError);
	});
});
