import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Coalition } from "../../../src/game/coalition.js";
import { stackWithout } from "../../../src/game/parts.js";
import { describeBlocks, identityTensors, keptProblem, removeBlocks, removedFrom } from "../../../src/model/architectures/index.js";
import { contentOf } from "../../../src/model/gguf/file.js";
import { encodeEntry } from "../../../src/model/gguf/value.js";
import { sizesWithout } from "../../../src/pipeline/preflight/model-sizes.js";
import { type Keys, model, type ModelSpec, written } from "./model.js";

// Files without the attention part of some blocks.

const u32 = (value: number) => ["uint32", value] as const;
const u32s = (...values: number[]) => ["array", values, "uint32"] as const;
const made = { version: "1" };
const BLOCKS = 8;
const parts = ["attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_norm", "ffn_gate", "ffn_up", "ffn_down"].map(
	(part) => `${part}.weight`,
);
const keys: Keys = {
	embedding_length: u32(128),
	feed_forward_length: u32(192),
	"attention.head_count": u32(4),
	"attention.head_count_kv": u32(2),
	"attention.layer_norm_rms_epsilon": ["float32", 1e-5],
	"rope.freq_base": ["float32", 5e5],
	vocab_size: u32(4),
};
const llama = (more: Partial<ModelSpec> = {}, changed: Keys = {}, architecture = "llama") =>
	model(architecture, { blocks: BLOCKS, parts, ...more, keys: { ...keys, ...changed } });

/** Sets of blocks, attention parts and shifted pairs. */
const sets = fc.array(fc.constantFrom(0, 1, 2, 3), { minLength: BLOCKS, maxLength: BLOCKS }).map((choices) => {
	const removed: number[] = [];
	for (let block = 0, free = 0; block < BLOCKS; block++) {
		const choice = choices[block];
		if (2 * block < free || choice === 0) continue;
		const position = block + (choice === 1 ? 0.25 : choice === 3 && block < BLOCKS - 1 ? 0.5 : 0);
		removed.push(position);
		free = choice === 1 ? 2 * block + 1 : 2 * position + 2;
	}
	return Coalition.ofRemoved(BLOCKS, removed).removed();
});
const isAlone = (position: number) => position % 1 === 0.25;

describe("files without some attention parts", () => {
	it("say of each block what it was, with no heads where the attention is gone", async () => {
		const file = await llama();
		const plan = describeBlocks(file);
		const sizes = sizesWithout({ file, blocks: plan });
		const seen: number[][] = [];
		await fc.assert(
			fc.asyncProperty(
				sets.filter((removed) => removed.some(isAlone) && plan.check(removed) === undefined),
				async (removed) => {
					seen.push(removed);
					const result = await written(removeBlocks(file, removed, made));
					const stack = stackWithout(BLOCKS, removed);
					expect(result.architecture).toBe("deci");
					expect(result.value("deci.block_count")).toBe(stack.length);
					expect(result.value("deci.attention.head_count")).toEqual(stack.map(({ attention }) => (attention === undefined ? 0 : 4)));
					expect(result.value("deci.attention.head_count_kv")).toEqual(stack.map(({ attention }) => (attention === undefined ? 0 : 2)));
					expect(result.value("deci.feed_forward_length")).toEqual(stack.map(() => 192));
					expect(result.value("deci.rope.freq_base")).toBe(5e5);
					expect(result.entries.filter(({ key }) => key.startsWith("llama."))).toEqual([]);
					for (const [i, { attention }] of stack.entries())
						expect(result.tensor(`blk.${i}.attn_norm.weight`) === undefined).toBe(attention === undefined);
					expect(keptProblem(file, removed, result)).toBeUndefined();
					expect(removedFrom(result)).toEqual(removed);
					const bytes = (tensors: typeof file.tensors) => tensors.reduce((sum, { source }) => sum + source.size, 0);
					expect(file.size - sizes(removed).bytes).toBe(bytes(file.tensors) - bytes(result.tensors));
					expect(describeBlocks(result)).toMatchObject({
						attention: { allowed: true },
						withoutAttention: stack.flatMap(({ attention }, i) => (attention === undefined ? [i] : [])),
					});
				},
			),
			{ numRuns: 60, seed: 30 },
		);
		expect(seen.some((removed) => removed.includes(1.5) && removed.some(Number.isInteger))).toBe(true);
	});

	it("a file that keeps heads where the attention is gone is found", async () => {
		const file = await llama();
		const content = removeBlocks(file, [3.25], made);
		const entries = content.entries.map((entry) =>
			entry.key === "deci.attention.head_count_kv" ? encodeEntry(entry.key, "array", new Array(BLOCKS).fill(2), "uint32") : entry,
		);
		expect(keptProblem(file, [3.25], await written({ ...content, entries }))).toBe(
			"block 3 (block 3 of the original): key/value heads 2, expected 0",
		);
		expect(keptProblem(file, [3.25], await written(contentOf(file)))).toBe("its architecture is llama, not deci");
	});

	it("can lose blocks and more attention parts, and keep their architecture", async () => {
		const once = await written(removeBlocks(await llama(), [2.25, 5.25, 7], made));
		const plan = describeBlocks(once);
		expect(plan.check([2.25])).toBe("block 2 has no attention of its own");
		expect(plan.check([0, 1])).toMatch(/^block 2 cannot be the first/);
		const twice = await written(removeBlocks(once, [0, 3.25], made));
		expect(twice.architecture).toBe("deci");
		expect(twice.value("deci.attention.head_count")).toEqual([4, 0, 0, 4, 0, 4]);
		expect(keptProblem(once, [0, 3.25], twice)).toBeUndefined();
	});

	it("linear attention is not removed alone, and a block that has it is none without attention", async () => {
		const heads = { "attention.head_count": u32(4), "attention.head_count_kv": u32s(2, 2, 0, 2, 2, 2, 2, 2) };
		const plan = describeBlocks(await llama({}, heads, "deci"));
		expect(plan.withoutAttention).toEqual([]);
		expect(plan.check([2.25])).toBe("block 2 has linear attention, one matrix without keys and values, which is not removed alone");
		expect(plan.check([3.25])).toBeUndefined();
		expect(plan.check([0, 1, 4.25])).toMatch(/^block 2 would be the first of what is left/);
	});

	it("3a with 3f-4a is block 3 and 4a: it is judged, written and recorded so", async () => {
		const file = await written(removeBlocks(await llama(), [3.25], made));
		// Block 3 has no attention of its own, and goes as a whole.
		expect(describeBlocks(file).check([4.25, 3])).toBeUndefined();
		expect(describeBlocks(file).check([3.25, 3.5])).toBeUndefined();
		const [said, canonical] = await Promise.all(
			[
				[3.5, 3.25],
				[3, 4.25],
			].map(async (set) => written(removeBlocks(file, set, made))),
		);
		expect(removedFrom(said!)).toEqual([3, 4.25]);
		const header = ({ entries, tensors }: typeof file) => ({ entries, tensors: tensors.map(({ name, dims }) => [name, dims]) });
		expect(header(said!)).toEqual(header(canonical!));
	});

	it("the output of the attention alone is zeroed in the file to compare with", async () => {
		expect(identityTensors(await llama(), [3.25])).toEqual({ zero: ["blk.3.attn_output.weight"], one: [] });
	});
});

describe("attention parts alone are refused", () => {
	it("where the first block left would have none", async () => {
		const plan = describeBlocks(await llama());
		expect(plan.check([0.25])).toMatch(/^block 0 would be the first of what is left, and it must keep its attention/);
		expect(plan.check([0, 1, 2.25])).toMatch(/^block 2 would be the first/);
		expect(plan.check([1.25, 2.25, 3.25, 4.25, 5.25, 6.25, 7.25])).toBeUndefined();
		expect(plan.check([8.25])).toBe("there is no block 8: the blocks are 0 to 7");
	});

	it("where the file has keys of the architecture that it would become", async () => {
		const file = await llama();
		const entries = [...file.entries, encodeEntry("deci.attention.head_count", "uint32", 4)];
		const both = await written({ ...contentOf(file), entries });
		expect(describeBlocks(both).attention).toEqual({
			allowed: false,
			reason: "the file would be of the architecture deci, and has the key deci.attention.head_count of it already",
		});
	});

	it.each<[string, Partial<ModelSpec>, Keys, string, RegExp]>([
		["another architecture", {}, {}, "qwen2", /only in the graph of llama and deci, not of qwen2: it rotates other pairs/],
		["experts", {}, { expert_count: u32(4), expert_used_count: u32(2) }, "llama", /has no experts/],
		["a tail", { tail: 1 }, {}, "llama", /multi-token prediction/],
		["head sizes", {}, { "attention.key_length": u32(32), "attention.value_length": u32(16) }, "llama", /differ in size/],
		[
			"norms of queries",
			{ parts: [...parts, "attn_q_norm.weight"] },
			{},
			"llama",
			/uses the tensor blk\.0\.attn_q_norm\.weight in the same way/,
		],
		["scales", { parts: [...parts, "ffn_up.scale"] }, {}, "llama", /uses the tensor blk\.0\.ffn_up\.scale in the same way/],
		["no feed-forward part", {}, { feed_forward_length: u32s(192, 192, 0, 192, 192, 192, 192, 192) }, "deci", /no feed-forward part/],
	])("for %s", async (_, more, changed, architecture, why) => {
		const plan = describeBlocks(await llama(more, changed, architecture));
		expect(plan.attention).toEqual({ allowed: false, reason: expect.stringMatching(why) });
		expect(plan.check([3.25])).toMatch(
			/^the attention part of a block cannot be removed alone: .+\. Remove whole blocks or make half-block cuts such as 12f-13a instead$/,
		);
		expect(plan.checkView([0, { attention: undefined, feedForward: 1 }])).toMatch(/cannot be removed alone/);
	});
});
