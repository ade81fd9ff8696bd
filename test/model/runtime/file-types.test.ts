import { mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { NoSpaceError, OutputExistsError, QuantizeError } from "../../../src/errors.js";
import { contentOf, GgufFile, writtenSize } from "../../../src/model/gguf/index.js";
import { fileTypeNames } from "../../../src/model/runtime/file-type-names.js";
import { fileTypeOf, isQuantized, predictedBytes, predictedTypes, quantizedContent } from "../../../src/model/runtime/file-types.js";
import { quantizeFile } from "../../../src/model/runtime/quantize.js";
import { changedFixture, fixturePath } from "../../helpers/fixture.js";
import { f16Fixture } from "../../helpers/f16.js";
import { mountSmallDisk } from "../../helpers/small-disk.js";
import { tempFolder } from "../../helpers/temp-folder.js";

const folder = tempFolder();
const noise = (count: number) => Float32Array.from({ length: count }, (_, i) => Math.sin(i * 12.9898) * ((i % 7) + 1));
let f16: string;
beforeAll(async () => {
	f16 = await f16Fixture(folder);
});

describe("the type of a file", () => {
	const matrix = (type: number, size: number) => ({ name: "", dims: [256, 1], type, source: { path: "", offset: 0, size } });
	const named = (key: number | undefined, ...tensors: ReturnType<typeof matrix>[]) =>
		fileTypeOf({ number: () => key, tensors: [...tensors, { ...matrix(0, 9000), dims: [256] }] } as unknown as GgufFile);

	it("is what its key says, or what most bytes of its matrices have", () => {
		expect(named(3, matrix(2, 90))).toBe("Q4_1");
		expect(named(15)).toBe("Q4_K_M");
		expect(named(undefined, matrix(8, 50), matrix(2, 40), matrix(8, 30))).toBe("Q8_0");
		expect(named(999, matrix(19, 50))).toBe("IQ1_S");
		expect(named(undefined)).toBe("unknown");
	});
});

describe("the input", () => {
	it("is never the output, by whatever name: it was deleted where quantizing failed", async () => {
		const link = join(folder, "link.gguf");
		symlinkSync(f16, link);
		const bytes = statSync(f16).size;
		for (const output of [f16, link]) await expect(quantizeFile(f16, output, "Q8_0")).rejects.toThrow(OutputExistsError);
		expect(statSync(f16).size).toBe(bytes);
	});
});

describe("a disk that fills up while it is quantized to", () => {
	it("is named, and nothing is left on it", async (context) => {
		const disk = join(folder, "disk");
		mkdirSync(disk);
		const undo = mountSmallDisk(disk, 2 ** 19);
		context.skip(!undo, "no disk can be mounted here");
		try {
			const job = quantizeFile(f16, join(disk, "out.gguf"), "F32", { threads: 2 });
			await expect(job).rejects.toThrow(NoSpaceError);
			await expect(job).rejects.toThrow(
				/^quantizing to F32 needs \d+\.\d MB more, but .*disk has 0\.0 MB free: the disk is full, make room/,
			);
			expect(readdirSync(disk)).toEqual([]);
		} finally {
			undo?.();
		}
	});

	it("is not the cause of another failure: of a file that is no model, and of weights that are no numbers", async () => {
		const path = join(folder, "none.gguf");
		writeFileSync(path, "text");
		const broken = await changedFixture(join(folder, "not-numbers.gguf"), (content) => ({
			...content,
			tensors: content.tensors.map((tensor) => {
				const values = new Float32Array(tensor.dims.reduce((product, size) => product * size, 1)).fill(Number.NaN);
				return tensor.dims.length < 2 ? tensor : { ...tensor, type: 0, source: new Uint8Array(values.buffer) };
			}),
		}));
		for (const input of [path, broken]) await expect(quantizeFile(input, join(folder, "out.gguf"), "Q8_0")).rejects.toThrow(QuantizeError);
		expect(readdirSync(folder)).not.toContain("out.gguf");
	});
});

describe("what the quantizer makes of a header", () => {
	it.each([...fileTypeNames])("%s: size and types are predicted", async (type) => {
		const source = await GgufFile.read(f16);
		const path = join(folder, `${type}.gguf`);
		await quantizeFile(f16, path, type, { threads: 2 });
		const made = await GgufFile.read(path);
		expect(predictedBytes(source, type)).toBe(made.size);
		// The types that were found give the exact size, whatever was predicted.
		const types = source.tensors.map(({ name }) => made.tensor(name)!.type);
		expect(writtenSize(quantizedContent(contentOf(source), types))).toBe(made.size);
	});

	it.each([...fileTypeNames])("%s: so it is where rows are whole blocks of 256, which decides the mixture", async (type) => {
		const path = await changedFixture(join(folder, `wide-${type}.gguf`), (content) => ({
			...content,
			tensors: content.tensors.map((tensor) =>
				tensor.dims.length < 2 ? tensor : { ...tensor, dims: [256, 8], type: 0, source: new Uint8Array(noise(256 * 8).buffer) },
			),
		}));
		const output = join(folder, `wide-as-${type}.gguf`);
		await quantizeFile(path, output, type, { threads: 2 });
		expect(predictedBytes(await GgufFile.read(path), type)).toBe((await GgufFile.read(output)).size);
	});

	it.each(["Q4_K_M", "Q5_K_M", "Q4_K_S", "Q3_K_M"] as const)(
		"%s: matrices of values are counted in the order of blocks, of which some have none",
		async (type) => {
			const path = await changedFixture(join(folder, `attending-${type}.gguf`), (content) => ({
				...content,
				tensors: content.tensors
					.filter(({ name }) => !/^blk\.(?:1|2|3|5|9)\.attn_/.test(name))
					.map((tensor) =>
						tensor.dims.length < 2 ? tensor : { ...tensor, dims: [256, 8], type: 0, source: new Uint8Array(noise(256 * 8).buffer) },
					)
					.reverse(),
			}));
			const output = join(folder, `attending-as-${type}.gguf`);
			await quantizeFile(path, output, type, { threads: 2 });
			const [source, made] = [await GgufFile.read(path), await GgufFile.read(output)];
			const predicted = predictedTypes(source, type);
			expect(Object.fromEntries(source.tensors.map(({ name }, i) => [name, predicted[i]]))).toEqual(
				Object.fromEntries(made.tensors.map(({ name, type }) => [name, type])),
			);
		},
	);

	it("distinguishes what is quantized from what is not", async () => {
		expect(isQuantized(await GgufFile.read(f16))).toBe(false);
		expect(isQuantized(await GgufFile.read(fixturePath))).toBe(true);
	});
});
