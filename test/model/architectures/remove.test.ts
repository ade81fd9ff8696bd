import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { describeBlocks, removeBlocks } from "../../../src/model/architectures/index.js";
import { InvalidCandidateError, UnsupportedArchitectureError } from "../../../src/errors.js";
import { GgufFile } from "../../../src/model/gguf/file.js";
import type { GgufContentTensor } from "../../../src/model/gguf/types.js";
import { type Keys, type ModelSpec, model, range, without, written } from "./model.js";

const FIXTURE = join(dirname(fileURLToPath(import.meta.url)), "../../../fixture/fixture-12l.gguf");
const made = { version: "0.1.0", sourceSha256: "ab".repeat(32) };
const u32 = (value: number) => ["uint32", value] as const;
const u32s = (...values: number[]) => ["array", values, "uint32"] as const;

async function pruned(name: string, spec: ModelSpec, removed: readonly number[]): Promise<GgufFile> {
	return written(removeBlocks(await model(name, spec), removed, made));
}

/** The value of an architecture's key after removal. */
async function valueAfter(
	name: string,
	blocks: number,
	keys: Keys,
	removed: readonly number[],
	key: string,
	more: Partial<ModelSpec> = {},
) {
	return (await pruned(name, { blocks, keys, ...more }, removed)).value(`${name}.${key}`);
}

const loaded = new Map<string, Buffer>();

function bytes({ source }: GgufContentTensor): Buffer {
	if (source instanceof Uint8Array) return Buffer.from(source);
	if (!loaded.has(source.path)) loaded.set(source.path, readFileSync(source.path));
	return loaded.get(source.path)!.subarray(source.offset, source.offset + source.size);
}

describe("llama", () => {
	it("renumbers blocks, lowers the count, adds where it came from, and changes nothing else", async () => {
		const file = await GgufFile.read(FIXTURE);
		const removed = [9, 0, 4];
		const content = removeBlocks(file, removed, made);
		const result = await written(content);
		const kept = without(12, removed);
		expect(result.number("llama.block_count")).toBe(9);

		const own = ["version", "source_sha256", "removed", "removed_blocks", "source_block_count"].map((key) => `prune_gguf.${key}`);
		expect(content.entries.map((entry) => entry.key)).toEqual([...file.entries.map((entry) => entry.key), ...own]);
		for (const entry of file.entries) {
			if (entry.key !== "llama.block_count") expect(content.entries.find((other) => other.key === entry.key)).toBe(entry);
		}
		expect(result.value("prune_gguf.removed_blocks")).toEqual([0, 4, 9]);
		expect(result.value("prune_gguf.source_block_count")).toBe(12);
		expect(result.value("prune_gguf.version")).toBe("0.1.0");
		expect(result.value("prune_gguf.source_sha256")).toBe(made.sourceSha256);

		const expected = file.tensors.flatMap((tensor) => {
			const block = /^blk\.(\d+)\./.exec(tensor.name)?.[1];
			if (block === undefined) return [{ ...tensor }];
			const at = kept.indexOf(Number(block));
			return at < 0 ? [] : [{ ...tensor, name: tensor.name.replace(/^blk\.\d+/, `blk.${at}`) }];
		});
		expect(content.tensors).toEqual(expected);
		expect(result.tensors.map(bytes)).toEqual(expected.map(bytes));
	});

	it("keeps scalars scalar and filters arrays, whatever their item type", async () => {
		const scalar = { "attention.head_count": u32(4), feed_forward_length: u32(64) };
		expect(await valueAfter("llama", 4, scalar, [1], "attention.head_count")).toBe(4);
		const arrays: Keys = { "attention.head_count_kv": u32s(1, 2, 3, 4), feed_forward_length: ["array", [5, 6, 7, 8], "int32"] };
		expect(await valueAfter("llama", 4, arrays, [1, 2], "attention.head_count_kv")).toEqual([1, 4]);
		const file = await pruned("llama", { blocks: 4, keys: arrays }, [1]);
		expect(file.value("llama.feed_forward_length")).toEqual([5, 7, 8]);
		expect(file.entry("llama.feed_forward_length")?.itemType).toBe("int32");
	});

	it("leaves arrays of the same length alone when they are not per block", async () => {
		const keys: Keys = { "rope.dimension_sections": u32s(1, 2, 3, 4), "something.new": u32s(9, 8, 7, 6) };
		const file = await pruned("llama", { blocks: 4, keys, plain: { "general.numbers": u32s(4, 3, 2, 1) } }, [2]);
		expect(file.value("llama.rope.dimension_sections")).toEqual([1, 2, 3, 4]);
		expect(file.value("llama.something.new")).toEqual([9, 8, 7, 6]);
		expect(file.value("general.numbers")).toEqual([4, 3, 2, 1]);
		expect(file.value("tokenizer.ggml.unknown")).toEqual([]);
		expect(file.value("general.empty")).toBe("");
	});

	it("keeps the type of the block count", async () => {
		const file = await model("llama", { blocks: 4 });
		const content = removeBlocks(file, [1], made);
		expect(content.entries.find((entry) => entry.key === "llama.block_count")?.type).toBe("uint32");
	});

	it("handles names with numbers after the block's", async () => {
		const parts = ["ffn_down.0.weight", "ffn_down.11.weight", "ssm_a"];
		const file = await pruned("llama", { blocks: 12, parts }, [10]);
		expect(file.tensor("blk.10.ffn_down.11.weight")).toBeDefined();
		expect(file.tensor("blk.1.ssm_a")).toBeDefined();
		expect(file.tensor("blk.11.ffn_down.0.weight")).toBeUndefined();
	});

	it("keeps the history of a model pruned before", async () => {
		const once = await pruned("llama", { blocks: 6 }, [1]);
		const twice = await written(removeBlocks(once, [0, 3], { version: "0.2.0", sourceSha256: "cd" }));
		const thrice = await written(removeBlocks(twice, [2], { version: "0.3.0" }));
		const history = twice.array("prune_gguf.history")!.map((line) => JSON.parse(String(line)));
		expect(history).toEqual([
			{ version: "0.1.0", source_sha256: made.sourceSha256, removed: "1", removed_blocks: [1], source_block_count: 6 },
		]);
		expect(twice.value("prune_gguf.removed_blocks")).toEqual([0, 3]);
		expect(twice.value("prune_gguf.source_block_count")).toBe(5);
		expect(thrice.array("prune_gguf.history")).toHaveLength(2);
		expect(JSON.parse(String(thrice.array("prune_gguf.history")![1]))).toMatchObject({ version: "0.2.0", removed_blocks: [0, 3] });
		expect(thrice.entry("prune_gguf.source_sha256")).toBeUndefined();
		expect(thrice.tensors.filter((tensor) => tensor.name.startsWith("blk.")).length).toBe(2 * 3);
	});

	it("throws for sets and models that cannot be done, and says which", async () => {
		const file = await model("llama", { blocks: 3 });
		expect(() => removeBlocks(file, [3], made)).toThrow(InvalidCandidateError);
		expect(() => removeBlocks(file, [0, 1, 2], made)).toThrow(/one block must be kept/);
		const other = await model("llama9", { blocks: 3 });
		expect(() => removeBlocks(other, [1], made)).toThrow(UnsupportedArchitectureError);
		expect(() => removeBlocks(other, [1], made)).toThrow(/llama9/);
		expect(removeBlocks(other, [1], made, { allowUnknown: true }).tensors).toHaveLength(7);
	});
});

describe("mamba", () => {
	it("is renumbered like any other", async () => {
		const parts = ["ssm_a", "ssm_out.weight", "ssm_conv1d.bias"];
		const file = await pruned("mamba", { blocks: 5, parts, keys: { "attention.head_count": u32(0) } }, [1, 4]);
		expect(file.number("mamba.block_count")).toBe(3);
		expect(file.tensors.map((tensor) => tensor.name).filter((name) => name.endsWith("ssm_a"))).toEqual(
			range(3).map((i) => `blk.${i}.ssm_a`),
		);
	});
});

describe("a pruned model is a model", () => {
	it("removing in two steps is removing at once, but for the provenance", async () => {
		const keys: Keys = {
			"attention.sliding_window": u32(8),
			leading_dense_block_count: u32(2),
			"attention.head_count_kv": u32s(...range(9)),
		};
		const file = await model("laguna", { blocks: 9, keys: { ...keys, "attention.head_count": u32(8) } });
		await fc.assert(
			fc.asyncProperty(fc.subarray(range(9), { minLength: 2, maxLength: 7 }), fc.nat(), async (set, cut) => {
				fc.pre(describeBlocks(file).check(set) === undefined);
				const first = set.filter((_, i) => i % 2 === cut % 2);
				fc.pre(first.length > 0 && describeBlocks(file).check(first) === undefined);
				const middle = await written(removeBlocks(file, first, made));
				const kept = without(9, first);
				const rest = set.filter((block) => !first.includes(block)).map((block) => kept.indexOf(block));
				const plain = (content: { entries: readonly { key: string }[] }) =>
					content.entries.filter((entry) => !entry.key.startsWith("prune_gguf."));
				const byKey = (a: { key: string }, b: { key: string }) => (a.key < b.key ? -1 : 1);
				const steps = removeBlocks(middle, rest, made);
				const once = removeBlocks(file, set, made);
				expect(plain(steps).sort(byKey)).toEqual(plain(once).sort(byKey));
				expect(steps.tensors.map((tensor) => tensor.name)).toEqual(once.tensors.map((tensor) => tensor.name));
				expect(steps.tensors.map(bytes)).toEqual(once.tensors.map(bytes));
			}),
			{ numRuns: 40 },
		);
	});
});
