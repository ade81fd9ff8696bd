import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { describeBlocks } from "../../../src/model/architectures/index.js";
import { InvalidGgufError } from "../../../src/errors.js";
import { GgufFile } from "../../../src/model/gguf/index.js";
import { inspectModel } from "../../../src/jobs/inspect.js";
import { entry, type GgufSpec, makeGguf, type SpecEntry, tinyLlama, u32, u64 } from "../../helpers/make-gguf.js";
import { tempFolder } from "../../helpers/temp-folder.js";

const folder = tempFolder();
let files = 0;
const write = (spec: GgufSpec) => makeGguf(join(folder, `${files++}.gguf`), spec);

/** The tiny model of 4 blocks (38 tensors) with these entries instead of, or in addition to, its own. */
function tiny(...changed: SpecEntry[]): string {
	const keys = new Set(changed.map(({ key }) => key));
	const spec = tinyLlama();
	return write({ ...spec, entries: [...spec.entries!.filter(({ key }) => !keys.has(key)), ...changed] });
}

describe("counts are compared with what the file can hold before anything is built from them", () => {
	it.each([
		["2^31 blocks", entry("llama.block_count", "uint32", 2 ** 31), /at most 512 as llama.block_count .* found 2147483648/],
		["10 million blocks", entry("llama.block_count", "uint32", 1e7), /found 10000000/],
		["one block more than llama.cpp runs", entry("llama.block_count", "uint32", 513), /found 513/],
		["2^64 - 1 blocks", entry("llama.block_count", "uint64", 2n ** 64n - 1n), /found 18446744073709551615/],
		["-1 blocks", entry("llama.block_count", "int32", -1), /found -1/],
		["NaN blocks", entry("llama.block_count", "float32", Number.NaN), /found NaN/],
		["half a block", entry("llama.block_count", "float32", 3.5), /found 3.5/],
		["a list of block counts", entry("llama.block_count", "array", [4], "uint32"), /llama.block_count.* found an array/],
		["blocks in words", entry("llama.block_count", "string", "four"), /llama.block_count.* found a string/],
		["a tail of -2^31 blocks", entry("llama.nextn_predict_layers", "int32", -(2 ** 31)), /nextn_predict_layers .* found -2147483648/],
		["a tail of NaN blocks", entry("llama.nextn_predict_layers", "float32", Number.NaN), /nextn_predict_layers .* found NaN/],
		["a tail longer than the model", entry("llama.nextn_predict_layers", "uint32", 5), /at most 4 as llama.nextn_predict_layers/],
		["-4 heads", entry("llama.attention.head_count", "int32", -4), /head_count.* found -4/],
		["heads of one block that are NaN", entry("llama.attention.head_count", "array", [4, Number.NaN, 4, 4], "float32"), /found NaN/],
		["a width of 2^40", entry("llama.embedding_length", "uint64", 2n ** 40n), /embedding_length.* found 1099511627776/],
		["a context of -1", entry("llama.context_length", "int32", -1), /context_length.* found -1/],
	])("%s", async (_, changed, message) => {
		const started = performance.now();
		const inspected = inspectModel(tiny(changed));
		await expect(inspected).rejects.toThrow(message);
		await expect(inspected).rejects.toThrow(InvalidGgufError);
		expect(performance.now() - started).toBeLessThan(2000);
	});

	it("what the file can hold passes", async () => {
		expect(await inspectModel(tiny())).toMatchObject({ blocks: 4 });
		// A vocabulary without tensors states the blocks of its model.
		const { entries } = tinyLlama({ blocks: 512 });
		expect(await inspectModel(write({ entries: entries! }))).toMatchObject({ blocks: 512 });
		const more = tinyLlama({ blocks: 513 });
		await expect(inspectModel(write({ entries: more.entries! }))).rejects.toThrow(/at most 512/);
	});

	it("as many blocks as any file may state are described at once where all of them together lack what a rule asks for", async () => {
		const { entries } = tinyLlama({ blocks: 512, architecture: "jamba" });
		const started = performance.now();
		const { maxRemovable, reason } = await inspectModel(write({ entries: entries! }));
		expect(maxRemovable).toBe(0);
		expect(reason).toMatch(/one attention block and one recurrent block/);
		// Without a search: the bound of one takes 2 to 3 seconds.
		expect(performance.now() - started).toBeLessThan(1500);
	});

	it("a name of an architecture that no key could begin with", async () => {
		const path = tiny(entry("general.architecture", "string", "a".repeat(100_000)));
		await expect(inspectModel(path)).rejects.toThrow(InvalidGgufError);
		await expect(inspectModel(path)).rejects.toThrow(/general.architecture .* found 100000/);
	});

	it("an array of more items than any model's is carried, and refused when it is decoded", async () => {
		const items = 2 ** 22 + 1;
		const nested = Buffer.concat([u32(9), u64(1), u32(0), u64(items), Buffer.alloc(items)]);
		for (const raw of [Buffer.concat([u32(0), u64(items), Buffer.alloc(items)]), nested]) {
			const file = await GgufFile.read(tiny({ key: "llama.attention.head_count", type: "array", value: [], raw }));
			expect(file.entry("llama.attention.head_count")?.raw.length).toBe(raw.length);
			expect(() => file.value("llama.attention.head_count")).toThrow(InvalidGgufError);
			expect(() => file.value("llama.attention.head_count")).toThrow(/at most 4194304 items .*head_count/);
			expect(() => describeBlocks(file)).toThrow(InvalidGgufError);
		}
	});
});
