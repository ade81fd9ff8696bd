import { statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { OutputExistsError } from "../../../src/errors.js";
import { contentOf, GgufFile, writtenSize } from "../../../src/model/gguf/index.js";
import { fileTypeNames } from "../../../src/model/runtime/file-type-names.js";
import { isQuantized, predictedBytes, quantizedContent } from "../../../src/model/runtime/file-types.js";
import { quantizeFile } from "../../../src/model/runtime/quantize.js";
import { changedFixture, fixturePath } from "../../helpers/fixture.js";
import { f16Fixture } from "../../helpers/f16.js";
import { tempFolder } from "../../helpers/temp-folder.js";

const folder = tempFolder();
const noise = (count: number) => Float32Array.from({ length: count }, (_, i) => Math.sin(i * 12.9898) * ((i % 7) + 1));
let f16: string;
beforeAll(async () => {
	f16 = await f16Fixture(folder);
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

	it("distinguishes what is quantized from what is not", async () => {
		expect(isQuantized(await GgufFile.read(f16))).toBe(false);
		expect(isQuantized(await GgufFile.read(fixturePath))).toBe(true);
	});
});
