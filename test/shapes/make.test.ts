import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { dequantize } from "../../src/model/gguf/dequantize.js";
import { GgufFile } from "../../src/model/gguf/index.js";
import { tempFolder } from "../helpers/temp-folder.js";

// Models of random weights in the shape of real ones: the real sizes are only laid out here, a tiny one is written.

interface Tensor {
	readonly name: string;
	readonly dims: readonly number[];
	readonly type: string;
}
const load = async <T>(name: string) => (await import(new URL(`../../scripts/shapes/${name}`, import.meta.url).href)) as T;
const { makeModel } = await load<{ makeModel(output: string, how: object): Promise<number> }>("make.mjs");
const { shapes, tensorsOf, elementsOf, bytesOf } = await load<{
	shapes: Record<string, { readonly vocabulary: number }>;
	tensorsOf(shape: object, type: string): Tensor[];
	elementsOf(tensor: Tensor): number;
	bytesOf(tensor: Tensor): number;
}>("shapes.mjs");
const { makeVocabulary } = await load<{
	makeVocabulary(size: number, seed: number): { tokens: string[]; types: number[]; merges: string[]; bos: number };
}>("vocabulary.mjs");
const { toHalf, fromHalf } = await load<{ toHalf(number: number): number; fromHalf(bits: number): number }>("weights.mjs");

const sha256 = (path: string) => createHash("sha256").update(readFileSync(path)).digest("hex");
const parameters = (name: string) => tensorsOf(shapes[name]!, "Q8_0").reduce((sum, tensor) => sum + elementsOf(tensor), 0);

describe("a model of random weights", () => {
	const folder = tempFolder();

	it("has the parameters of the real one", () => {
		const found = ["1b", "3b", "8b", "70b", "8x7b"].map((name) => Number((parameters(name) / 1e9).toFixed(2)));
		expect(found).toEqual([1.24, 3.21, 8.03, 70.55, 46.7]);
	});

	it("is written as it was laid out, and reads as a llama", async () => {
		const path = join(folder, "tiny.gguf");
		const size = await makeModel(path, { shape: "tiny", type: "Q8_0" });
		const file = await GgufFile.read(path);
		expect(file.size).toBe(size);
		expect(file.architecture).toBe("llama");
		expect(file.value("llama.block_count")).toBe(4);
		expect(file.tensors.length).toBe(tensorsOf(shapes.tiny!, "Q8_0").length);
		expect(file.tensor("token_embd.weight")?.dims).toEqual([256, 1280]);
	});

	it("is the same for the same seed, and another for another", async () => {
		const made = async (name: string, seed: number) => {
			await makeModel(join(folder, name), { shape: "tiny", type: "Q8_0", seed });
			return sha256(join(folder, name));
		};
		const first = await made("a.gguf", 1);
		expect(await made("b.gguf", 1)).toBe(first);
		expect(await made("c.gguf", 2)).not.toBe(first);
	});

	it("never replaces a file", async () => {
		const path = join(folder, "there.gguf");
		writeFileSync(path, "mine");
		await expect(makeModel(path, { shape: "tiny", type: "Q8_0" })).rejects.toThrow("EEXIST");
		expect(readFileSync(path, "utf8")).toBe("mine");
		await expect(makeModel(join(folder, "x.gguf"), { shape: "8x7b", type: "Q8_0" })).rejects.toThrow("unknown shape");
	});

	it.each(["Q8_0", "Q4_0"])("has weights of the deviation that keeps values finite (%s)", async (type) => {
		const path = join(folder, `weights-${type}.gguf`);
		await makeModel(path, { shape: "tiny", type });
		const file = await GgufFile.read(path);
		const bytes = readFileSync(path);
		for (const [name, deviation] of [
			["blk.1.attn_q.weight", 1 / 16],
			["blk.2.ffn_down.weight", 1 / Math.sqrt(512) / Math.sqrt(8)],
			["token_embd.weight", 0.5 / 16],
		] as const) {
			const { type: id, source } = file.tensor(name)!;
			const weights = dequantize(bytes.subarray(source.offset, source.offset + source.size), id);
			const mean = weights.reduce((sum, weight) => sum + weight, 0) / weights.length;
			const square = weights.reduce((sum, weight) => sum + weight * weight, 0) / weights.length;
			expect(Math.sqrt(square) / deviation).toBeCloseTo(1, 1);
			expect(Math.abs(mean) / deviation).toBeLessThan(0.02);
		}
	});

	it("has no two embeddings alike", async () => {
		const path = join(folder, "rows.gguf");
		await makeModel(path, { shape: "tiny", type: "Q8_0" });
		const { source, dims } = (await GgufFile.read(path)).tensor("token_embd.weight")!;
		const row = source.size / dims[1]!;
		const bytes = readFileSync(path).subarray(source.offset, source.offset + source.size);
		expect(new Set(Array.from({ length: dims[1]! }, (_, i) => bytes.toString("latin1", i * row, (i + 1) * row))).size).toBe(dims[1]);
	});

	it("takes 8.5 bits a weight, or 4.5 but for the head", () => {
		const gigabytes = (name: string, type: string) =>
			(tensorsOf(shapes[name]!, type).reduce((sum, tensor) => sum + bytesOf(tensor), 0) / 1e9).toFixed(2);
		expect([gigabytes("1b", "Q8_0"), gigabytes("8b", "Q4_0")]).toEqual(["1.31", "4.65"]);
	});
});

describe("its vocabulary", () => {
	const { tokens, types, merges, bos } = makeVocabulary(1280, 0);

	it("holds every token once, all bytes, and 256 special tokens at the end", () => {
		expect(tokens.length).toBe(1280);
		expect(new Set(tokens).size).toBe(1280);
		expect(types.filter((type) => type === 3).length).toBe(256);
		expect(tokens[bos]).toBe("<|begin_of_text|>");
		expect(bos).toBe(1024);
	});

	it("makes each piece by one merge of two earlier ones", () => {
		expect(merges.length).toBe(1280 - 256 - 256);
		for (const [i, merge] of merges.entries()) {
			const [left, right] = merge.split(" ") as [string, string];
			const at = 256 + i;
			expect(tokens[at]).toBe(left + right);
			expect(tokens.indexOf(left)).toBeLessThan(at);
			expect(tokens.indexOf(right)).toBeLessThan(at);
		}
	});
});

it("rounds numbers to half precision, subnormal ones too", () => {
	for (const [number, bits] of [
		[1, 0x3c00],
		[-2, 0xc000],
		[0.000061035, 0x0400],
		[2 ** -24, 1],
		[0, 0],
		[65504, 0x7bff],
	] as const)
		expect(toHalf(number)).toBe(bits);
	for (const number of [0.0123, 2.6e-5, 1.4e-5, 0.99999]) expect(fromHalf(toHalf(number)) / number).toBeCloseTo(1, 2);
});
