import { expect, it } from "vitest";
import type { GgufFile } from "../../../src/model/gguf/index.js";
import { warnTwice } from "../../../src/pipeline/writing/quantize-weights.js";

const warned = (type: number, heal?: boolean) => {
	const warnings: string[] = [];
	const file = { tensors: [{ dims: [32, 32], type }] } as unknown as GgufFile;
	warnTwice({ path: "a/m.gguf", file }, { heal, onLog: ({ message }) => warnings.push(message) });
	return warnings;
};

it("says what to do where weights are quantized twice, and nothing that healing refuses", () => {
	expect(warned(2)).toEqual([expect.stringMatching(/^m\.gguf is quantized already: .*--quantize-from FILE/)]);
	expect(warned(2, true)).toEqual([expect.stringMatching(/^m\.gguf is quantized already: .*Prune the original file .* instead/)]);
	expect(warned(2, true).join()).not.toContain("--quantize-from");
	expect([warned(1), warned(1, true)]).toEqual([[], []]);
});
