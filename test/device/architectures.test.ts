import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { Coalition } from "../../src/game/coalition.js";
import { describeBlocks } from "../../src/model/architectures/index.js";
import { GgufFile } from "../../src/model/gguf/index.js";
import type { Evaluation } from "../../src/model/runtime/evaluator.js";
import { Model } from "../../src/model/runtime/model.js";
import { isFullyOffloaded, type Placement, placementText, placementWithout } from "../../src/model/runtime/placement.js";
import { keptBlocks } from "../../src/pipeline/writing/write-pruned.js";
import { makeFixtures } from "../conformance/fixtures.js";
import { makeOwnModel } from "../conformance/own-fixtures.js";
import { OWN_MODELS } from "../conformance/own-models.js";
import { fixturePath } from "../helpers/fixture.js";
import { tempFolder } from "../helpers/temp-folder.js";
import { deviceNames, expectSame, loadOnDevice, meanOf, onDevice, someWindows, writeWithout } from "./device.js";

// One model of each class of architecture, on the device: a view computes what a written file computes, alone and in a batch that shares work, with all blocks on the device and with some of them. And it computes what the CPU computes, nearly.

const folder = tempFolder();
const windows = someWindows();

/** Makes a model with llama.cpp's generator, or with ours. */
const generated = (architecture: string, name: string) => (place: string) => {
	const found = makeFixtures(architecture, place).find((path) => path.endsWith(`${name}.gguf`));
	return found ?? Promise.reject(new Error(`the generator made no ${name}`));
};
const own = (name: string) => (place: string) => makeOwnModel(OWN_MODELS.find((model) => model.name === name)!, place);

/** Nats by which a loss may differ from the CPU's: products are rounded in another order. */
const tolerance = 0.02;

const classes: readonly (readonly [kind: string, make: (place: string) => string | Promise<string>])[] = [
	["llama", () => fixturePath],
	["gemma3 (sliding windows)", generated("gemma3", "gemma3-dense")],
	["mamba (recurrent)", generated("mamba", "mamba-dense")],
	["rwkv7 (recurrent)", own("rwkv7")],
	["qwen3moe (mixture of experts)", generated("qwen3moe", "qwen3moe-moe")],
	["falcon-h1 (hybrid)", generated("falcon-h1", "falcon-h1-dense")],
];

let devices: string[];
beforeAll(async () => {
	devices = await deviceNames();
});

describe.each(classes)("%s", (kind, make) => {
	let path: string;
	let place: string;
	let sets: number[][];
	let blocks: number;
	beforeAll(async () => {
		place = join(folder, kind.replaceAll(/\W+/g, "-"));
		mkdirSync(place);
		path = await make(place);
		const plan = describeBlocks(await GgufFile.read(path));
		blocks = plan.blocks;
		const halves = plan.parts.allowed ? [[1.5], [0.5, 3]] : [];
		sets = [[], [2], [1, 4], [blocks - 1], [0], [1, 2, 3], ...halves].filter((removed) => plan.check(removed) === undefined);
		expect(sets.length, "sets that the architecture allows").toBeGreaterThan(3);
	});
	const masks = () => sets.map((removed) => Coalition.ofRemoved(blocks, removed));

	it("computes what the CPU computes, nearly", async () => {
		await using onCpu = await Model.load(path, { threads: 2, gpuLayers: 0 });
		await using there = await loadOnDevice(path);
		const [a, b] = await Promise.all([onCpu, there].map((model) => model.createEvaluator().evaluate(masks(), windows)));
		const differences = sets.map((_, i) => Math.abs(meanOf(a![i]!) - meanOf(b![i]!)));
		expect(Math.max(...differences), `nats, on ${devices.join(", ")}: ${differences}`).toBeLessThan(tolerance);
	});

	it.each([
		["all blocks there", (count: number) => count + 1],
		["half of the blocks there", (count: number) => Math.ceil(count / 2)],
	])("with %s, a batch gives what each candidate gives alone, and a view what its file gives", async (_, layers) => {
		const gpuLayers = layers(blocks);
		let alone: Evaluation[];
		let placement: Placement;
		{
			await using model = await loadOnDevice(path, gpuLayers);
			const evaluator = model.createEvaluator();
			let shared = 0;
			const onCandidate = (_index: number, _evaluation: Evaluation, stats: { readonly blocksShared: number }) => {
				shared = stats.blocksShared;
			};
			const batch = await evaluator.evaluate(masks(), windows, { digest: true, onCandidate });
			// Every block of rwkv7 reads what the first one computes, which no hidden state holds.
			const shares = !kind.startsWith("rwkv7");
			expect(evaluator.sharePrefixes, "whether candidates share work").toBe(shares);
			expect(shared > 0, `${shared} blocks shared`).toBe(shares);
			placement = model.placement;
			expect(placement.devices.length, placementText(placement)).toBeGreaterThan(0);
			expect(isFullyOffloaded(placement), placementText(placement)).toBe(gpuLayers > blocks);
			alone = [];
			for (const mask of masks()) alone.push(...(await evaluator.evaluate([mask], windows, { digest: true })));
			expectSame(batch, alone, "in a batch", gpuLayers > blocks);
		}
		// Each block of a file is where it was measured.
		for (const [i, removed] of sets.entries()) {
			if (removed.length === 0) continue;
			const there = placementWithout(placement, keptBlocks({ blocks }, removed, placement.blocks));
			await using written = await Model.load(await writeWithout(path, removed, place), { ...onDevice, placement: there });
			const whole = Coalition.full(written.facts.blocks);
			expectSame(
				await written.createEvaluator().evaluate([whole], windows, { digest: true }),
				[alone[i]!],
				`file without ${removed}`,
				gpuLayers > blocks,
			);
		}
	});
});
