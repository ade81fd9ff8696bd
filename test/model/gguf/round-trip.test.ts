import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { GGUFValueType, gguf } from "@huggingface/gguf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { contentOf, GgufFile } from "../../../src/model/gguf/file.js";
import { type GgufEntry, type GgufScalarType, VALUE_TYPES } from "../../../src/model/gguf/types.js";
import { decodeValue, encodeEntry } from "../../../src/model/gguf/value.js";
import { writtenSize } from "../../../src/model/gguf/writer.js";
import { makeLargeGguf } from "../../helpers/large-gguf.js";
import { buildGguf, entry, makeGguf, nested, type SpecScalar, tinyLlama, u32, u64 } from "../../helpers/make-gguf.js";
import { tempFolder } from "../../helpers/temp-folder.js";
import { writeContent } from "./write-content.js";

const folder = tempFolder();
const fixture = fileURLToPath(new URL("../../../fixture/fixture-12l.gguf", import.meta.url));

const rewritten = async (path: string) => writeContent(join(folder, "rewritten.gguf"), contentOf(await GgufFile.read(path)));

describe("reading and writing gives the same file", () => {
	test("for the 12-block model", async () => {
		expect((await rewritten(fixture)).equals(readFileSync(fixture))).toBe(true);
		const file = await GgufFile.read(fixture);
		expect(file.architecture).toBe("llama");
		expect(file.number("llama.block_count")).toBe(12);
		expect(file.size).toBe(readFileSync(fixture).length);
	});

	test.each([1, 2, 8, 32, 64, 4096, 2 ** 20])("with alignment %i", async (alignment) => {
		const bytes = buildGguf({ ...tinyLlama({ blocks: 2 }), alignment });
		const path = join(folder, "aligned.gguf");
		writeFileSync(path, bytes);
		expect((await GgufFile.read(path)).alignment).toBe(alignment);
		expect((await rewritten(path)).equals(bytes)).toBe(true);
	});

	test("with version 2, keys that no one knows, odd values and unknown tensor types", async () => {
		const nan = Buffer.from("0100c07f", "hex");
		const bytes = buildGguf({
			version: 2,
			entries: [
				entry("empty.string", "string", ""),
				...(["uint8", "string", "bool", "float64"] as const).map((type) => entry(`empty.array.${type}`, "array", [], type)),
				entry("strings", "array", ["", "a", ""], "string"),
				nested("rows", "float32", [[1, 2], [], [3]]),
				{
					key: "deep",
					type: "array",
					value: [],
					raw: Buffer.concat([u32(9), u64(1), u32(9), u64(2), u32(0), u64(0), u32(8), u64(1), u64(0)]),
				},
				entry("big", "uint64", 2n ** 64n - 1n),
				{ key: "nan", type: "float32", value: 0, raw: nan },
				entry("zero", "float64", -0),
				entry("invalid text", "string", Buffer.from([0x61, 0xff, 0xc0])),
				entry(Buffer.from([0xfe, 0x6b]), "array", [Buffer.from([0x80]), "ok"], "string"),
				entry("charsmap", "array", [0, 255], "uint8"),
			],
			tensors: [
				{ name: "scalar", dims: [] },
				{ name: "unknown", dims: [5, 3], type: 777, data: Buffer.alloc(96, 7) },
				{ name: "four", dims: [2, 1, 3, 2], type: 1 },
				{ name: "withdrawn", dims: [32], type: 4, data: Buffer.alloc(64, 9) },
				{ name: "last", dims: [1], type: 0x7fffffff, data: Buffer.alloc(32, 5) },
			],
		});
		const path = join(folder, "odd.gguf");
		writeFileSync(path, bytes);
		const file = await GgufFile.read(path);
		expect(file.version).toBe(2);
		expect(file.tensors.map((tensor) => tensor.source.size)).toEqual([4, 96, 24, 64, 32]);
		expect((await rewritten(path)).equals(bytes)).toBe(true);
	});

	test("without keys, without tensors, without both", async () => {
		for (const spec of [{}, { entries: [entry("k", "uint8", 1)] }, { tensors: [{ name: "t", dims: [8] }] }]) {
			const path = makeGguf(join(folder, "bare.gguf"), spec);
			expect((await rewritten(path)).equals(buildGguf(spec))).toBe(true);
		}
	});

	test("but for gaps between tensors, which are closed", async () => {
		const info = (name: string, offset: number) => Buffer.concat([u64(1), Buffer.from(name), u32(1), u64(4), u32(0), u64(offset)]);
		const head = Buffer.concat([Buffer.from("GGUF"), u32(3), u64(2), u64(0), info("b", 128), info("a", 0)]);
		const data = Buffer.concat([Buffer.alloc(128, 1), Buffer.alloc(32, 2)]);
		const path = join(folder, "gaps.gguf");
		writeFileSync(path, Buffer.concat([head, Buffer.alloc((32 - (head.length % 32)) % 32), data]));
		await rewritten(path);
		const file = await GgufFile.read(join(folder, "rewritten.gguf"));
		expect(file.tensors.map(({ name }) => name)).toEqual(["b", "a"]);
		const bytes = readFileSync(join(folder, "rewritten.gguf"));
		expect(file.tensors.map(({ source }) => bytes[source.offset])).toEqual([2, 1]);
		expect(file.tensors[1]!.source.offset - file.tensors[0]!.source.offset).toBe(32);
	});
});

const name = fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 }).map((text) => `k.${text}`);
const scalar: fc.Arbitrary<[SpecScalar, fc.Arbitrary<never>]> = fc.constantFrom(
	...(Object.entries({
		uint8: fc.integer({ min: 0, max: 255 }),
		int8: fc.integer({ min: -128, max: 127 }),
		uint16: fc.integer({ min: 0, max: 65535 }),
		int16: fc.integer({ min: -32768, max: 32767 }),
		uint32: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
		int32: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
		uint64: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
		int64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
		float32: fc.float(),
		float64: fc.double(),
		bool: fc.boolean(),
		string: fc.string({ unit: "grapheme" }),
	}) as [SpecScalar, fc.Arbitrary<never>][]),
);
const entries = fc.uniqueArray(
	fc
		.tuple(name, scalar, fc.boolean())
		.chain(([key, [type, value], array]) =>
			array
				? fc.array(value, { maxLength: 6 }).map((list) => entry(key, "array", list, type))
				: value.map((single) => entry(key, type, single)),
		),
	{ selector: (item) => item.key, maxLength: 8 },
);
const tensors = fc.uniqueArray(
	fc.record({
		name: fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 }),
		dims: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 }).map(([first, ...rest]) => [32 * first!, ...rest]),
		type: fc.constantFrom(0, 1, 2, 3, 8, 24, 26, 30, 39),
	}),
	{ selector: (item) => item.name, maxLength: 6 },
);
const specs = fc.record({
	version: fc.constantFrom(2, 3),
	alignment: fc.constantFrom(1, 8, 32, 256),
	seed: fc.integer(),
	entries,
	tensors,
});

describe("for any file", () => {
	test("read(write(x)) = x, and write(read(bytes)) = bytes", async () => {
		await fc.assert(
			fc.asyncProperty(specs, async (spec) => {
				const path = makeGguf(join(folder, "any.gguf"), spec);
				const file = await GgufFile.read(path);
				expect((await rewritten(path)).equals(buildGguf(spec))).toBe(true);
				const again = await GgufFile.read(join(folder, "rewritten.gguf"));
				expect(again.entries).toEqual(file.entries);
				const shapes = (of: GgufFile) => of.tensors.map(({ name, dims, type, source }) => ({ name, dims, type, size: source.size }));
				expect(shapes(again)).toEqual(shapes(file));
			}),
			{ numRuns: 200 },
		);
	});

	test("decoding and encoding every value gives its bytes", async () => {
		await fc.assert(
			fc.asyncProperty(specs, async (spec) => {
				const file = await GgufFile.read(makeGguf(join(folder, "values.gguf"), spec));
				for (const item of file.entries) {
					expect(encodeEntry(item.key, item.type, decodeValue(item), item.itemType as GgufScalarType)).toEqual(item);
				}
			}),
			{ numRuns: 100 },
		);
	});

	test("an independent reader finds the same keys, types, values and tensors", async () => {
		const path = join(folder, "independent.gguf");
		const source = join(folder, "source.gguf");
		await fc.assert(
			fc.asyncProperty(specs, async (spec) => {
				makeGguf(source, spec);
				const file = await GgufFile.read(source);
				await writeContent(path, contentOf(file));
				const other = await gguf(path, { typedMetadata: true, allowLocalFile: true });
				const found = Object.entries(other.typedMetadata).filter(([key]) => !["version", "tensor_count", "kv_count"].includes(key));
				expect(found.map(([key, item]) => [key, item.type, "subType" in item ? item.subType : undefined])).toEqual(file.entries.map(idsOf));
				for (const [key, item] of found) expect(exact(item.value), key).toEqual(exact(file.value(key)));
				const first = (await GgufFile.read(path)).tensors[0]?.source.offset ?? 0;
				expect(other.tensorInfos.length === 0 || Number(other.tensorDataOffset) === first).toBe(true);
				const offsets = (await GgufFile.read(path)).tensors.map((tensor) => tensor.source.offset - first);
				expect(other.tensorInfos.map((info) => [info.name, info.shape.map(Number), info.dtype, Number(info.offset)])).toEqual(
					file.tensors.map((tensor, i) => [tensor.name, tensor.dims, tensor.type, offsets[i]]),
				);
			}),
			{ numRuns: 60 },
		);
	});
});

const idsOf = ({ key, type, itemType }: GgufEntry) => [
	key,
	VALUE_TYPES.indexOf(type) satisfies GGUFValueType,
	itemType === undefined ? undefined : VALUE_TYPES.indexOf(itemType),
];

/** 64-bit numbers in one form, whether they came as number or bigint. */
function exact(value: unknown): unknown {
	if (Array.isArray(value)) return value.map(exact);
	return typeof value === "bigint" && Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

test("the value types have the independent reader's ids", () => {
	expect(VALUE_TYPES.map((type) => type.toUpperCase())).toEqual(VALUE_TYPES.map((_, id) => GGUFValueType[id]));
});

describe("a large file", () => {
	// A hole of 4.5 GB between small tensors. That all of it is copied is a test of its own (test/full).
	test("above 4 GB is read, and its offsets are written", async () => {
		const { path, start, hole } = await makeLargeGguf(join(folder, "large.gguf"));
		const file = await GgufFile.read(path);
		expect(file.size).toBe(start + hole + 64);
		expect(file.tensors[2]!.source).toEqual({ path, offset: start + hole + 32, size: 32 });

		const [a, b, c] = contentOf(file).tensors;
		const ends = { ...contentOf(file), tensors: [c!, a!, c!].map((tensor, i) => ({ ...tensor, name: `t${i}` })) };
		const small = await writeContent(join(folder, "small.gguf"), ends);
		expect([...new Set(small.subarray(-96, -64)), ...new Set(small.subarray(-64, -32)), ...new Set(small.subarray(-32))]).toEqual([
			3, 1, 3,
		]);

		const whole = { ...contentOf(file), tensors: [b!, a!, c!] };
		expect(writtenSize(whole)).toBe(file.size);
		const stop = new AbortController();
		const reason = new Error("seen enough");
		const written = writeContent(join(folder, "stopped.gguf"), whole, { signal: stop.signal, onProgress: () => stop.abort(reason) });
		await expect(written).rejects.toBe(reason);
		const bytes = readFileSync(join(folder, "stopped.gguf"));
		expect(Number(bytes.readBigUInt64LE(24 + 3 * 33 - 8))).toBe(hole + 32);
	});

	test("with a vocabulary of 262,144 tokens is read in well under a second", async () => {
		const count = 262_144;
		const tokens = Array.from({ length: count }, (_, i) => `token number ${i}`);
		const path = makeGguf(join(folder, "vocabulary.gguf"), {
			entries: [
				entry("general.architecture", "string", "gemma3"),
				entry("tokenizer.ggml.tokens", "array", tokens, "string"),
				entry(
					"tokenizer.ggml.scores",
					"array",
					tokens.map(() => 0.5),
					"float32",
				),
				entry("after", "uint32", 7),
			],
			tensors: [{ name: "t", dims: [8] }],
		});
		const start = performance.now();
		const file = await GgufFile.read(path);
		expect(performance.now() - start).toBeLessThan(1000);
		expect(file.number("after")).toBe(7);
		expect(file.array("tokenizer.ggml.tokens")).toEqual(tokens);
		expect((await rewritten(path)).equals(readFileSync(path))).toBe(true);
	});
});
