import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { InvalidGgufError } from "../../../src/errors.js";
import { describeBlocks, zeroedBlocks } from "../../../src/model/architectures/index.js";
import { GgufFile } from "../../../src/model/gguf/index.js";
import { checkLoadable } from "../../../src/model/runtime/loadable.js";
import { entry, makeGguf } from "../../helpers/make-gguf.js";
import { tempFolder } from "../../helpers/temp-folder.js";
import { model } from "./model.js";

// The counts of a file are compared with what is possible before anything is built from them.

const folder = tempFolder();
const array = (length: number) => ["array", new Array<number>(length).fill(2), "uint32"] as const;

describe("an array in the place of a number", () => {
	it.each(["expert_used_count", "attention.head_count", "attention.head_count_kv", "feed_forward_length", "vocab_size"])(
		"is refused where it is longer than a model has blocks: %s",
		async (key) => {
			for (const length of [513, 200_000]) {
				const file = await model("llama", { blocks: 2, keys: { [key]: array(length) } });
				expect(() => describeBlocks(file)).toThrow(InvalidGgufError);
				expect(() => describeBlocks(file)).toThrow(
					`expected one number as llama.${key}, or one per block (llama.cpp runs 512), found ${length}`,
				);
			}
			const most = await model("llama", { blocks: 2, keys: { [key]: array(512) } });
			expect(describeBlocks(most).blocks).toBe(2);
		},
	);

	it("of any length is judged by the checks of loading too", async () => {
		const file = await model("llama", { blocks: 2, keys: { expert_count: ["uint32", 4], expert_used_count: array(200_000) } });
		expect(checkLoadable(file)).toBeUndefined();
	});
});

describe("a number of blocks", () => {
	it("may be larger than that of the tensors: multi-token-prediction blocks alone are told to be that", async () => {
		const parts = Array.from({ length: 25 }, (_, i) => ({ name: `blk.61.part${i}.weight`, dims: [8] }));
		const entries = [
			entry("general.architecture", "string", "glm4moe"),
			entry("glm4moe.block_count", "uint32", 62),
			entry("glm4moe.nextn_predict_layers", "uint32", 1),
		];
		const file = await GgufFile.read(makeGguf(join(folder, "tail.gguf"), { entries, tensors: parts }));
		expect(describeBlocks(file)).toMatchObject({ blocks: 61, tailBlocks: 1 });
		expect(() => checkLoadable(file)).toThrow("it holds only the multi-token-prediction blocks of a model");
	});

	it("is refused above what llama.cpp runs", async () => {
		for (const count of [513, 2 ** 31, 2 ** 32 - 1]) {
			const entries = [entry("general.architecture", "string", "llama"), entry("llama.block_count", "uint32", count)];
			const file = await GgufFile.read(makeGguf(join(folder, `${count}.gguf`), { entries, tensors: [{ name: "a", dims: [1] }] }));
			expect(() => describeBlocks(file)).toThrow(`found ${count}`);
		}
	});
});

describe("very many tensors", () => {
	const many = (count: number, name: (i: number) => string) => {
		const entries = [entry("general.architecture", "string", "llama"), entry("llama.block_count", "uint32", 512)];
		const tensors = Array.from({ length: count }, (_, i) => ({ name: name(i), dims: [1], data: new Uint8Array(4) }));
		return makeGguf(join(folder, `${count}.gguf`), { entries, tensors });
	};

	it("are described within seconds", async () => {
		const path = many(60_000, (i) => `blk.${i % 512}.${i < 512 ? "ffn_down" : `x${i}`}.weight`);
		const started = performance.now();
		const plan = describeBlocks(await GgufFile.read(path));
		const outputs = Array.from({ length: 512 }, (_, block) => plan.view.outputs(block));
		expect(plan.unwritable()).toBeUndefined();
		expect(performance.now() - started).toBeLessThan(5000);
		expect(outputs.flat()).toEqual(Array.from({ length: 512 }, (_, block) => `blk.${block}.ffn_down.weight`));
	});

	it("that are all outputs of blocks can be zeroed", async () => {
		const file = await GgufFile.read(many(65_000, (i) => `blk.${i % 500}.ffn_down.${Math.floor(i / 500)}.weight`));
		expect(
			zeroedBlocks(
				file,
				Array.from({ length: 500 }, (_, i) => i),
			).tensors,
		).toHaveLength(65_000);
	});

	it("are refused above 65,536", async () => {
		await expect(GgufFile.read(many(65_537, (i) => `t${i}`))).rejects.toThrow("at most 65536 tensors");
	});
});
