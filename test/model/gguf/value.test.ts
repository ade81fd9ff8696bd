import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { InvalidGgufError } from "../../../src/errors.js";
import { GgufFile } from "../../../src/model/gguf/file.js";
import type { GgufScalarType, GgufValue } from "../../../src/model/gguf/types.js";
import { arrayLength, decodeValue, encodeEntry } from "../../../src/model/gguf/value.js";
import { entry, makeGguf, nested } from "../../helpers/make-gguf.js";
import { tempFolder } from "../../helpers/temp-folder.js";

const folder = tempFolder();

const integers = (low: bigint, high: bigint) =>
	fc.bigInt({ min: low, max: high }).map((value): GgufValue => (Number.isSafeInteger(Number(value)) ? Number(value) : value));
const arbitraries: Record<GgufScalarType, fc.Arbitrary<GgufValue>> = {
	uint8: integers(0n, 255n),
	int8: integers(-128n, 127n),
	uint16: integers(0n, 65535n),
	int16: integers(-32768n, 32767n),
	uint32: integers(0n, 2n ** 32n - 1n),
	int32: integers(-(2n ** 31n), 2n ** 31n - 1n),
	uint64: integers(0n, 2n ** 64n - 1n),
	int64: integers(-(2n ** 63n), 2n ** 63n - 1n),
	float32: fc.float(),
	float64: fc.double(),
	bool: fc.boolean(),
	string: fc.string({ unit: "binary" }),
};
const scalarTypes = Object.keys(arbitraries) as GgufScalarType[];

describe("encodeEntry and decodeValue", () => {
	test.each(scalarTypes)("are inverse for %s and its arrays", (type) => {
		fc.assert(
			fc.property(arbitraries[type], fc.array(arbitraries[type]), (value, list) => {
				expect(decodeValue(encodeEntry("k", type, value))).toEqual(value);
				const array = encodeEntry("k", "array", list, type);
				expect(decodeValue(array)).toEqual(list);
				expect(arrayLength(array)).toBe(list.length);
			}),
		);
	});

	test.each([
		["uint32", 1, "01000000"],
		["int16", -2, "feff"],
		["float32", 1, "0000803f"],
		["bool", true, "01"],
		["string", "é", "0200000000000000c3a9"],
		["uint64", 2n ** 64n - 1n, "ffffffffffffffff"],
		["int64", -1, "ffffffffffffffff"],
	] as const)("%s %s has the bytes of the format", (type, value, hex) => {
		expect(Buffer.from(encodeEntry("k", type, value).raw).toString("hex")).toBe(hex);
	});

	test("an array has its item type and length in front, even when empty", () => {
		expect(Buffer.from(encodeEntry("k", "array", [], "uint8").raw).toString("hex")).toBe("000000000000000000000000");
		expect(Buffer.from(encodeEntry("k", "array", [true], "bool").raw).toString("hex")).toBe("07000000010000000000000001");
		expect(arrayLength(encodeEntry("k", "uint32", 1))).toBeUndefined();
	});

	test.each([
		["uint8", 256],
		["uint8", -1],
		["int8", 128],
		["uint32", 1.5],
		["uint32", Number.NaN],
		["uint32", "1"],
		["int64", 2n ** 63n],
		["uint64", -1n],
		["uint64", 2 ** 53],
		["float32", 1n],
		["bool", 1],
		["string", 1],
		["array", 1],
		["array", []],
	] as const)("%s does not take %s", (type, value) => {
		expect(() => encodeEntry("some.key", type, value)).toThrow(RangeError);
		expect(() => encodeEntry("some.key", type, value)).toThrow(/^some\.key: /);
	});
});

describe("a file's getters", () => {
	const path = makeGguf(join(folder, "getters.gguf"), {
		entries: [
			entry("general.architecture", "string", "llama"),
			entry("small", "uint64", 2n ** 53n - 1n),
			entry("big", "uint64", 2n ** 53n),
			entry("low", "int64", -(2n ** 63n)),
			entry("flag", "bool", false),
			entry("empty", "string", ""),
			entry("list", "array", [1, -1], "int8"),
			nested("rows", "string", [[], ["a", ""]]),
			entry("odd", "string", Buffer.from([0xff])),
			entry(Buffer.from([0x6b, 0xfe]), "uint8", 7),
		],
	});

	test("decode what the file holds", async () => {
		const file = await GgufFile.read(path);
		expect(file.architecture).toBe("llama");
		expect(file.number("small")).toBe(Number.MAX_SAFE_INTEGER);
		expect(file.value("big")).toBe(2n ** 53n);
		expect(file.value("low")).toBe(-(2n ** 63n));
		expect(file.boolean("flag")).toBe(false);
		expect(file.string("empty")).toBe("");
		expect(file.array("list")).toEqual([1, -1]);
		expect(file.value("rows")).toEqual([[], ["a", ""]]);
		expect(file.entry("rows")?.itemType).toBe("array");
		expect(file.string("odd")).toBe("\udcff");
		expect(file.number("k\udcfe")).toBe(7);
		for (const get of ["value", "string", "number", "boolean", "array", "entry"] as const) expect(file[get]("absent")).toBeUndefined();
		expect(file.value("__proto__")).toBeUndefined();
	});

	test("give a number for each block, whether the file has one for all or a list", async () => {
		const file = await GgufFile.read(path);
		const of = (key: string) => [0, 1, 2].map(file.perBlock(key));
		expect(of("k\udcfe")).toEqual([7, 7, 7]);
		expect(of("list")).toEqual([1, -1, 0]);
		expect(of("absent")).toEqual([0, 0, 0]);
		expect(of("empty")).toEqual([0, 0, 0]);
	});

	test("refuse another type, naming file and key", async () => {
		const file = await GgufFile.read(path);
		expect(() => file.string("flag")).toThrow(InvalidGgufError);
		expect(() => file.string("flag")).toThrow(`${path}: expected a string as flag, found bool`);
		expect(() => file.number("empty")).toThrow(InvalidGgufError);
		expect(() => file.number("big")).toThrow(/below 2\^53/);
		expect(() => file.boolean("small")).toThrow(InvalidGgufError);
		expect(() => file.array("small")).toThrow(InvalidGgufError);
	});

	test("need an architecture where it is asked for", async () => {
		const file = await GgufFile.read(makeGguf(join(folder, "nameless.gguf")));
		expect(() => file.architecture).toThrow(/general.architecture/);
	});
});
