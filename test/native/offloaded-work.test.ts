import { expect, it } from "vitest";
import { Model } from "../../src/model/runtime/model.js";
import { placed, useFakeDevices } from "../helpers/fake-devices.js";
import { fixturePath, fixtureWindows, removing } from "../helpers/fixture.js";

// A device that computes large batches of blocks on the CPU too, as CUDA, Vulkan and Metal do, from copies of their weights.
process.env.PRUNE_GGUF_FAKE_OFFLOAD = "1";
useFakeDevices([64]);

it("counts the weights that are copied to a device for blocks on the CPU, each once in a graph", async () => {
	await using model = await Model.load(fixturePath, { threads: 1, placement: placed(12, { FAKE0: 9 }) });
	const evaluator = model.createEvaluator();
	const moved = async (length: number, removed: number[]) => {
		const before = (await model.backendNow()).bytesMoved;
		await evaluator.evaluate([removing(...removed)], fixtureWindows(1, length));
		return (await model.backendNow()).bytesMoved - before;
	};
	const matricesOf = (blocks: number[]) =>
		model.file.tensors
			.filter(({ name, dims }) => dims.length === 2 && blocks.some((block) => name.startsWith(`blk.${block}.`)))
			.reduce((sum, { source }) => sum + source.size, 0);
	const tokensAndLogits = (length: number) => 4 * length * (1 + model.facts.vocabulary);
	expect(await moved(64, [5])).toBe(tokensAndLogits(64) + matricesOf([0, 1, 2]));
	expect(await moved(64, [1])).toBe(tokensAndLogits(64) + matricesOf([0, 2]));
	expect(await moved(64, [0, 1, 2])).toBe(tokensAndLogits(64));
	// A small batch is computed where the weights are.
	expect(await moved(16, [5])).toBe(tokensAndLogits(16));
});
