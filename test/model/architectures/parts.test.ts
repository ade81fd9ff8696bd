import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { ARCHITECTURES, describeBlocks, removeBlocks } from "../../../src/model/architectures/index.js";
import { ownerOfKey, ownerOfTensor } from "../../../src/model/architectures/owners.js";
import { FEED_FORWARD_KEYS, USUAL_FEED_FORWARD } from "../../../src/model/architectures/table/parts.js";
import { type Keys, model } from "./model.js";

// Which architectures have blocks of two parts, and what may be cut there.

const SOURCE = readFileSync(join(dirname(fileURLToPath(import.meta.url)), "../../../vendor/llama.cpp/src/llama-arch.cpp"), "utf8");
const entries = [...ARCHITECTURES.values()];
const u32 = (value: number) => ["uint32", value] as const;
const u32s = (...values: number[]) => ["array", values, "uint32"] as const;

async function plan(architecture: string, blocks: number, keys: Keys = {}, more: object = {}) {
	return describeBlocks(await model(architecture, { blocks, keys, ...more }));
}

describe("the table of parts", () => {
	it.each(entries.map((entry) => [entry.name, entry] as const))("%s: has an answer, and a reason if it is no", async (name, entry) => {
		expect(entry.parts, `${name} is in no list of src/model/architectures/table/parts*.ts`).toBeDefined();
		if (entry.parts!.whole !== undefined) expect(entry.parts!.whole.length).toBeGreaterThan(10);
		const { parts } = await plan(name, 4, {}, { prefix: entry.prefix ?? "blk." });
		if (!parts.allowed) expect(parts.reason).toBeTruthy();
		if (entry.parts!.whole !== undefined || entry.refused) expect(parts.allowed).toBe(false);
	});

	it.each(entries.filter(({ parts }) => parts?.feedForward).map((entry) => [entry.name, entry] as const))(
		"%s: names tensors that llama.cpp has",
		(_, { parts }) => {
			for (const name of parts!.feedForward!) expect(SOURCE).toContain(`"blk.%d.${name}"`);
		},
	);

	it("has usual tensors and keys that llama.cpp has", () => {
		for (const name of USUAL_FEED_FORWARD) expect(SOURCE).toContain(`"blk.%d.${name}"`);
		for (const key of FEED_FORWARD_KEYS) expect(SOURCE).toMatch(new RegExp(`"(%s\\.)?${key.replaceAll(".", "\\.")}"`));
	});

	it.each<[string, string[], string[]]>([
		["llama", ["ffn_norm.weight", "ffn_down.0.weight", "ffn_gate_inp.weight"], ["attn_norm.weight", "attn_output.bias"]],
		["gemma2", ["post_ffw_norm.weight", "ffn_norm.weight"], ["post_attention_norm.weight"]],
		["gpt-oss", ["post_attention_norm.weight", "ffn_down_exps.bias"], ["attn_sinks.weight", "attn_output.weight"]],
		["glm4moe", ["post_attention_norm.weight", "exp_probs_b.bias"], ["attn_q_norm.weight"]],
		["glm4", ["post_ffw_norm.weight"], ["post_attention_norm.weight"]],
		["dbrx", ["attn_output_norm.weight"], ["attn_output.weight"]],
		["grok", ["layer_output_norm.weight"], ["attn_output_norm.weight"]],
		["falcon-h1", ["ffn_norm", "ffn_up.weight"], ["ssm_out.weight", "ssm_a", "attn_norm.weight"]],
		["mpt", ["ffn.act.scales"], ["attn_qkv.weight"]],
		["plamo3", ["post_ffw_norm"], ["post_attention_norm"]],
		["rwkv6", ["attn_norm_2.bias", "channel_mix_value.weight"], ["attn_norm.weight", "time_mix_output.weight"]],
		["gemma4", ["layer_output_scale.weight", "pre_ffw_norm_2.weight"], ["post_attention_norm.weight"]],
		["qwen4exp", ["hc_ffn_inject.weight"], ["hc_attn_inject.weight", "ple_key.weight"]],
		["hy_v4", ["hc_ffn_base.weight"], ["hc_attn_base.weight", "indexer.proj.weight"]],
		["cogvlm", ["vis_down.weight"], ["vis_attn_output.weight"]],
	])("%s: tells the tensors of the two parts", (name, feedForward, attention) => {
		const entry = ARCHITECTURES.get(name)!;
		expect(feedForward.map((rest) => ownerOfTensor(entry, rest))).toEqual(feedForward.map(() => "feedForward"));
		expect(attention.map((rest) => ownerOfTensor(entry, rest))).toEqual(attention.map(() => "attention"));
	});

	it("tells the keys of the two parts", () => {
		const feedForward = ["llama.feed_forward_length", "expert_used_count", "xielu.beta", "step35.swiglu_clamp_shexp"];
		expect(feedForward.map(ownerOfKey)).toEqual(feedForward.map(() => "feedForward"));
		const attention = [
			"llama.attention.head_count",
			"gemma3.attention.sliding_window_pattern",
			"deepstack_mapping",
			"attention.rope_pattern",
		];
		expect(attention.map(ownerOfKey)).toEqual(attention.map(() => "attention"));
	});
});

describe("half-block cuts", () => {
	it("are allowed where any set of blocks is", async () => {
		const blocks = await plan("llama", 4);
		expect(blocks.parts).toEqual({ allowed: true });
		for (const set of [[0.5], [2.5], [0.5, 1.5, 2.5], [0, 1.5], [0.5, 2], [2.5, 0.5]]) expect(blocks.check(set)).toBeUndefined();
		expect(blocks.check([3.5])).toBe("3f-4a reaches beyond the model: the blocks are 0 to 3");
		expect(blocks.check([-0.5])).toContain("no block -0.5");
		expect(blocks.check([1.75])).toContain("no block 1.75");
		expect(blocks.check([0.5, 1])).toBe("0f-1a and 1 share a part");
		expect(blocks.check([0.5, 0.5])).toContain("twice");
		expect(blocks.check([0.5, 1.5, 2.5, 3.5])).toContain("beyond the model");
		expect(blocks.check([0.5, 1.5, 2.5], { emptyAllowed: true })).toBeUndefined();
	});

	it.each([
		["falcon", {}, /side by side/],
		["mamba", {}, /only one part \(a state space\)/],
		["smallthinker", {}, /experts are chosen from the input of the block/],
		["arctic", {}, /beside the attention part/],
		["gptneox", { use_parallel_residual: ["bool", true] }, /use_parallel_residual/],
		["stablelm", {}, /a block without ffn_norm/],
		["chameleon", { swin_norm: ["bool", true] }, /reads the result of the attention part alone/],
	] as const)("%s: only whole blocks, with the reason", async (name, keys, reason) => {
		const blocks = await plan(name, 6, keys as Keys);
		expect(blocks.parts).toMatchObject({ allowed: false, reason: expect.stringMatching(reason) });
		expect(blocks.check([1.5])).toMatch(reason);
		expect(blocks.check([1.5])).toContain("half-block cuts are not possible");
		expect(blocks.check([1])).toBeUndefined();
		expect(blocks.view.feedForward(1)).toEqual([]);
		expect(blocks.checkView([{ attention: 0, feedForward: 1 }])).toMatch(reason);
	});

	it("are allowed in the other models of an architecture that knows both", async () => {
		const sequential = await plan("gptneox", 4, { use_parallel_residual: ["bool", false] });
		expect(sequential.parts).toEqual({ allowed: true });
		const parts = ["attn_output.weight", "ffn_norm.weight", "ffn_down.weight"];
		expect((await plan("stablelm", 4, {}, { parts })).parts).toEqual({ allowed: true });
		const tensors = [{ name: "blk.4.ffn_down.weight", dims: [8] }];
		expect((await plan("stablelm", 4, {}, { parts, tensors })).parts).toEqual({ allowed: true });
	});

	it("are not allowed in an architecture that is not known", async () => {
		const blocks = describeBlocks(await model("new-one", { blocks: 4 }), { allowUnknown: true });
		expect(blocks.parts).toMatchObject({ allowed: false, reason: expect.stringContaining("unknown architecture") });
		expect(blocks.check([1.5])).toContain("half-block cuts are not possible");
		expect(blocks.check([1])).toBeUndefined();
	});

	it("must satisfy each rule with both halves, and the text says which does not", async () => {
		const frozen = await plan("rwkv7", 4);
		expect(frozen.check([0.5])).toMatch(/^without the feed-forward of block 0: block 0 must stay/);
		expect(frozen.check([1.5])).toBeUndefined();
		const everyFourth = await plan("smollm3", 8);
		expect(everyFourth.check([4.5])).toMatch(/^without the attention of block 5: block 7 would become block 6/);
		expect(everyFourth.check([0.5, 1.5, 2.5, 3.5])).toBeUndefined();
		const window = {
			"attention.sliding_window": u32(64),
			"attention.sliding_window_pattern": ["array", [true, false, false], "bool"] as const,
		};
		const sliding = await plan("gemma3", 3, window);
		expect(sliding.check([0.5])).toMatch(/^without the feed-forward of block 0: its memory needs/);
		expect(sliding.check([1.5])).toBeUndefined();
	});

	it("must leave the owner of a shared indexer to the attention parts alone", async () => {
		const keys = { "attention.indexer.types": ["array", [true, false, true, false, true], "bool"] as const };
		const shared = await plan("glm-dsa", 5, keys);
		expect(shared.check([2])).toContain("cannot stay without block 2");
		expect(shared.check([1.5])).toMatch(/^without the attention of block 2: block 3 cannot stay without block 2/);
		expect(shared.check([2.5])).toBeUndefined();
		expect(
			shared.checkView([
				{ attention: 2, feedForward: 3 },
				{ attention: 4, feedForward: 4 },
			]),
		).toBeUndefined();
	});

	it("join only blocks that llama.cpp runs alike", async () => {
		const sparse = await plan("minimax-m3", 6, { leading_dense_block_count: u32(2) });
		expect(sparse.check([1.5])).toMatch(/^the attention of block 1 and the feed-forward of block 2 cannot be one block/);
		expect(sparse.check([0.5])).toBeUndefined();
		expect(sparse.check([2.5])).toBeUndefined();
		const mixed = [
			{ attention: 1, feedForward: 2 },
			{ attention: 3, feedForward: 3 },
		];
		expect(sparse.checkView(mixed)).toContain("cannot be one block");
		const keys = { "attention.head_count": u32(2), feed_forward_length: u32s(8, 0, 8, 8, 8) };
		const deci = await plan("deci", 5, keys);
		expect(deci.check([1.5])).toContain("drops the attention");
		expect(deci.check([0.5])).toContain("drops the attention");
		expect(deci.check([2.5])).toBeUndefined();
		expect(deci.check([0.5, 1.5])).toBeUndefined();
	});

	it("can be run from the hidden state before them", async () => {
		const blocks = await plan("llama", 6);
		expect(
			blocks.checkView([
				{ attention: 2, feedForward: 4 },
				{ attention: 5, feedForward: 5 },
			]),
		).toBeUndefined();
		expect(
			blocks.checkView([
				{ attention: 2, feedForward: 4 },
				{ attention: 5, feedForward: 4 },
			]),
		).toContain("ascending");
		expect(blocks.checkView([{ attention: 4, feedForward: 2 }])).toContain("after its attention part");
		expect(blocks.checkView([{ attention: 4, feedForward: 6 }])).toContain("no block 6");
		const everyFourth = await plan("smollm3", 8);
		expect(everyFourth.checkView([{ attention: 4, feedForward: 4 }])).toBeUndefined();
		expect(everyFourth.checkView([{ attention: 0, feedForward: 3 }])).toContain("block 3 would become block 0");
	});

	it("tell the layer view which tensors are of the feed-forward part", async () => {
		const parts = ["attn_norm.weight", "attn_output.weight", "post_attention_norm.weight", "ffn_down.weight", "ffn_norm.weight"];
		const { view } = await plan("llama", 12, {}, { parts });
		expect(view.feedForward(1)).toEqual(["blk.1.ffn_down.weight", "blk.1.ffn_norm.weight"]);
		expect(view.feedForward(12)).toEqual([]);
		const gptOss = await plan("gpt-oss", 4, { "attention.sliding_window": u32(64) }, { parts });
		expect(gptOss.view.feedForward(2)).toContain("blk.2.post_attention_norm.weight");
	});

	it("are named in their notation if they cannot be removed", async () => {
		const file = await model("falcon", { blocks: 6 });
		expect(() => removeBlocks(file, [1.5, 2.5], { version: "1" })).toThrow(/cannot remove blocks 1f-3a .*side by side/);
	});
});
