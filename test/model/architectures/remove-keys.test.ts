import { describe, expect, it } from "vitest";
import { removeBlocks } from "../../../src/model/architectures/index.js";
import type { GgufFile } from "../../../src/model/gguf/file.js";
import { type Keys, type ModelSpec, model, range, written } from "./model.js";

const made = { version: "0.1.0", sourceSha256: "ab".repeat(32) };
const u32 = (value: number) => ["uint32", value] as const;
const u32s = (...values: number[]) => ["array", values, "uint32"] as const;
const f32s = (...values: number[]) => ["array", values, "float32"] as const;

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
		expect(await valueAfter("gemma3", 4, array, [2], PATTERN)).toEqual([true, false, true]);
		expect(await valueAfter("gemma3", 4, {}, [2], PATTERN)).toBeUndefined();
	});

	it("writes nothing new when nothing is removed", async () => {
		expect(await valueAfter("gemma3", 4, window, [], PATTERN)).toBeUndefined();
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
	])("%s: every %dth block is full (first: %s)", async (name, period, first) => {
		const slides = range(16).map((i) => (first ? i % period !== 0 : i % period < period - 1));
		const removed = [2, 6];
		const pattern = await valueAfter(name, 16, window, removed, "attention.sliding_window_pattern");
		expect(pattern).toEqual(slides.filter((_, i) => !removed.includes(i)));
	});

	it("counts the tail as full", async () => {
		const pattern = await valueAfter("exaone-moe", 5, {}, [0], "attention.sliding_window_pattern", { tail: 1 });
		expect(pattern).toEqual([true, true, false, true, false]);
	});

	it("writes which blocks are recurrent, by the interval stated or not", async () => {
		const heads = { "attention.head_count": u32(2) };
		expect(await valueAfter("qwen3next", 6, heads, [0], "attention.recurrent_layers", { tail: 1 })).toEqual([
			true,
			true,
			false,
			true,
			true,
			false,
		]);
		const stated = { ...heads, full_attention_interval: u32(2) };
		expect(await valueAfter("qwen35", 4, stated, [1], "attention.recurrent_layers")).toEqual([true, true, false]);
		const array = { ...heads, "attention.recurrent_layers": u32s(1, 1, 0, 0) };
		expect(await valueAfter("qwen35moe", 4, array, [0, 2], "attention.recurrent_layers")).toEqual([1, 0]);
	});

	it("writes the indexers of glm-dsa that its context length implies", async () => {
		const keys = { context_length: u32(1048576) };
		expect(await valueAfter("glm-dsa", 8, keys, [0, 3], "attention.indexer.types")).toEqual([true, true, false, false, true, false]);
		expect(await valueAfter("glm-dsa", 8, {}, [0, 3], "attention.indexer.types")).toBeUndefined();
	});

	it("filters every per-block array of the table, longer and shorter ones too", async () => {
		const keys: Keys = {
			"attention.compress_ratios": u32s(0, 1, 4, 3, 4, 5, 6),
			swiglu_clamp_exp: f32s(1.5, 2.5, 3.5, 4.5),
			swiglu_clamp_shexp: ["float32", 7],
			hash_layer_count: u32(2),
		};
		const file = await pruned("deepseek4", { blocks: 4, keys }, [1]);
		expect(file.value("deepseek4.attention.compress_ratios")).toEqual([0, 4, 3, 4, 5, 6]);
		expect(file.value("deepseek4.swiglu_clamp_exp")).toEqual([1.5, 3.5, 4.5]);
		expect(file.value("deepseek4.swiglu_clamp_shexp")).toBe(7);
		expect(file.value("deepseek4.hash_layer_count")).toBe(1);
		const short = { "attention.head_count": u32(2), deepstack_mapping: ["array", [-1, -1], "int32"] as const };
		expect(await valueAfter("granite", 4, short, [1, 3], "deepstack_mapping")).toEqual([-1]);
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
		expect(await valueAfter("deepseek", 6, keys, [1, 4], "leading_dense_block_count")).toBe(2);
		expect(await valueAfter("deepseek", 6, keys, [0, 1, 2], "leading_dense_block_count")).toBe(0);
		expect(await valueAfter("bailingmoe", 6, keys, [0], "leading_dense_block_count")).toBe(3);
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
		const value = await valueAfter("minicpm", 40, {}, [3], "residual_scale");
		expect(value).toBe(Math.fround(Math.fround(1.4) / Math.fround(Math.sqrt(40))));
		expect(await valueAfter("minicpm", 40, { residual_scale: ["float32", 0.5] }, [3], "residual_scale")).toBe(0.5);
	});

	it("states what deepseek2 guesses from the number of blocks", async () => {
		expect(await valueAfter("deepseek2", 27, {}, [3, 4], "attention.q_lora_rank")).toBe(0);
		expect(await valueAfter("deepseek2", 27, {}, [3], "attention.q_lora_rank")).toBeUndefined();
		const unread = { "attention.q_lora_rank": u32(0) };
		expect(await valueAfter("deepseek2", 27, unread, [3, 4], "attention.q_lora_rank")).toBe(0);
		const tokens = { vocab_size: u32(154880), "attention.q_lora_rank": u32(1) };
		expect(await valueAfter("deepseek2", 47, tokens, [3], "expert_gating_func")).toBe(2);
		expect(await valueAfter("deepseek2", 49, tokens, [3], "expert_gating_func")).toBe(1);
		expect(await valueAfter("deepseek2", 40, tokens, [3], "expert_gating_func")).toBeUndefined();
	});

	it("states head sizes that llama.cpp takes from the first block", async () => {
		const keys: Keys = { embedding_length: u32(96), "attention.head_count": u32s(3, 6, 6), "attention.head_count_kv": u32s(3, 3, 3) };
		const file = await pruned("openelm", { blocks: 3, keys }, [0]);
		expect(file.value("openelm.attention.key_length")).toBe(32);
		expect(file.value("openelm.attention.value_length")).toBe(32);
		expect(file.value("openelm.rope.dimension_count")).toBe(32);
		expect(await valueAfter("openelm", 3, keys, [1], "attention.key_length")).toBeUndefined();
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
		expect(await valueAfter("qwen4exp", 5, keys, [0], "ple.layers")).toEqual([1]);
		const file = await model("qwen4exp", { blocks: 5, keys });
		expect(() => removeBlocks(file, [2], made)).toThrow(/block 2 must stay/);
	});
});
