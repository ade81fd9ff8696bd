import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { canDequantize, dequantize, halfFloat } from "../../../src/model/gguf/dequantize.js";
import { GgufFile, ggmlTypeName } from "../../../src/model/gguf/index.js";
import { fileTypes, quantizeFile, type FileType } from "../../../src/model/runtime/quantize.js";
import { tensorChunks } from "../../../src/model/runtime/tensor-chunks.js";
import { Random } from "../../../src/game/random.js";
import { changedFixture } from "../../helpers/fixture.js";
import { tempFolder } from "../../helpers/temp-folder.js";

const folder = tempFolder();

it.each([
	[0x3c00, 1],
	[0xc000, -2],
	[0x3555, 0.333251953125],
	[0x0001, 2 ** -24],
	[0x83ff, -1023 * 2 ** -24],
	[0x7bff, 65504],
	[0x7c00, Number.POSITIVE_INFINITY],
	[0x7e00, Number.NaN],
])("binary16 %i is %d", (bits, value) => {
	expect(halfFloat(bits)).toBe(value);
});

it("plain types are read as they are", () => {
	expect([...dequantize(new Uint8Array(new Float32Array([1.5, -2]).buffer), 0)]).toEqual([1.5, -2]);
	expect([...dequantize(Uint8Array.of(0x00, 0x3c, 0x00, 0xc0), 1)]).toEqual([1, -2]);
	expect([...dequantize(Uint8Array.of(0xc0, 0x3f, 0x00, 0xc0), 30)]).toEqual([1.5, -2]);
});

it("refuses unknown types and torn blocks", () => {
	expect(canDequantize(8)).toBe(true);
	expect(canDequantize(19)).toBe(false);
	expect(() => dequantize(new Uint8Array(50), 19)).toThrow(/IQ1_S/);
	expect(() => dequantize(new Uint8Array(33), 8)).toThrow(/multiple of 34 bytes/);
});

describe("against llama.cpp's own dequantizer", () => {
	/** A model with one matrix wide enough for every type. */
	const wide = "blk.0.ffn_down.weight";
	const random = new Random(7);
	const values = Float32Array.from({ length: 512 * 16 }, () => random.normal());
	const source = changedFixture(join(folder, "wide.gguf"), (content) => ({
		...content,
		tensors: content.tensors.map((tensor) =>
			tensor.name === wide ? { ...tensor, dims: [512, 16], type: 0, source: new Uint8Array(values.buffer) } : tensor,
		),
	}));
	const seen = new Set<string>();

	it.each(Object.keys(fileTypes).filter((type) => !/^(IQ3|Q2_K_S|Q._K_L|Q5_K_S|Q3_K_S)/.test(type)) as FileType[])("%s", async (type) => {
		const small = join(folder, `${type}.gguf`);
		const large = join(folder, `${type}-f32.gguf`);
		await quantizeFile(await source, small, type, { threads: 2, pure: true });
		await quantizeFile(small, large, "F32", { threads: 2 });
		const [quantized, reference] = [await GgufFile.read(small), await GgufFile.read(large)];
		for (const name of [wide, "blk.1.attn_q.weight"]) {
			const tensor = quantized.tensor(name)!;
			seen.add(ggmlTypeName(tensor.type));
			const [got, expected] = [await all(tensorChunks(tensor)), await all(tensorChunks(reference.tensor(name)!))];
			expect(reference.tensor(name)!.type).toBe(0);
			expect(got.length).toBe(expected.length);
			const worst = got.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0);
			// Products are rounded once here, at times twice there.
			expect(worst, ggmlTypeName(tensor.type)).toBeLessThan(1e-6);
		}
	});

	it("saw every quantized type", () => {
		const names = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS"];
		expect(names.filter((name) => !seen.has(name))).toEqual([]);
	});
});

async function all(chunks: AsyncIterable<Float32Array>): Promise<number[]> {
	const values: number[] = [];
	for await (const chunk of chunks) values.push(...chunk);
	return values;
}
