import { describe, expect, it } from "vitest";
import { ARCHITECTURES, describeBlocks, keptProblem, removeBlocks } from "../../../src/model/architectures/index.js";
import type { GgufContent, GgufEntry } from "../../../src/model/gguf/types.js";
import { encodeEntry } from "../../../src/model/gguf/value.js";
import { BLOCKS, keysFor, TAIL } from "./keys-for.js";
import { type Keys, type ModelSpec, model, without, written } from "./model.js";

const u32 = (value: number) => ["uint32", value] as const;
const u32s = (...values: number[]) => ["array", values, "uint32"] as const;
const i32s = (...values: number[]) => ["array", values, "int32"] as const;
const f32s = (...values: number[]) => ["array", values, "float32"] as const;
const bools = (...values: number[]) => ["array", values.map(Boolean), "bool"] as const;

describe("the header of a written file says of each block what the original says of the block kept", () => {
	const entries = [...ARCHITECTURES.values()].filter((entry) => !entry.refused);

	it.each(entries.map((entry) => [entry.name, entry] as const))("%s", async (name, entry) => {
		const file = await model(name, { blocks: BLOCKS, tail: TAIL, keys: keysFor(entry), prefix: entry.prefix ?? "blk." });
		const plan = describeBlocks(file);
		const sets = [[0], [4], [BLOCKS - 1], [1, 2, 3], [2, 5, 11], without(BLOCKS, [0, 1, 2, 3, 4, 5]), ...(plan.units ?? [])];
		for (const removed of sets.filter((set) => plan.check(set) === undefined)) {
			expect(keptProblem(file, removed, await written(removeBlocks(file, removed, { version: "1" }))), removed.join()).toBeUndefined();
		}
	});
});

it("counts a tensor of a block to the block, whatever its name holds", async () => {
	const file = await model("llama", { blocks: BLOCKS, tensors: [{ name: "blk.2.ffn_do\rn.weight", dims: [4] }] });
	for (const removed of [[2], [0]])
		expect(keptProblem(file, removed, await written(removeBlocks(file, removed, { version: "1" })))).toBeUndefined();
});

/** The entries with another value under a key; null leaves it out. */
function withKey(key: string, value: Keys[string] | null) {
	return (entries: readonly GgufEntry[]): GgufEntry[] => [
		...entries.filter((entry) => entry.key !== key),
		...(value ? [encodeEntry(key, value[0], value[1] as never, value[2] as never)] : []),
	];
}

describe("what is wrong in a header shows, whatever short prompts say", () => {
	const WINDOW = { "attention.sliding_window": u32(512) };
	const PATTERN = "attention.sliding_window_pattern";
	const heads = { "attention.head_count": u32(4) };

	it.each<[string, string, ModelSpec, number[], ReturnType<typeof withKey>, RegExp]>([
		["no pattern of windows", "gemma3", { blocks: 12, keys: WINDOW }, [1], withKey(`gemma3.${PATTERN}`, null), /sliding window/],
		[
			"a pattern moved by one block",
			"gemma3",
			{ blocks: 6, keys: WINDOW },
			[1],
			withKey(`gemma3.${PATTERN}`, bools(1, 1, 1, 0, 1)),
			/^block 3 \(block 4 of the original\): sliding window false, expected true$/,
		],
		["no windows", "gemma3", { blocks: 6, keys: WINDOW }, [1], withKey("gemma3.attention.sliding_window", null), /windows in use/],
		[
			"no pattern of recurrent blocks",
			"qwen3next",
			{ blocks: 8, keys: heads },
			[0],
			withKey("qwen3next.attention.recurrent_layers", null),
			/recurrent/,
		],
		[
			"no indexers",
			"glm-dsa",
			{ blocks: 8, keys: { context_length: u32(1048576) } },
			[0],
			withKey("glm-dsa.attention.indexer.types", null),
			/indexer/,
		],
		[
			"key/value heads of another block",
			"llama",
			{ blocks: 4, keys: { ...heads, "attention.head_count_kv": u32s(1, 2, 4, 2) } },
			[1],
			withKey("llama.attention.head_count_kv", u32s(1, 2, 4)),
			/key\/value heads 2, expected 4/,
		],
		[
			"feed-forward widths",
			"openelm",
			{ blocks: 3, keys: { feed_forward_length: u32s(8, 9, 10) } },
			[0],
			withKey("openelm.feed_forward_length", u32s(8, 9)),
			/feed-forward width/,
		],
		[
			"experts in use",
			"nemotron_h",
			{
				blocks: 4,
				keys: {
					...heads,
					"attention.head_count_kv": u32s(0, 2, 2, 0),
					feed_forward_length: u32s(0, 0, 0, 0),
					expert_used_count: u32s(1, 2, 3, 4),
				},
			},
			[1],
			withKey("nemotron_h.expert_used_count", u32s(1, 2, 3)),
			/experts in use/,
		],
		[
			"blocks without rotary positions",
			"granite_swa",
			{ blocks: 4, keys: { [PATTERN]: bools(1, 1, 1, 1), "attention.rope_pattern": bools(1, 0, 0, 1) } },
			[1],
			withKey("granite_swa.attention.rope_pattern", bools(1, 0, 0)),
			/rotary positions/,
		],
		[
			"images",
			"granite",
			{ blocks: 4, keys: { deepstack_mapping: i32s(0, -1, -1, 1) } },
			[1],
			withKey("granite.deepstack_mapping", i32s(0, 1, -1)),
			/image embeddings/,
		],
		[
			"compress ratios",
			"deepseek4",
			{ blocks: 4, keys: { "attention.compress_ratios": u32s(4, 128, 0, 4) } },
			[0],
			withKey("deepseek4.attention.compress_ratios", u32s(4, 128, 0)),
			/compress ratio/,
		],
		[
			"clamps",
			"step35",
			{ blocks: 4, keys: { [PATTERN]: bools(1, 1, 1, 1), swiglu_clamp_exp: f32s(1, 2, 3, 4) } },
			[0],
			withKey("step35.swiglu_clamp_exp", f32s(2, 3, 3)),
			/^block 2 \(block 3 of the original\): swiglu_clamp_exp 3, expected 4$/,
		],
		[
			"activations",
			"apertus",
			{ blocks: 3, plain: { "xielu.beta": f32s(1, 2, 3) } },
			[0],
			withKey("xielu.beta", f32s(1, 2)),
			/xielu\.beta 1, expected 2/,
		],
		[
			"leading dense blocks",
			"deepseek",
			{ blocks: 6, keys: { leading_dense_block_count: u32(2) } },
			[1],
			withKey("deepseek.leading_dense_block_count", u32(2)),
			/leading_dense_block_count true, expected false/,
		],
		[
			"blocks that share keys and values",
			"gemma4",
			{ blocks: 6, keys: { [PATTERN]: bools(1, 0, 1, 0, 1, 0), "attention.shared_kv_layers": u32(2) } },
			[5],
			withKey("gemma4.attention.shared_kv_layers", u32(2)),
			/keys and values of its own/,
		],
		[
			"the per-layer embedding",
			"qwen4exp",
			{ blocks: 5, keys: { ...heads, "ple.layers": u32s(2) } },
			[0],
			withKey("qwen4exp.ple.layers", u32s(2)),
			/per-layer embedding/,
		],
		["the residual scale", "minicpm", { blocks: 40 }, [3], withKey("minicpm.residual_scale", null), /residual_scale/],
		["low-rank queries", "deepseek2", { blocks: 27 }, [3, 4], withKey("deepseek2.attention.q_lora_rank", u32(1536)), /q_lora_rank/],
		[
			"the gate",
			"deepseek2",
			{ blocks: 47, keys: { vocab_size: u32(154880), "attention.q_lora_rank": u32(64) } },
			[3],
			withKey("deepseek2.expert_gating_func", null),
			/expert_gating_func: 1, expected 2/,
		],
		[
			"head sizes",
			"openelm",
			{ blocks: 3, keys: { embedding_length: u32(96), "attention.head_count": u32s(3, 6, 6) } },
			[0],
			withKey("openelm.attention.key_length", null),
			/key_length: 16, expected 32/,
		],
		[
			"the number of blocks",
			"llama",
			{ blocks: 4 },
			[1],
			withKey("llama.block_count", u32(4)),
			/4 blocks and 0 of a tail, expected 3 blocks/,
		],
		[
			"the tail",
			"glm4",
			{ blocks: 4, tail: 1 },
			[1],
			withKey("glm4.nextn_predict_layers", null),
			/4 blocks and 0 of a tail, expected 3 blocks and 1/,
		],
		[
			"a period of experts",
			"llama4",
			{ blocks: 8, keys: { interleave_moe_layer_step: u32(2) } },
			[0, 1, 2, 3],
			withKey("llama4.interleave_moe_layer_step", u32(4)),
			/special in the period of interleave_moe_layer_step/,
		],
		[
			"another architecture",
			"llama",
			{ blocks: 4 },
			[1],
			withKey("general.architecture", ["string", "qwen2"]),
			/its architecture is qwen2/,
		],
	])("%s", async (_, name, spec, removed, change, expected) => {
		const file = await model(name, spec);
		const content = removeBlocks(file, removed, { version: "1" });
		expect(keptProblem(file, removed, await written(content))).toBeUndefined();
		expect(keptProblem(file, removed, await written({ ...content, entries: change(content.entries) }))).toMatch(expected);
	});

	it("tensors of another shape, in a block or outside", async () => {
		const file = await model("llama", { blocks: 3 });
		const content = removeBlocks(file, [1], { version: "1" });
		const lacking = (name: string): GgufContent => ({ ...content, tensors: content.tensors.filter((tensor) => tensor.name !== name) });
		expect(keptProblem(file, [1], await written(lacking("blk.1.attn_q.weight")))).toMatch(/^block 1 \(block 2 of the original\): tensors/);
		expect(keptProblem(file, [1], await written(lacking("token_embd.weight")))).toMatch(/outside the blocks/);
		// The set matters, not its order.
		expect(keptProblem(file, [2, 1], await written(removeBlocks(file, [1, 2], { version: "1" })))).toBeUndefined();
	});

	it("a model without the last blocks that share keys and values is correct", async () => {
		const keys = { [PATTERN]: bools(1, 0, 1, 0, 1, 0), "attention.shared_kv_layers": u32(2) };
		const file = await model("gemma4", { blocks: 6, keys });
		expect(keptProblem(file, [4, 5], await written(removeBlocks(file, [4, 5], { version: "1" })))).toBeUndefined();
	});
});
