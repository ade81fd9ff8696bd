import { join } from "node:path";
import { expect, it } from "vitest";
import { Coalition, makeWindows, Model } from "../../src/index.js";
import { tempFolder } from "../helpers/temp-folder.js";

// Loads a model, of 3 MB: all else about models of random weights is tested without llama.cpp.

const { makeModel } = (await import(new URL("../../scripts/shapes/make.mjs", import.meta.url).href)) as {
	makeModel(output: string, how: object): Promise<number>;
};
const folder = tempFolder();

it.each(["Q8_0", "Q4_0"])("llama.cpp loads a model of random weights, and its loss is that of knowing nothing (%s)", async (type) => {
	const path = join(folder, `tiny-${type}.gguf`);
	await makeModel(path, { shape: "tiny", type });
	const model = await Model.load(path);
	try {
		const { blocks, vocabulary, bos } = model.facts;
		expect({ blocks, vocabulary, bos }).toEqual({ blocks: 4, vocabulary: 1280, bos: 1024 });
		// Pieces of letters, and bytes for what no piece holds: nothing is lost.
		const text = "words that nobody has learned: 42, ä\n";
		expect(model.detokenize(model.tokenize(text, { addSpecial: false, parseSpecial: false }))).toBe(text);
		const tokens = Int32Array.from({ length: 4 * 64 }, (_, i) => (i * 389 + 7) % 1024);
		const full = Coalition.full(blocks);
		const [whole, without] = await model.createEvaluator().evaluate([full, Coalition.ofRemoved(blocks, [1, 2])], makeWindows(tokens, 64));
		for (const { losses } of [whole!, without!]) {
			for (const loss of losses) expect(Math.abs(loss - Math.log(vocabulary))).toBeLessThan(0.5);
		}
		expect(without!.losses).not.toEqual(whole!.losses);
	} finally {
		await model.dispose();
	}
});
