import { afterEach, describe, expect, it, vi } from "vitest";
import { readHeader } from "../../src/header.js";
import type { Weights } from "../../src/quantize-from.js";
import { References } from "../../src/references.js";
import type { Evaluator } from "../../src/runtime/evaluator.js";
import { Model } from "../../src/runtime/model.js";
import { Variant, type VariantSetting } from "../../src/variants.js";
import { fixturePath, fixtureWindows } from "../helpers/fixture.js";
import { tempFolder } from "../helpers/temp-folder.js";

const folder = tempFolder();
afterEach(() => {
	vi.restoreAllMocks();
});

async function fixtureWeights(): Promise<Weights> {
	const { file, blocks } = await readHeader(fixturePath, {});
	return { path: fixturePath, file, blocks, sha256: "f".repeat(64) };
}

function settingOf(weights: Weights, options: VariantSetting<"report">["options"], evaluator?: Evaluator): VariantSetting<"report"> {
	const windows = { report: fixtureWindows(2, 32) };
	const settings = { backend: "CPU", llama: "l", addon: "a", processor: "p", gpuLayers: -1, threads: 2 };
	return { folder, windows, settings, references: new References(weights, windows, options, evaluator), options };
}

describe("Variant", () => {
	it("takes nothing that another ubatch measured for its own", async () => {
		const weights = await fixtureWeights();
		const model = await Model.load(fixturePath, { threads: 2 });
		const measured = async (ubatch: number) => {
			const evaluator = model.createEvaluator({ ubatch });
			const evaluate = vi.spyOn(evaluator, "evaluate");
			const variant = await Variant.open("own", weights, settingOf(weights, {}, evaluator), evaluator);
			await variant.measure("report", [[], [3]]);
			await variant.close();
			return evaluate.mock.calls.length;
		};
		try {
			expect(await measured(512)).toBeGreaterThan(0);
			expect(await measured(512)).toBe(0);
			expect(await measured(32)).toBeGreaterThan(0);
		} finally {
			await model.dispose();
		}
	});
});
