import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { describeBlocks } from "../../../src/model/architectures/index.js";
import { InvalidGgufError, UnsupportedArchitectureError } from "../../../src/errors.js";
import { measureText } from "../../../src/model/evaluation/perplexity.js";
import { Coalition } from "../../../src/game/coalition.js";
import { GgufFile } from "../../../src/model/gguf/index.js";
import { Model } from "../../../src/model/runtime/model.js";
import { makeWindows } from "../../../src/model/runtime/windows.js";
import { hasTools, makeFixtures } from "../../conformance/fixtures.js";
import { hasFixtureTool, makeOwnModel } from "../../conformance/own-fixtures.js";
import { OWN_MODELS } from "../../conformance/own-models.js";
import { cycle, rewrite } from "../../conformance/rewrite.js";
import { tempFolder } from "../../helpers/temp-folder.js";

// Original models that llama.cpp asserts on, or that have no logits: each would end the test's process, or give the loss of a
// uniform guess.

const folder = tempFolder();
const FULL = ["array", Array(6).fill(false), "bool"] as const;

/** The outcome of measuring the original model, and of everything else that runs it. */
async function expectRefused(path: string, architecture: string, reason: RegExp): Promise<void> {
	await using model = await Model.load(path, { threads: 1 });
	const evaluator = model.createEvaluator();
	const windows = makeWindows(new Int32Array(16).fill(3), 16);
	const full = Coalition.full(model.facts.blocks);
	for (const job of [
		() => evaluator.evaluate([full], windows),
		() => evaluator.createReference(full, windows),
		() => evaluator.similarities(windows),
		() => model.sample([Int32Array.of(3)], { length: 4 }),
		() => measureText(path, { text: "package.json", windowLength: 16 }),
	]) {
		const error: unknown = await job().then(
			() => undefined,
			(problem: unknown) => problem,
		);
		expect(error).toBeInstanceOf(UnsupportedArchitectureError);
		expect((error as Error).message).toContain(`architecture ${architecture})`);
		expect((error as Error).message).toMatch(reason);
	}
}

describe.skipIf(!hasFixtureTool)("a model that llama.cpp computes no loss of", () => {
	it.each([
		["bert", /no logits/],
		["eurobert", /no logits/],
		["llama-embed", /no logits/],
		["gemma-embedding", /no logits/],
		["t5encoder", /no logits/],
		["plm", /aborts on every model/],
	])("%s is refused before it runs", async (name, reason) => {
		await expectRefused(await makeOwnModel(OWN_MODELS.find((one) => one.name === name)!, join(folder, name)), name, reason);
	});
});

describe.skipIf(!hasTools)("a model that breaks what llama.cpp asserts", () => {
	it.each([
		["llama4", { blocks: cycle(4, 8), keys: { "attention.sliding_window": ["uint32", 0] } }, /without sliding windows/],
		["llama4", { blocks: [0, 1, 2] }, /without rotary positions must be left/],
		["gemma3", { keys: { "attention.sliding_window_pattern": FULL } }, /one sliding-window block/],
		["jamba", { blocks: [0, 3] }, /one attention block and one recurrent/],
		["plamo2", { blocks: [1, 0, 2, 3, 4, 5] }, /no attention heads are stated for its first block/],
		["minimax-m3", { blocks: [0, 0], keys: { leading_dense_block_count: ["uint32", 2] } }, /sparse attention/],
	] as const)("%s %j is refused before it runs", async (architecture, change, reason) => {
		const source = makeFixtures(architecture, join(folder, architecture)).at(-1)!;
		await expectRefused(await rewrite(source, join(folder, `${architecture}.gguf`), change), architecture, reason);
	});

	it("numbers of experts that contradict each other are named, with what is expected", async () => {
		const source = makeFixtures("qwen2moe", join(folder, "qwen2moe")).at(-1)!;
		const path = await rewrite(source, join(folder, "qwen2moe-experts.gguf"), { keys: { expert_used_count: ["uint32", 999] } });
		await expect(Model.load(path)).rejects.toThrow(
			/expert_used_count 999.*contradict each other. Expected .*at least 1 and at most all of them used/,
		);
	});

	it.each([
		["smallthinker", null, /expert_gating_func is not stated.*expected 1 \(softmax\).*correct the key/],
		["dots1", null, /expert_gating_func is not stated.*expected 1 \(softmax\).*correct the key/],
		["minimax-m2", null, /expert_gating_func is not stated.*expected 1 \(softmax\).*correct the key/],
		["hy_v4", null, /expert_gating_func is not stated.*expected 1 \(softmax\).*correct the key/],
		["glm4moe", ["uint32", 9], /unknown expert_gating_func 9, expected 1 .* convert the model again/],
	] as const)("%s with the gate of experts %j is refused", async (architecture, value, reason) => {
		const source = makeFixtures(architecture, join(folder, architecture)).at(-1)!;
		const path = await rewrite(source, join(folder, `${architecture}-gate.gguf`), { keys: { expert_gating_func: value } });
		await expect(Model.load(path)).rejects.toThrow(InvalidGgufError);
		await expect(Model.load(path)).rejects.toThrow(reason);
	});

	it("a file with only the multi-token-prediction blocks of a model is refused", async () => {
		const source = makeFixtures("qwen35", join(folder, "qwen35")).at(-1)!;
		const path = await rewrite(source, join(folder, "qwen35-tail-alone.gguf"), {
			keys: { nextn_predict_layers: ["uint32", 1] },
			tensor: (tensor) => (/^blk\.[0-4]\./.test(tensor.name) ? null : tensor),
		});
		await expect(Model.load(path)).rejects.toThrow(InvalidGgufError);
		await expect(Model.load(path)).rejects.toThrow(/only the multi-token-prediction blocks .* give the model itself/);
	});

	it("nanbeige in loops allows no removal, and its original is measured", async () => {
		const [source] = makeFixtures("nanbeige", join(folder, "nanbeige"));
		const path = await rewrite(source!, join(folder, "nanbeige.gguf"), { keys: { num_loops: ["uint32", 2] } });
		await using model = await Model.load(path, { threads: 1 });
		expect(model.blocks).toMatchObject({ support: "refused", blocks: 6 });
		expect(model.facts.blocks).toBe(12);
		const evaluator = model.createEvaluator();
		const windows = makeWindows(new Int32Array(16).fill(3), 16);
		const [evaluation] = await evaluator.evaluate([Coalition.full(12)], windows);
		expect(evaluation!.losses[0]).toBeGreaterThan(0);
		await expect(evaluator.evaluate([Coalition.ofRemoved(12, [1])], windows)).rejects.toThrow(/several times/);
	});

	it.each(["hrm_text", "minicpm3", "minimax-01", "qwen3tts", "pockettts"])(
		"%s allows no removal, and its original is measured",
		async (architecture) => {
			const path = makeFixtures(architecture, join(folder, architecture)).at(-1)!;
			const plan = describeBlocks(await GgufFile.read(path));
			expect(plan).toMatchObject({ support: "refused" });
			expect(plan.unmeasurable).toBeUndefined();
			await using model = await Model.load(path, { threads: 1 });
			const windows = makeWindows(new Int32Array(16).fill(3), 16);
			const [evaluation] = await model.createEvaluator().evaluate([Coalition.full(model.facts.blocks)], windows);
			expect(evaluation!.losses[0]).toBeGreaterThan(0);
		},
	);
});
