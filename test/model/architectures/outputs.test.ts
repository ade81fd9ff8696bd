import { describe, expect, it } from "vitest";
import { ARCHITECTURES, describeBlocks, oracleObstacle, outputTensors, unitTensors } from "../../../src/model/architectures/index.js";
import { model } from "./model.js";

async function outputs(architecture: string, parts: readonly string[], prefix = "blk.") {
	return outputTensors(await model(architecture, { blocks: 2, parts, prefix }), 1);
}

describe("output tensors", () => {
	it("are those through which a block adds to the residual stream, biases included", async () => {
		const inside = [
			"attn_norm.weight",
			"attn_q.weight",
			"attn_q.bias",
			"ffn_up.weight",
			"ffn_gate_inp.weight",
			"post_ffw_norm.weight",
			"ssm_in.weight",
		];
		const out = ["attn_output.weight", "attn_output.bias", "ffn_down.weight", "ffn_down.bias"];
		expect(await outputs("llama", [...inside, ...out])).toEqual(out.map((part) => `blk.1.${part}`));
	});

	it.each([
		["mamba", ["ssm_out.weight"]],
		["qwen2moe", ["ffn_down_exps.weight", "ffn_down_shexp.weight"]],
		["gpt-oss", ["attn_output.bias", "ffn_down_exps.weight", "ffn_down_exps.bias"]],
		["llama", ["ffn_down.0.weight", "ffn_down.7.weight"]],
		["grovemoe", ["ffn_down_chexps.weight"]],
		["rwkv6", ["time_mix_output.weight", "channel_mix_value.weight"]],
		["lfm2", ["shortconv.out_proj.weight"]],
		["cogvlm", ["vis_attn_output.weight", "vis_down.weight"]],
		["refact", ["ffn_norm.weight", "ffn_down_exps.weight"]],
		["talkie", ["layer_output_scale.weight"]],
	])("%s: %s", async (name, parts) => {
		expect(await outputs(name, ["attn_norm.weight", ...parts])).toEqual(parts.map((part) => `blk.1.${part}`));
	});

	it("tell block 1 from block 11", async () => {
		const file = await model("llama", { blocks: 12 });
		expect(outputTensors(file, 1)).toEqual(["blk.1.attn_output.weight", "blk.1.ffn_down.weight"]);
		expect(outputTensors(file, 12)).toEqual([]);
	});

	it.each(["bert", "deepseek4", "t5"])("%s: there is no such measure, with the reason", async (name) => {
		expect(await outputs(name, ["attn_output.weight"])).toEqual([]);
		expect(oracleObstacle(ARCHITECTURES.get(name)!)).toBeTruthy();
	});

	it("a scale of the whole stream must become one, and the view cannot do that", async () => {
		const pattern = { "attention.sliding_window_pattern": ["array", [true, false, true, false], "bool"] as const };
		const scaled = await model("gemma4", { blocks: 4, keys: pattern, parts: ["attn_output.weight", "layer_output_scale.weight"] });
		expect(outputTensors(scaled, 2)).toEqual(["blk.2.attn_output.weight"]);
		expect(unitTensors(scaled, 2)).toEqual(["blk.2.layer_output_scale.weight"]);
		expect(describeBlocks(scaled).view.outputs(2)).toEqual([]);
		const plain = await model("gemma4", { blocks: 4, keys: pattern, parts: ["attn_output.weight"] });
		expect(describeBlocks(plain).view.outputs(2)).toEqual(["blk.2.attn_output.weight"]);
	});

	it("of every block are what the layer view is told", async () => {
		const file = await model("llama", { blocks: 3, tail: 1 });
		const { view } = describeBlocks(file);
		for (const block of [0, 1, 2]) expect(view.outputs(block)).toEqual(outputTensors(file, block));
		expect(view.outputs(1)).toHaveLength(2);
	});
});
