import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { describeBlocks, removeBlocks } from "../../src/architectures/index.js";
import { InvalidMaskError, UnsupportedArchitectureError } from "../../src/errors.js";
import { GgufFile } from "../../src/gguf/file.js";
import type { GgufContentTensor } from "../../src/gguf/types.js";
import { type Keys, type ModelSpec, model, range, without, written } from "./model.js";

const FIXTURE = join(dirname(fileURLToPath(import.meta.url)), "../../fixture/fixture-12l.gguf");
const made = { version: "0.1.0", sourceSha256: "ab".repeat(32) };
const u32 = (value: number) => ["uint32", value] as const;
const u32s = (...values: number[]) => ["array", values, "uint32"] as const;
const f32s = (...values: number[]) => ["array", values, "float32"] as const;

async function pruned(name: string, spec: ModelSpec, removed: readonly number[]): Promise<GgufFile> {
	return written(removeBlocks(await model(name, spec), removed, made));
}

/** The value of an architecture's key after removal. */
async function after(name: string, blocks: number, keys: Keys, removed: readonly number[], key: string, more: Partial<ModelSpec> = {}) {
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

		const own = ["version", "source_sha256", "removed_blocks", "source_block_count"].map((key) => `prune_gguf.${key}`);
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
		expect(await after("llama", 4, scalar, [1], "attention.head_count")).toBe(4);
		const arrays: Keys = { "attention.head_count_kv": u32s(1, 2, 3, 4), feed_forward_length: ["array", [5, 6, 7, 8], "int32"] };
		expect(await after("llama", 4, arrays, [1, 2], "attention.head_count_kv")).toEqual([1, 4]);
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
		expect(history).toEqual([{ version: "0.1.0", source_sha256: made.sourceSha256, removed_blocks: [1], source_block_count: 6 }]);
		expect(twice.value("prune_gguf.removed_blocks")).toEqual([0, 3]);
		expect(twice.value("prune_gguf.source_block_count")).toBe(5);
		expect(thrice.array("prune_gguf.history")).toHaveLength(2);
		expect(JSON.parse(String(thrice.array("prune_gguf.history")![1]))).toMatchObject({ version: "0.2.0", removed_blocks: [0, 3] });
		expect(thrice.entry("prune_gguf.source_sha256")).toBeUndefined();
		expect(thrice.tensors.filter((tensor) => tensor.name.startsWith("blk.")).length).toBe(2 * 3);
	});

	it("throws for sets and models that cannot be done, and says which", async () => {
		const file = await model("llama", { blocks: 3 });
		expect(() => removeBlocks(file, [3], made)).toThrow(InvalidMaskError);
		expect(() => removeBlocks(file, [0, 1, 2], made)).toThrow(/one block must be left/);
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

describe("gemma3", () => {
	const window = { "attention.sliding_window": u32(512) };
	const PATTERN = "attention.sliding_window_pattern";
	const default18 = range(18).map((i) => i % 6 < 5);

	it("writes the pattern of the kept blocks where the file has none", async () => {
		const file = await pruned("gemma3", { blocks: 18, keys: window }, [7, 8, 9]);
		expect(file.value(`gemma3.${PATTERN}`)).toEqual(default18.filter((_, i) => ![7, 8, 9].includes(i)));
		expect(file.entry(`gemma3.${PATTERN}`)).toMatchObject({ type: "array", itemType: "bool" });
	});

	it("replaces a period by the pattern, in its place", async () => {
		const file = await pruned("gemma3", { blocks: 8, keys: { [PATTERN]: u32(2), ...window } }, [1]);
		expect(file.value(`gemma3.${PATTERN}`)).toEqual([true, true, false, true, false, true, false]);
		const keys = file.entries.map((entry) => entry.key);
		expect(keys.indexOf(`gemma3.${PATTERN}`)).toBeLessThan(keys.indexOf("gemma3.attention.sliding_window"));
		expect(keys.filter((key) => key.endsWith(PATTERN))).toHaveLength(1);
	});

	it("filters an array, and writes nothing where there are no windows", async () => {
		const array = { ...window, [PATTERN]: ["array", [true, false, true, true], "bool"] as const };
		expect(await after("gemma3", 4, array, [2], PATTERN)).toEqual([true, false, true]);
		expect(await after("gemma3", 4, {}, [2], PATTERN)).toBeUndefined();
	});

	it("writes nothing new when nothing is removed", async () => {
		expect(await after("gemma3", 4, window, [], PATTERN)).toBeUndefined();
	});
});

describe("other patterns", () => {
	const window = { "attention.sliding_window": u32(64) };

	it.each([
		["gpt-oss", 2, false],
		["cohere2", 4, false],
		["gemma2", 2, false],
		["plamo3", 8, false],
		["cohere2moe", 4, true],
		["laguna", 4, true],
		["modern-bert", 3, true],
	])("%s: every %dth block is full (first: %s)", async (name, period, first) => {
		const slides = range(16).map((i) => (first ? i % period !== 0 : i % period < period - 1));
		const removed = [2, 6];
		const pattern = await after(name, 16, window, removed, "attention.sliding_window_pattern");
		expect(pattern).toEqual(slides.filter((_, i) => !removed.includes(i)));
	});

	it("counts the tail as full", async () => {
		const pattern = await after("exaone-moe", 5, {}, [0], "attention.sliding_window_pattern", { tail: 1 });
		expect(pattern).toEqual([true, true, false, true, false]);
	});

	it("writes which blocks are recurrent, by the interval stated or not", async () => {
		const heads = { "attention.head_count": u32(2) };
		expect(await after("qwen3next", 6, heads, [0], "attention.recurrent_layers", { tail: 1 })).toEqual([
			true,
			true,
			false,
			true,
			true,
			false,
		]);
		const stated = { ...heads, full_attention_interval: u32(2) };
		expect(await after("qwen35", 4, stated, [1], "attention.recurrent_layers")).toEqual([true, true, false]);
		const array = { ...heads, "attention.recurrent_layers": u32s(1, 1, 0, 0) };
		expect(await after("qwen35moe", 4, array, [0, 2], "attention.recurrent_layers")).toEqual([1, 0]);
	});

	it("writes the indexers of glm-dsa that its context length implies", async () => {
		const keys = { context_length: u32(1048576) };
		expect(await after("glm-dsa", 8, keys, [0, 3], "attention.indexer.types")).toEqual([true, true, false, false, true, false]);
		expect(await after("glm-dsa", 8, {}, [0, 3], "attention.indexer.types")).toBeUndefined();
	});

	it("filters every per-block array of the table, longer and shorter ones too", async () => {
		const keys: Keys = {
			"attention.compress_ratios": u32s(0, 1, 2, 3, 4, 5, 6),
			swiglu_clamp_exp: f32s(1.5, 2.5, 3.5, 4.5),
			swiglu_clamp_shexp: ["float32", 7],
			hash_layer_count: u32(2),
		};
		const file = await pruned("deepseek4", { blocks: 4, keys }, [1]);
		expect(file.value("deepseek4.attention.compress_ratios")).toEqual([0, 2, 3, 4, 5, 6]);
		expect(file.value("deepseek4.swiglu_clamp_exp")).toEqual([1.5, 3.5, 4.5]);
		expect(file.value("deepseek4.swiglu_clamp_shexp")).toBe(7);
		expect(file.value("deepseek4.hash_layer_count")).toBe(1);
		const short = { "attention.head_count": u32(2), deepstack_mapping: ["array", [-1, -1], "int32"] as const };
		expect(await after("granite", 4, short, [1, 3], "deepstack_mapping")).toEqual([-1]);
	});

	it("knows keys without the architecture's name", async () => {
		const plain = { "xielu.alpha_n": f32s(1, 2, 3), "xielu.eps": f32s(4, 5, 6) };
		const file = await pruned("apertus", { blocks: 3, plain }, [1]);
		expect(file.value("xielu.alpha_n")).toEqual([1, 3]);
		expect(file.value("xielu.eps")).toEqual([4, 6]);
	});
});

describe("counts and derived values", () => {
	it("lowers leading counts by the removed blocks below them", async () => {
		const keys = { leading_dense_block_count: u32(3) };
		expect(await after("deepseek", 6, keys, [1, 4], "leading_dense_block_count")).toBe(2);
		expect(await after("deepseek", 6, keys, [0, 1, 2], "leading_dense_block_count")).toBe(0);
		expect(await after("bailingmoe", 6, keys, [0], "leading_dense_block_count")).toBe(3);
	});

	it("keeps a tail last, with its arrays", async () => {
		const keys = { leading_dense_block_count: u32(1), "attention.head_count_kv": u32s(1, 2, 3, 4, 5) };
		const file = await pruned("glm4moe", { blocks: 4, tail: 1, keys }, [0, 2]);
		expect(file.value("glm4moe.block_count")).toBe(3);
		expect(file.value("glm4moe.nextn_predict_layers")).toBe(1);
		expect(file.value("glm4moe.attention.head_count_kv")).toEqual([2, 4, 5]);
		expect(file.tensor("blk.2.nextn.eh_proj.weight")).toBeDefined();
		expect(file.tensor("blk.1.nextn.eh_proj.weight")).toBeUndefined();
	});

	it("states the residual scale of minicpm in single precision", async () => {
		const value = await after("minicpm", 40, {}, [3], "residual_scale");
		expect(value).toBe(Math.fround(Math.fround(1.4) / Math.fround(Math.sqrt(40))));
		expect(await after("minicpm", 40, { residual_scale: ["float32", 0.5] }, [3], "residual_scale")).toBe(0.5);
	});

	it("states what deepseek2 guesses from the number of blocks", async () => {
		expect(await after("deepseek2", 27, {}, [3, 4], "attention.q_lora_rank")).toBe(0);
		expect(await after("deepseek2", 27, {}, [3], "attention.q_lora_rank")).toBeUndefined();
		const unread = { "attention.q_lora_rank": u32(0) };
		expect(await after("deepseek2", 27, unread, [3, 4], "attention.q_lora_rank")).toBe(0);
		const tokens = { vocab_size: u32(154880), "attention.q_lora_rank": u32(1) };
		expect(await after("deepseek2", 47, tokens, [3], "expert_gating_func")).toBe(2);
		expect(await after("deepseek2", 49, tokens, [3], "expert_gating_func")).toBe(1);
		expect(await after("deepseek2", 40, tokens, [3], "expert_gating_func")).toBeUndefined();
	});

	it("states head sizes that llama.cpp takes from the first block", async () => {
		const keys: Keys = { embedding_length: u32(96), "attention.head_count": u32s(3, 6, 6), "attention.head_count_kv": u32s(3, 3, 3) };
		const file = await pruned("openelm", { blocks: 3, keys }, [0]);
		expect(file.value("openelm.attention.key_length")).toBe(32);
		expect(file.value("openelm.attention.value_length")).toBe(32);
		expect(file.value("openelm.rope.dimension_count")).toBe(32);
		expect(await after("openelm", 3, keys, [1], "attention.key_length")).toBeUndefined();
	});

	it("gemma4: lowers the shared blocks, renumbers nothing else", async () => {
		const pattern = ["array", [true, false, true, false, true, false], "bool"] as const;
		const keys = { "attention.sliding_window_pattern": pattern, "attention.shared_kv_layers": u32(2) };
		const file = await pruned("gemma4", { blocks: 6, keys }, [0, 5]);
		expect(file.value("gemma4.attention.shared_kv_layers")).toBe(1);
		expect(file.value("gemma4.attention.sliding_window_pattern")).toEqual([false, true, false, true]);
	});

	it("qwen4exp: the per-layer embedding follows its block, which stays", async () => {
		const keys = { "attention.head_count": u32(2), "ple.layers": u32s(2) };
		expect(await after("qwen4exp", 5, keys, [0], "ple.layers")).toEqual([1]);
		const file = await model("qwen4exp", { blocks: 5, keys });
		expect(() => removeBlocks(file, [2], made)).toThrow(/block 2 must stay/);
	});

	it("t5encoder: renumbers its own prefix", async () => {
		const file = await pruned("t5encoder", { blocks: 3, prefix: "enc.blk." }, [1]);
		expect(file.tensor("enc.blk.1.attn_q.weight")).toBeDefined();
		expect(file.tensor("enc.blk.2.attn_q.weight")).toBeUndefined();
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
