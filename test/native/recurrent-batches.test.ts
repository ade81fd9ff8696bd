import { expect, it } from "vitest";
import { Coalition } from "../../src/game/coalition.js";
import { Random } from "../../src/game/random.js";
import { Model } from "../../src/model/runtime/model.js";
import { quantizeFile } from "../../src/model/runtime/quantize.js";
import { makeWindows } from "../../src/model/runtime/windows.js";
import { hasTools, makeFixtures } from "../conformance/fixtures.js";
import { tempFolder } from "../helpers/temp-folder.js";

const folder = tempFolder();

// ggml's AMX kernels, where a processor has them, read beyond weights that several sequences share: they must stay out of the build.
it.skipIf(!hasTools).each(["Q8_0", "F16"] as const)(
	"windows of a recurrent model in %s lose the same together and one by one",
	async (type) => {
		const quantized = `${folder}/mamba-${type}.gguf`;
		await quantizeFile(makeFixtures("mamba", `${folder}/mamba`)[0]!, quantized, type, { threads: 2 });
		await using model = await Model.load(quantized, { threads: 2 });
		const random = new Random(1);
		const windows = makeWindows(
			Int32Array.from({ length: 8 * 64 }, () => random.integer(model.facts.vocabulary)),
			64,
		);
		const full = [Coalition.full(model.facts.blocks)];
		const evaluator = model.createEvaluator();
		const [together] = await evaluator.evaluate(full, windows);
		for (let i = 0; i < windows.count; i++) {
			const [alone] = await evaluator.evaluate(full, makeWindows(windows.tokens.slice(i * 64, (i + 1) * 64), 64));
			expect(together!.losses[i]).toBeCloseTo(alone!.losses[0]!, 9);
			expect(Number.isFinite(together!.losses[i]!)).toBe(true);
		}
	},
);
