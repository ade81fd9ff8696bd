import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { stackWithout } from "../../../src/game/parts.js";
import { blockFacts } from "../../../src/model/architectures/facts.js";
import {
	ARCHITECTURES,
	describeBlocks,
	identityTensors,
	keptProblem,
	removedInRecord,
	removeBlocks,
	removedFrom,
	zeroedBlocks,
} from "../../../src/model/architectures/index.js";
import { ModelKeys } from "../../../src/model/architectures/keys.js";
import { ownerOfKey, ownerOfTensor } from "../../../src/model/architectures/owners.js";
import type { GgufContent, GgufEntry } from "../../../src/model/gguf/types.js";
import { encodeEntry } from "../../../src/model/gguf/value.js";
import { BLOCKS, keysFor, TAIL } from "./keys-for.js";
import { model, range, written } from "./model.js";

// Files without halves of blocks: what is left of two blocks becomes one.

const u32 = (value: number) => ["uint32", value] as const;
const u32s = (...values: number[]) => ["array", values, "uint32"] as const;
const made = { version: "1" };

/** Sets of positions that share no part. */
const positions = fc.array(fc.constantFrom(0, 0, 0.5, 1, 1.5), { minLength: 2, maxLength: BLOCKS }).map((steps) => {
	let at = -1;
	const found: number[] = [];
	for (const step of steps) {
		at += 1 + step;
		if (at <= BLOCKS - 1) found.push(at);
	}
	return found;
});

describe("each block of a written file is what its two blocks were", () => {
	const allowed = [...ARCHITECTURES.values()].filter(({ refused, parts }) => !refused && parts && parts.whole === undefined);

	it.each(allowed.map((entry) => [entry.name, entry] as const))("%s", async (name, entry) => {
		const prefix = entry.prefix ?? "blk.";
		const parts = ["attn_q.weight", "ffn_norm.weight", "attn_output.weight", "ffn_down.weight"];
		const file = await model(name, { blocks: BLOCKS, tail: TAIL, keys: keysFor(entry), prefix, parts });
		const plan = describeBlocks(file);
		const before = blockFacts(new ModelKeys(file), entry);
		let compared = 0;
		const runs = range(BLOCKS - 1).flatMap((from) => [1, 2, 3, 4].map((length) => range(length).map((i) => from + 0.5 + i)));
		const sets = [...runs, ...fc.sample(positions, { numRuns: 40, seed: 1 })].filter(
			(set) => set.length > 0 && plan.check(set) === undefined,
		);
		for (const removed of sets.filter((_, i) => sets.length < 12 || i % Math.floor(sets.length / 6) === 0)) {
			compared++;
			const content = removeBlocks(file, removed, made);
			const result = await written(content);
			const now = blockFacts(new ModelKeys(result), entry);
			const stack = stackWithout(BLOCKS + TAIL, removed);
			for (const key of ["sliding", "recurrent", "heads", "kvHeads", "rope", "deepstack"] as const)
				expect(now[key], key).toEqual(stack.map(({ attention }) => before[key][attention!]));
			for (const key of ["feedForward", "expertsUsed", "expertWidth"] as const)
				expect(now[key], key).toEqual(stack.map(({ feedForward }) => before[key][feedForward]));
			expect(stack.map((_, i) => i < now.denseLead)).toEqual(stack.map(({ feedForward }) => feedForward < before.denseLead));
			for (const key of (entry.perBlock ?? []).filter((one) => one !== "deepstack_mapping"))
				expect(result.value(`${name}.${key}`)).toEqual(stack.map((block) => block[ownerOfKey(key)]! + 1));
			for (const { name: tensor, source } of content.tensors) {
				const [, place, rest] = new RegExp(`^${prefix.replaceAll(".", "\\.")}(\\d+)\\.(.*)$`).exec(tensor) ?? [];
				const from = rest === undefined ? tensor : `${prefix}${stack[Number(place)]![ownerOfTensor(entry, rest)]}.${rest}`;
				expect(source, tensor).toBe(file.tensor(from)!.source);
			}
			expect(content.tensors.length).toBe(file.tensors.length - parts.length * removed.length);
			expect(keptProblem(file, removed, result), removed.join()).toBeUndefined();
		}
		if (plan.support === "exact" && plan.parts.allowed) expect(compared).toBeGreaterThan(0);
	});
});

describe("llama without halves", () => {
	const keys = { "attention.head_count_kv": u32s(1, 2, 3, 4, 5), feed_forward_length: u32s(10, 10, 12, 13, 14) };

	it("keeps the order of the file", async () => {
		const file = await model("llama", { blocks: 4 });
		const names = removeBlocks(file, [0.5, 3], made).tensors.map(({ name }) => name);
		const rest = ["attn_q.weight", "attn_output.weight", "ffn_down.weight"];
		// The attention of block 0 with the feed-forward of block 1, then block 2.
		expect(names).toEqual(["token_embd.weight", ...rest.map((one) => `blk.0.${one}`), ...rest.map((one) => `blk.1.${one}`)]);
	});

	it("gives each value to the part that it is of", async () => {
		const file = await model("llama", { blocks: 5, keys });
		const result = await written(removeBlocks(file, [0.5, 2.5], made));
		expect(result.value("llama.attention.head_count_kv")).toEqual([1, 3, 5]);
		expect(result.value("llama.feed_forward_length")).toEqual([10, 13, 14]);
		expect(result.value("llama.block_count")).toBe(3);
	});

	it("counts dense blocks by their feed-forward", async () => {
		const file = await model("deepseek", { blocks: 6, keys: { leading_dense_block_count: u32(2) } });
		const lead = async (set: number[]) => (await written(removeBlocks(file, set, made))).value("deepseek.leading_dense_block_count");
		expect(await lead([0.5])).toBe(1);
		expect(await lead([1.5])).toBe(1);
		expect(await lead([2.5])).toBe(2);
		expect(await lead([0.5, 1.5, 2.5])).toBe(0);
	});

	it("counts shared keys and values by the attention", async () => {
		const pattern = { "attention.sliding_window_pattern": ["array", [true, false, true, false, true, false], "bool"] as const };
		const file = await model("gemma4", { blocks: 6, keys: { ...pattern, "attention.shared_kv_layers": u32(2) } });
		const shared = async (set: number[]) => (await written(removeBlocks(file, set, made))).value("gemma4.attention.shared_kv_layers");
		expect(await shared([4.5])).toBe(1);
		expect(await shared([0.5])).toBe(2);
	});
});

describe("what is wrong with halves shows in the header", () => {
	const keys = { "attention.head_count_kv": u32s(1, 2, 3, 4, 5), feed_forward_length: u32s(10, 10, 12, 13, 14) };

	it.each<[string, (content: GgufContent) => Partial<GgufContent>, RegExp]>([
		[
			"heads of the other block",
			({ entries }) => ({ entries: withArray(entries, "llama.attention.head_count_kv", [1, 4, 5, 5]) }),
			/^block 1 \(block 1 of the original\): key\/value heads 4, expected 2$/,
		],
		[
			"width of the other block",
			({ entries }) => ({ entries: withArray(entries, "llama.feed_forward_length", [10, 10, 12, 14]) }),
			/^block 1 \(block 2 of the original\): feed-forward width 10, expected 12$/,
		],
	])("%s", async (_, change, message) => {
		const file = await model("llama", { blocks: 5, keys });
		const content = removeBlocks(file, [1.5], made);
		expect(keptProblem(file, [1.5], await written(content))).toBeUndefined();
		expect(keptProblem(file, [1.5], await written({ ...content, ...change(content) }))).toMatch(message);
	});

	it("tensors of the other block, and types that may change", async () => {
		const file = await model("llama", { blocks: 3, tensors: [{ name: "blk.1.ffn_norm.weight", dims: [8] }] });
		const content = removeBlocks(file, [0.5], made);
		expect(keptProblem(file, [0.5], await written(content))).toBeUndefined();
		const missing = { ...content, tensors: content.tensors.filter(({ name }) => name !== "blk.0.ffn_norm.weight") };
		expect(keptProblem(file, [0.5], await written(missing))).toMatch(
			/block 0 \(block 1 of the original\): tensors of the feed-forward part/,
		);
		const other = content.tensors.map((one) => (one.name === "blk.0.ffn_norm.weight" ? { ...one, type: 26 } : one));
		const retyped = await written({ ...content, tensors: other });
		expect(keptProblem(file, [0.5], retyped)).toContain("tensors of the feed-forward part");
		expect(keptProblem(file, [0.5], retyped, { changed: ["blk.1.ffn_norm.weight"] })).toBeUndefined();
	});
});

function withArray(entries: readonly GgufEntry[], key: string, values: number[]): GgufEntry[] {
	return entries.map((one) => (one.key === key ? encodeEntry(key, "array", values, "uint32") : one));
}

describe("the zeroed original of halves", () => {
	it("has the outputs of the removed parts alone set to zero", async () => {
		const file = await model("llama", { blocks: 4, parts: ["attn_output.weight", "attn_output.bias", "ffn_down.weight"] });
		const zero = ["blk.0.ffn_down.weight", "blk.1.attn_output.weight", "blk.1.attn_output.bias"];
		expect(identityTensors(file, [0.5])).toEqual({ zero, one: [] });
		const changed = zeroedBlocks(file, [0.5, 3]).tensors.filter(({ source }) => source instanceof Uint8Array);
		const last = ["blk.3.attn_output.weight", "blk.3.attn_output.bias", "blk.3.ffn_down.weight"];
		expect(changed.map(({ name }) => name)).toEqual([...zero, ...last]);
	});

	it("has a scale of the stream set to one with the feed-forward", async () => {
		const keys = { "attention.sliding_window_pattern": ["array", [true, false, true, false], "bool"] as const };
		const parts = ["attn_output.weight", "ffn_down.weight", "layer_output_scale.weight"];
		const file = await model("gemma4", { blocks: 4, keys, parts });
		expect(identityTensors(file, [1.5])).toEqual({
			zero: ["blk.1.ffn_down.weight", "blk.2.attn_output.weight"],
			one: ["blk.1.layer_output_scale.weight"],
		});
	});

	it("cannot be made if the output of a part is not known", async () => {
		const plan = describeBlocks(await model("llama", { blocks: 4, parts: ["attn_output.weight", "ffn_up.weight"] }));
		expect(plan.oracleProblem([1.5])).toBe("no tensor of the feed-forward of block 1 is known as its output");
		expect(plan.oracleProblem([1])).toBeUndefined();
		// A block without attention has none to be made the identity.
		const bare = describeBlocks(
			await model("deci", { blocks: 4, keys: { "attention.head_count": u32(2), feed_forward_length: u32(8) }, parts: ["ffn_down.weight"] }),
		);
		expect(bare.oracleProblem([1.5])).toBeUndefined();
	});
});

describe("where a file comes from", () => {
	it("is said in the notation, and as numbers if only whole blocks were removed", async () => {
		const file = await model("llama", { blocks: 8 });
		const halves = await written(removeBlocks(file, [0, 2.5, 3.5, 6], made));
		expect(halves.value("prune_gguf.removed")).toBe("0, 2f-4a, 6");
		expect(halves.entry("prune_gguf.removed_blocks")).toBeUndefined();
		expect(removedFrom(halves)).toEqual([0, 2.5, 3.5, 6]);
		const whole = await written(removeBlocks(file, [1, 2], made));
		expect(whole.value("prune_gguf.removed")).toBe("1-2");
		expect(whole.value("prune_gguf.removed_blocks")).toEqual([1, 2]);
		expect(removedFrom(whole)).toEqual([1, 2]);
		expect(removedFrom(file)).toBeUndefined();
		const again = await written(removeBlocks(halves, [1], made));
		expect(removedInRecord(JSON.parse(String(again.array("prune_gguf.history")![0])))).toEqual([0, 2.5, 3.5, 6]);
		expect(removedInRecord({ removed_blocks: [4, 5] })).toEqual([4, 5]);
		expect(removedInRecord({ removed: "nonsense" })).toBeUndefined();
	});
});
