import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { describeBlocks } from "../../../src/model/architectures/index.js";
import { type Keys, model, range, without } from "./model.js";

const u32 = (value: number) => ["uint32", value] as const;

async function plan(architecture: string, blocks: number, keys: Keys = {}, more: object = {}) {
	return describeBlocks(await model(architecture, { blocks, keys, ...more }));
}

describe("any set of blocks", () => {
	it.each(["llama", "mamba", "qwen3", "falcon"])("%s: all blocks but one may be removed", async (name) => {
		const blocks = await plan(name, 6);
		expect(blocks).toMatchObject({ architecture: name, blocks: 6, tailBlocks: 0, support: "exact", maxRemovable: 5, resumable: true });
		expect(blocks.units).toBeUndefined();
		expect(blocks.frozen.size).toBe(0);
		for (let mask = 1; mask < 63; mask++) expect(blocks.check(range(6).filter((i) => mask & (1 << i)))).toBeUndefined();
		expect(blocks.check([])).toBeUndefined();
		expect(blocks.check([5, 0])).toBeUndefined();
	});

	it("says what is wrong with a set", async () => {
		const blocks = await plan("llama", 4);
		expect(blocks.check([4])).toBe("there is no block 4: the blocks are 0 to 3");
		expect(blocks.check([-1])).toContain("no block -1");
		expect(blocks.check([1.3])).toContain("no block 1.3");
		expect(blocks.check([1, 1])).toContain("twice");
		expect(blocks.check([0, 1, 2, 3])).toContain("one block must be kept");
		expect(blocks.checkView([2, 1])).toContain("ascending");
		expect(blocks.check([0, 1, 2, 3], { emptyAllowed: true })).toBeUndefined();
		expect(blocks.check([0, 1, 2, 2], { emptyAllowed: true })).toContain("twice");
		const frozen = await plan("rwkv7", 2);
		expect(frozen.check([0, 1], { emptyAllowed: true })).toBeUndefined();
		expect(frozen.check([0], { emptyAllowed: true })).toContain("block 0 must stay");
	});

	it("refuses a model of one block, and one that states none", async () => {
		expect(await plan("llama", 1)).toMatchObject({ support: "refused", maxRemovable: 0 });
		expect((await plan("llama", 0)).reason).toContain("no blocks");
	});

	it("keeps the multi-token-prediction tail out of reach", async () => {
		const blocks = await plan("glm4", 4, {}, { tail: 2 });
		expect(blocks).toMatchObject({ blocks: 4, tailBlocks: 2, maxRemovable: 3 });
		expect(blocks.check([4])).toContain("no block 4");
	});

	it("counts a tail without tensors as llama.cpp does", async () => {
		const parts = ["attn_output.weight"];
		const keys = { nextn_predict_layers: u32(1) };
		expect(await plan("deepseek4", 4, keys, { parts })).toMatchObject({ blocks: 4, tailBlocks: 0 });
		expect(await plan("glm4moe", 4, keys, { parts })).toMatchObject({ blocks: 3, tailBlocks: 1 });
	});
});

describe("sliding windows", () => {
	const window = { "attention.sliding_window": u32(512) };

	it("gemma3 without a pattern: at least one sliding block must be kept", async () => {
		const blocks = await plan("gemma3", 18, window);
		expect(blocks).toMatchObject({ support: "exact", maxRemovable: 17, resumable: true });
		expect(blocks.check([7, 8, 9])).toBeUndefined();
		expect(blocks.check(without(18, [5, 11, 17]))).toContain("sliding-window block");
		expect(blocks.check(without(18, [4]))).toBeUndefined();
		// A view may add a block that does nothing, so this is not checked there.
		expect(blocks.checkView([5, 11, 17])).toBeUndefined();
	});

	it("gemma3 without windows asks for nothing", async () => {
		expect((await plan("gemma3", 12)).check(without(12, [5]))).toBeUndefined();
	});

	it("gemma3 of 62 blocks: refused where its attention scale depends on the number, free where it does not", async () => {
		const apart = { ...window, embedding_length: u32(5376), "attention.head_count": u32(32), "attention.key_length": u32(128) };
		expect((await plan("gemma3", 62, apart)).reason).toContain("exactly 62 blocks");
		const equal = { ...window, embedding_length: u32(4096), "attention.head_count": u32(32), "attention.key_length": u32(128) };
		expect(await plan("gemma3", 62, equal)).toMatchObject({ support: "exact" });
		// A longer model must not be cut to the special number.
		expect((await plan("gemma3", 64, apart)).check([3, 4])).toContain("62 blocks would be kept");
	});

	it("gemma2 of 46 blocks is refused and its input is scaled", async () => {
		const keys = { embedding_length: u32(4608), "attention.head_count": u32(32), "attention.key_length": u32(128) };
		expect((await plan("gemma2", 46, keys)).reason).toContain("exactly 46 blocks");
		expect(await plan("gemma2", 26, keys)).toMatchObject({ support: "exact", resumable: false });
	});

	it("gemma4: refused with per-layer embeddings; donors of keys and values stay", async () => {
		const pattern = ["array", [true, true, true, false, true, false], "bool"] as const;
		const keys = { "attention.sliding_window_pattern": pattern, "attention.shared_kv_layers": u32(2) };
		expect((await plan("gemma4", 6, { ...keys, embedding_length_per_layer_input: u32(256) })).reason).toContain("per-layer embeddings");
		const blocks = await plan("gemma4", 6, keys);
		expect([...blocks.frozen.keys()]).toEqual([2, 3]);
		expect(blocks.check([2])).toContain("block 2 must stay");
		expect(blocks.view.leadingCounts).toEqual(["n_layer_kv_from_start"]);
	});

	it("laguna: the full blocks take their rotation from the first block", async () => {
		const keys = { ...window, "rope.dimension_count": u32(64), "rope.dimension_count_swa": u32(128) };
		const blocks = await plan("laguna", 8, keys);
		expect(blocks.check([0])).toContain("block 1 cannot be the first");
		expect(blocks.check([0, 1, 2, 3])).toBeUndefined();
		expect((await plan("laguna", 8, window)).check([0])).toBeUndefined();
	});
});

describe("rules by block index", () => {
	it("smollm3: exactly the sets in which every kept block keeps its rotation", async () => {
		const blocks = await plan("smollm3", 10);
		expect(blocks.units).toEqual([
			[0, 1, 2, 3],
			[4, 5, 6, 7],
			[8, 9],
		]);
		let allowed = 0;
		for (let mask = 1; mask < 1023; mask++) {
			const kept = without(
				10,
				range(10).filter((i) => mask & (1 << i)),
			);
			const exact = kept.every((block, i) => ((block + 1) % 4 === 0) === ((i + 1) % 4 === 0));
			expect(blocks.check(without(10, kept)) === undefined).toBe(exact);
			allowed += exact ? 1 : 0;
		}
		expect(allowed).toBeGreaterThan(20);
		expect(blocks.check([1, 2, 3, 4])).toBeUndefined();
		expect(blocks.check([2])).toMatch(/^block 3 would become block 2, but every fourth block/);
		expect(blocks.maxRemovable).toBe(9);
	});

	it("smollm3: the rest of a model can only be resumed where it keeps its place", async () => {
		const blocks = await plan("smollm3", 12);
		expect(blocks.checkView([4, 5, 6, 7, 8])).toBeUndefined();
		expect(blocks.checkView([3, 4, 5])).toContain("block 3 would become block 0");
	});

	it("any combination of units may be removed", async () => {
		const keys = { interleave_moe_layer_step: u32(6) };
		const blocks = await plan("llama4", 30, keys);
		expect(blocks.units).toEqual([range(12), range(12).map((i) => i + 12), range(6).map((i) => i + 24)]);
		fc.assert(
			fc.property(fc.subarray([...blocks.units!]), (units) => {
				fc.pre(units.length < 3);
				const removed = units.flat();
				expect(blocks.check(removed)).toBeUndefined();
			}),
		);
	});

	it("llama4 without windows is refused: llama.cpp aborts on it", async () => {
		const keys = { interleave_moe_layer_step: u32(1), "attention.sliding_window": u32(0) };
		const blocks = await plan("llama4", 6, keys);
		expect(blocks.support).toBe("refused");
		expect(blocks.check([1])).toContain("llama.cpp aborts");
		const chunked = await plan("llama4", 8, { interleave_moe_layer_step: u32(1) });
		expect(chunked.view.leadingCounts).toEqual([]);
		expect(chunked.frozen.size).toBe(0);
		expect(chunked.maxRemovable).toBe(4);
	});

	it("smallthinker: never four blocks left, never the first alone", async () => {
		const blocks = await plan("smallthinker", 9, { "attention.sliding_window": u32(4096) });
		expect(blocks.check([4, 5, 6, 7, 8])).toContain("exactly four blocks");
		expect(blocks.check([1, 2, 3, 4])).toBeUndefined();
		expect(blocks.checkView([0])).toContain("rotary positions");
		expect((await plan("smallthinker", 9)).view.leadingCounts).toEqual(["n_no_rope_layer_step"]);
	});

	it("rwkv6: only blocks behind the last halving", async () => {
		const blocks = await plan("rwkv6", 8, { rescale_every_n_layers: u32(6) });
		expect([...blocks.frozen.keys()]).toEqual(range(6));
		expect(blocks.check([6])).toBeUndefined();
		expect(blocks.maxRemovable).toBe(2);
		expect((await plan("rwkv6", 6, { rescale_every_n_layers: u32(6) })).reason).toContain("halved");
		expect((await plan("rwkv6", 6, { rescale_every_n_layers: u32(0) })).maxRemovable).toBe(5);
	});

	it.each(["rwkv7", "arwkv7"])("%s keeps its first block", async (name) => {
		const blocks = await plan(name, 5);
		expect(blocks.frozen.get(0)).toContain("its values");
		expect(blocks).toMatchObject({ maxRemovable: 4, resumable: false });
		expect(blocks.check([0, 3])).toContain("block 0 must stay");
	});
});

describe("resuming", () => {
	it("depends on the architecture, and on the file where learned positions are optional", async () => {
		expect(await plan("gemma", 4)).toMatchObject({ resumable: false });
		expect((await plan("qwen2vl", 4)).resumeReason).toContain("M-RoPE");
		expect(await plan("mpt", 4)).toMatchObject({ resumable: true });
		expect(await plan("mpt", 4, {}, { tensors: [{ name: "position_embd.weight", dims: [8, 4] }] })).toMatchObject({ resumable: false });
	});
});

describe("refusals", () => {
	it.each([
		...["bert", "nomic-bert", "nomic-bert-moe", "neo-bert", "jina-bert-v2", "jina-bert-v3", "eurobert", "modern-bert"],
		...["gemma-embedding", "llama-embed", "t5encoder"],
	])("%s: a model of embeddings has no logits to measure", async (name) => {
		expect((await plan(name, 12)).reason).toContain("no logits");
	});

	it("names the reason and offers nothing", async () => {
		const blocks = await plan("t5", 4);
		expect(blocks).toMatchObject({ support: "refused", maxRemovable: 0, resumable: false });
		expect(blocks.check([1])).toBe(blocks.reason);
		expect(blocks.view.leadingCounts).toEqual([]);
		expect(blocks.view.outputs(1)).toEqual([]);
	});

	it("an unknown architecture is named, and taken as plain on demand", async () => {
		const file = await model("llama9", { blocks: 4 });
		expect(describeBlocks(file)).toMatchObject({
			support: "refused",
			reason: expect.stringMatching(/^prune-gguf does not know the architecture llama9 \(--allow-unknown-architecture/),
			proof: "unknown",
			blocks: 4,
		});
		expect(describeBlocks(file, { allowUnknown: true })).toMatchObject({ support: "exact", maxRemovable: 3, resumable: false });
	});
});
