import { describe, expect, it } from "vitest";
import { NotEnoughMemoryError } from "../../../src/errors.js";
import { GgufFile } from "../../../src/model/gguf/index.js";
import { checkMemory, neededMemory, memoryBesideWeights, memoryForStates } from "../../../src/model/runtime/memory.js";
import { type Keys, model } from "../architectures/model.js";
import { fixturePath } from "../../helpers/fixture.js";

const MiB = 2 ** 20;
/** 12 blocks, width 128, 1,024 tokens. */
const fixture = await GgufFile.read(fixturePath);

describe("neededMemory", () => {
	it("counts the weights, and the logits of one ubatch twice", () => {
		const need = neededMemory(fixture);
		expect(need.tensors).toBe(fixture.tensors.reduce((sum, { source }) => sum + source.size, 0));
		expect(need.logits).toBe(2 * 512 * 1024 * 4);
		expect(need.states).toBe(0);
		expect(need.total).toBe(need.tensors + need.context + need.states + need.logits + need.rest);
	});

	it("counts no more tokens at once than the windows hold", () => {
		const shape = { windows: 3, windowLength: 32 };
		const all = neededMemory(fixture, { ...shape, ubatch: 96 });
		expect(neededMemory(fixture, { ...shape, ubatch: 4096 })).toEqual(all);
		expect(all.logits).toBe(2 * 96 * 1024 * 4);
		expect(neededMemory(fixture, { ...shape, ubatch: 64 }).logits).toBe(2 * 64 * 1024 * 4);
	});

	it("counts the distributions that masks are compared with, two bytes a token of the vocabulary", () => {
		const { references, total } = neededMemory(fixture, { referencePositions: 300 });
		expect(references).toBe(300 * 1024 * 2);
		expect(total).toBe(neededMemory(fixture).total + references);
		expect(() => checkMemory(fixture, { referencePositions: 1e6 }, 2 ** 30)).toThrow(/1\.9 GiB distributions to compare with\)/);
	});

	it("counts the keys and values of the windows that run together", async () => {
		const keys: Keys = {
			embedding_length: ["uint32", 1024],
			"attention.head_count": ["uint32", 16],
			"attention.head_count_kv": ["uint32", 4],
		};
		const file = await model("llama", { blocks: 10, keys });
		const perCell = 10 * 4 * (64 + 64) * 2;
		expect(neededMemory(file, { windows: 3, windowLength: 2000 }).context).toBe(2048 * perCell);
		expect(neededMemory(file, { windows: 3, windowLength: 100 }).context).toBe(3 * 256 * perCell);
		expect(neededMemory(file, { windows: 30, windowLength: 128 }).context).toBe(4 * 256 * perCell);
		const wide = await model("llama", { blocks: 10, keys: { ...keys, "attention.key_length": ["uint32", 192] } });
		expect(neededMemory(wide, { windows: 1, windowLength: 256 }).context).toBe((256 * perCell * (192 + 64)) / 128);
		const varied = await model("llama", { blocks: 3, keys: { ...keys, "attention.head_count_kv": ["array", [4, 0, 2], "uint32"] } });
		// Keys of six pairs of heads; without flash attention each of the three blocks has values for four.
		expect(neededMemory(varied, { windows: 1, windowLength: 256 }).context).toBe(256 * (6 + 3 * 4) * 64 * 2);
		const hybrid = await model("jamba", { blocks: 3, keys: { ...keys, "attention.head_count_kv": ["array", [4, 0, 2], "uint32"] } });
		expect(neededMemory(hybrid, { windows: 1, windowLength: 256 }).context).toBe(256 * (6 + 2 * 4) * 64 * 2);
	});

	it("counts recurrent states", async () => {
		const keys: Keys = {
			embedding_length: ["uint32", 64],
			"ssm.inner_size": ["uint32", 128],
			"ssm.state_size": ["uint32", 16],
			"ssm.conv_kernel": ["uint32", 4],
		};
		expect(neededMemory(await model("mamba", { blocks: 5, keys }), { windows: 1, windowLength: 128 }).context).toBe(5 * 128 * 20 * 4);
	});

	it("counts hidden states up to their bound", () => {
		const shape = { windows: 15, windowLength: 128, stateBytes: 2 ** 30 };
		expect(neededMemory(fixture, shape).states).toBe(12 * 15 * 128 * 128 * 4);
		expect(neededMemory(fixture, { ...shape, stateBytes: 1000 }).states).toBe(1000);
	});

	it("takes a header without numbers for a model of nothing", async () => {
		expect(neededMemory(await model("llama", { blocks: 2 })).total).toBeLessThan(65 * MiB);
	});
});

describe("checkMemory", () => {
	it("refuses where there is less, and says what takes it and what is free", () => {
		const { total } = neededMemory(fixture, { windows: 3, windowLength: 128 });
		expect(() => checkMemory(fixture, { windows: 3, windowLength: 128 }, total)).not.toThrow();
		const check = () => checkMemory(fixture, { windows: 3, windowLength: 128 }, total - 1);
		expect(check).toThrow(NotEnoughMemoryError);
		expect(check).toThrow(
			/fixture-12l\.gguf needs about \d+ MiB of memory and \d+ MiB are free \(3 MiB weights, .*context.*hidden states.*logits\)/,
		);
	});
});

describe("the memory budget for hidden states", () => {
	const shape = { windows: 3, windowLength: 128 };
	const { total, tensors } = neededMemory(fixture, shape);

	it("is what the rest leaves free, and no more than was asked for", () => {
		expect(memoryForStates(fixture, shape, 5000, total + 3000)).toBe(3000);
		expect(memoryForStates(fixture, shape, 1000, total + 3000)).toBe(1000);
		expect(memoryForStates(fixture, shape, 1000, total - 1)).toBe(0);
	});

	it("does not count weights that are in memory already", () => {
		expect(memoryBesideWeights(fixture, shape, 5000, total - tensors + 3000)).toBe(3000);
		expect(memoryBesideWeights(fixture, shape, 1000, total - tensors + 3000)).toBe(1000);
		expect(memoryBesideWeights(fixture, shape, 1000, total - tensors - 1)).toBe(0);
	});
});
