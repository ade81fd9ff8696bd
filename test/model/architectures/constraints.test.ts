import { describe, expect, it } from "vitest";
import { describeBlocks } from "../../../src/model/architectures/index.js";
import { type Keys, model, without } from "./model.js";

const u32 = (value: number) => ["uint32", value] as const;
const u32s = (...values: number[]) => ["array", values, "uint32"] as const;

async function plan(architecture: string, blocks: number, keys: Keys = {}, more: object = {}) {
	return describeBlocks(await model(architecture, { blocks, keys, ...more }));
}

describe("rules by number of blocks", () => {
	it.each([32, 40])("baichuan of %d blocks is refused", async (blocks) => {
		expect((await plan("baichuan", blocks)).reason).toContain("rotary positions for exactly 32 blocks");
	});

	it("baichuan of another number never becomes one of those", async () => {
		const blocks = await plan("baichuan", 34);
		expect(blocks.check([1])).toBeUndefined();
		expect(blocks.check([1, 2])).toContain("32 blocks would be kept");
	});

	it("exaone4 and command-r", async () => {
		expect((await plan("exaone4", 64)).reason).toContain("exactly 64");
		expect(await plan("exaone4", 30)).toMatchObject({ support: "exact", maxRemovable: 29 });
		expect((await plan("command-r", 64)).reason).toContain("64 blocks and more");
		expect((await plan("command-r", 66)).check([1, 2])).toBeUndefined();
		expect((await plan("command-r", 66)).check([1, 2, 3])).toContain("63 blocks");
		expect((await plan("command-r", 40)).maxRemovable).toBe(39);
	});

	it("deepseek2: a model with low-rank queries never becomes one without", async () => {
		const full = await plan("deepseek2", 28, { "attention.q_lora_rank": u32(1536) });
		expect(full.check([1])).toContain("27 blocks would be kept");
		expect(full.check([1, 2, 3])).toBeUndefined();
		const lite = await plan("deepseek2", 27);
		expect(lite.check([1])).toBeUndefined();
		expect(lite.check([1, 2])).toBeUndefined();
		const wide = await plan("deepseek2", 49, { "attention.q_lora_rank": u32(1536), vocab_size: u32(128256) });
		expect(wide.check([1])).toContain("128256");
	});
});

describe("numbers of blocks that cannot be removed", () => {
	it("by a rule on the number of kept blocks", async () => {
		const glm = await plan("deepseek2", 47, { "attention.q_lora_rank": u32(768), vocab_size: u32(154880) });
		for (const count of [20, 21]) expect(glm.countProblem(count)).toContain("26 or 27 blocks");
		for (const count of [1, 19, 22, 46]) expect(glm.countProblem(count)).toBeUndefined();
		expect((await plan("baichuan", 34)).countProblem(2)).toContain("32 blocks would be kept");
	});

	it("because the model has no more, or the number is none", async () => {
		const blocks = await plan("rwkv7", 5);
		expect(blocks.countProblem(4)).toBeUndefined();
		expect(blocks.countProblem(5)).toBe("at most 4 can be removed (block 0 must stay)");
		expect(blocks.countProblem(0)).toContain("at least 1");
		expect((await plan("t5", 4)).countProblem(1)).toContain("encoder");
	});

	it("because blocks are removed in groups", async () => {
		const blocks = await plan("smollm3", 10);
		expect([1, 2, 3, 4, 5, 6, 7, 8, 9].filter((count) => blocks.countProblem(count) === undefined)).toEqual([2, 4, 6, 8]);
		expect(blocks.countProblem(3)).toContain("groups");
		// Blocks 7 to 9 break a group up, and each kept one keeps its place.
		expect(blocks.check([7, 8, 9])).toBeUndefined();
		expect(blocks.countProblem(3, { tied: false })).toBeUndefined();
	});
});

describe("the empty set runs as identities that can stand alone", () => {
	const pattern = (...slides: number[]) => ({ "attention.sliding_window_pattern": ["array", slides.map(Boolean), "bool"] as const });
	it.each<[string, Keys, number[]]>([
		["llama", {}, [0]],
		["gemma3", { "attention.sliding_window": u32(32), ...pattern(0, 0, 1, 0, 0, 0, 0, 0) }, [2]],
		["dots3note", pattern(0, 0, 0, 1, 0, 1, 0, 0), [0, 3]],
		["smallthinker", { "attention.sliding_window": u32(32) }, [0, 1]],
		["jamba", { "attention.head_count": u32(4), "attention.head_count_kv": u32s(4, 4, 0, 0, 4, 4, 0, 4) }, [0, 2]],
		["minimax-m3", { leading_dense_block_count: u32(3) }, [3]],
		["llama4", {}, [0, 1, 2, 3]],
		["deepseek4", {}, []],
	])("%s", async (name, keys, blocks) => {
		expect((await plan(name, 8, keys)).view.empty).toEqual(blocks);
	});
});

describe("mixed kinds of blocks", () => {
	it("hybrids keep one of each", async () => {
		const blocks = await plan("jamba", 6, { "attention.head_count": u32(4), "attention.head_count_kv": u32s(0, 0, 4, 0, 0, 4) });
		expect(blocks.maxRemovable).toBe(4);
		expect(blocks.check([2])).toBeUndefined();
		expect(blocks.check([2, 5])).toContain("one attention block and one recurrent");
		expect(blocks.check([0, 1, 3, 4])).toContain("one attention block and one recurrent");
	});

	it("the interval of qwen3next, stated or not", async () => {
		const attention = without(8, [3, 7]);
		expect((await plan("qwen3next", 8, { "attention.head_count": u32(2) })).check(attention)).toContain("recurrent");
		const stated = await plan("qwen3next", 8, { "attention.head_count": u32(2), full_attention_interval: u32(2) });
		expect(stated.check(without(8, [0, 1]))).toBeUndefined();
		expect(stated.check(without(8, [1, 3]))).toContain("recurrent");
	});

	it("nemotron_h has three kinds", async () => {
		const keys = {
			"attention.head_count": u32(4),
			"attention.head_count_kv": u32s(0, 2, 0, 0),
			feed_forward_length: u32s(0, 0, 64, 0),
		};
		const blocks = await plan("nemotron_h", 4, keys);
		expect(blocks.check([0, 2])).toBeUndefined();
		expect(blocks.check([0, 3])).toContain("recurrent");
		expect(blocks.check([1])).toContain("attention");
	});

	it("a feed-forward block of nemotron_h is no attention, whatever heads are stated for it", async () => {
		const keys = {
			"attention.head_count": u32(4),
			"attention.head_count_kv": u32s(0, 2, 2, 0),
			feed_forward_length: u32s(0, 0, 64, 0),
		};
		const blocks = await plan("nemotron_h", 4, keys);
		expect(blocks.check([1])).toContain("one attention block and one recurrent");
		expect(blocks.check([2])).toBeUndefined();
	});

	it("plamo2 without heads in its first block is refused, and not measured", async () => {
		const kv = { "attention.head_count_kv": u32s(0, 4, 0, 4) };
		const hangs = await plan("plamo2", 4, { ...kv, "attention.head_count": u32s(0, 4, 0, 4) });
		expect(hangs.reason).toContain("no attention heads are stated for its first block");
		expect(hangs.unmeasurable).toBe(hangs.reason);
		const runs = await plan("plamo2", 4, { ...kv, "attention.head_count": u32(4) });
		expect(runs).toMatchObject({ support: "exact", maxRemovable: 2 });
		expect(runs.unmeasurable).toBeUndefined();
	});

	it("a hidden state is not resumed if the graph does not name it", async () => {
		const keys = { "attention.head_count": u32(4), "attention.head_count_kv": u32s(0, 4, 0, 4) };
		for (const name of ["nemotron_h", "nemotron_h_moe", "plamo2"]) {
			expect(await plan(name, 4, keys)).toMatchObject({ resumable: false, resumeReason: expect.stringContaining("not named l_out") });
		}
		const widths = (...values: number[]) => plan("deci", 4, { "attention.head_count": u32(4), feed_forward_length: u32s(...values) });
		expect(await widths(64, 0, 64, 64)).toMatchObject({ resumable: false, resumeReason: expect.stringContaining("without feed-forward") });
		expect((await widths(64, 32, 64, 64)).resumable).toBe(true);
		expect((await plan("deci", 4, { "attention.head_count": u32(4), feed_forward_length: u32(64) })).resumable).toBe(true);
	});

	it("deepseek4 keeps a block compressed by 4", async () => {
		const blocks = await plan("deepseek4", 4, { "attention.compress_ratios": u32s(0, 4, 128, 4, 0) });
		expect(blocks.check([1])).toBeUndefined();
		expect(blocks.check([1, 3])).toContain("compressed by 4");
		expect(blocks.maxRemovable).toBe(3);
	});

	it("the first block decides on the presence of heads and the experts in use", async () => {
		const zero = { "attention.head_count": u32s(4, 0, 4, 0), "attention.head_count_kv": u32s(4, 0, 4, 0) };
		expect((await plan("jamba", 4, zero)).check([0])).toContain("block 1 cannot be the first");
		expect((await plan("jamba", 4, zero)).check([0, 1])).toBeUndefined();
		const experts = { expert_used_count: u32s(2, 4, 2, 4) };
		expect((await plan("olmoe", 4, experts)).check([0])).toContain("number of experts in use");
		expect((await plan("olmoe", 4, experts)).check([0, 1])).toBeUndefined();
		expect((await plan("llama", 3, { feed_forward_length: u32s(8, 9, 9) })).check([0])).toContain("feed-forward width");
		expect((await plan("openelm", 3, { feed_forward_length: u32s(8, 9, 9) })).check([0])).toBeUndefined();
	});

	it("deci: the last block has a feed-forward, one has attention", async () => {
		const keys = {
			"attention.head_count": u32s(4, 4, 4, 4),
			"attention.head_count_kv": u32s(4, 0, 4, 2),
			feed_forward_length: u32s(64, 64, 0, 64),
		};
		const blocks = await plan("deci", 4, keys);
		expect(blocks.check([3])).toContain("block 2 cannot be the last");
		expect(blocks.check([0, 2, 3])).toContain("must use the positions");
		expect(blocks.check([2, 3])).toBeUndefined();
	});

	it("glm-dsa: a block that shares an indexer does not outlive its owner", async () => {
		const keys = { "attention.indexer.types": u32s(1, 1, 0, 0, 1, 0) };
		const blocks = await plan("glm-dsa", 6, keys);
		expect(blocks.units).toEqual([[0], [1, 2, 3], [4, 5]]);
		expect(blocks.check([1])).toContain("block 2 cannot stay without block 1");
		expect(blocks.check([2])).toBeUndefined();
		expect(blocks.check([1, 2, 3])).toBeUndefined();
		expect(blocks.checkView([2, 3])).toContain("cannot stay without block 1");
		expect((await plan("glm-dsa", 6)).check([1])).toBeUndefined();
		const long = await plan("glm-dsa", 8, { context_length: u32(1048576) });
		expect(long.units).toEqual([[0], [1], [2, 3, 4, 5], [6, 7]]);
	});

	it("kimi-k3 with a residual bank, ernie with interleaved experts and nanbeige in loops are refused", async () => {
		expect((await plan("kimi-k3", 6, { "attn_res.block_size": u32(3) })).reason).toContain("bank");
		expect((await plan("ernie4_5-moe", 6, { interleave_moe_layer_step: u32(2) })).reason).toContain("interleave");
		expect((await plan("ernie4_5-moe", 6, { interleave_moe_layer_step: u32(1) })).support).toBe("exact");
		expect((await plan("nanbeige", 6, { num_loops: u32(2) })).reason).toContain("several times");
		expect((await plan("nanbeige", 6)).support).toBe("exact");
	});

	it("images: blocks that take their embeddings stay", async () => {
		const vision = await plan("qwen3vl", 6, { n_deepstack_layers: u32(2) });
		expect([...vision.frozen.keys()]).toEqual([0, 1]);
		const granite = await plan("granite", 6, { deepstack_mapping: ["array", [0, -1, 1, -1, -1, -1], "int32"] });
		expect([...granite.frozen.keys()]).toEqual([0, 2]);
	});
});
