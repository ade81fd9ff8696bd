import { rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { NotEnoughMemoryError } from "../../src/errors.js";
import { originOf } from "../../src/game/parts.js";
import { Coalition } from "../../src/game/coalition.js";
import { removeBlocks } from "../../src/model/architectures/index.js";
import { writeGguf } from "../../src/model/gguf/index.js";
import { Model, type ModelOptions } from "../../src/model/runtime/model.js";
import { placementWithout } from "../../src/model/runtime/placement.js";
import { open } from "node:fs/promises";
import { placed, useFakeDevices } from "../helpers/fake-devices.js";
import { fixturePath, fixtureWindows, fullSet, mean, removing } from "../helpers/fixture.js";
import { tempFolder } from "../helpers/temp-folder.js";

// Two devices that hold the model, and one that does not.
useFakeDevices([64, 64, 2]);
const folder = tempFolder();
const load = (options: ModelOptions = {}) => Model.load(fixturePath, { threads: 1, ...options });
const devicesOf = (model: Model, mask: Coalition) => model.runJob(undefined, async (native) => native.blockDevices(mask.toBytes()));
const windows = fixtureWindows(3);
const mixed = placed(12, { FAKE0: 5, FAKE1: 4 });

describe("blocks on several devices and the CPU", () => {
	const homes = ["CPU", "CPU", "CPU", ...Array(5).fill("FAKE0"), ...Array(4).fill("FAKE1")];

	it("keep their devices in every view", async () => {
		await using model = await load({ placement: mixed });
		expect(await devicesOf(model, fullSet)).toEqual([...homes, "FAKE1"]);
		for (const removed of [[0], [2, 3], [1, 4, 5, 10], [0, 1, 2], [3, 4, 5, 6, 7]]) {
			const kept = homes.filter((_, block) => !removed.includes(block));
			expect(await devicesOf(model, removing(...removed))).toEqual([...kept, "FAKE1"]);
		}
		// The attention part of a merged block says where its memory is.
		expect(await devicesOf(model, Coalition.ofRemoved(12, [2.5]))).toEqual([...homes.filter((_, block) => block !== 3), "FAKE1"]);
		expect(await devicesOf(model, fullSet)).toEqual([...homes, "FAKE1"]);
	});

	it("compute in a view what the pruned file computes with each block where it was", async () => {
		await using model = await load({ placement: mixed });
		for (const removed of [
			[1, 5, 6],
			[3, 4, 5, 6, 7],
			[2.5, 9],
		]) {
			const mask = Coalition.ofRemoved(12, removed);
			const [view] = await model.createEvaluator().evaluate([mask], windows, { digest: true });
			const path = join(folder, "pruned.gguf");
			const handle = await open(path, "w");
			await writeGguf(handle, removeBlocks(model.file, removed, { version: "0", sourceSha256: "0".repeat(64) })).finally(() =>
				handle.close(),
			);
			const kept = mask.stack().map(originOf);
			await using written = await Model.load(path, { threads: 1, placement: placementWithout(mixed, kept) });
			expect(await devicesOf(written, Coalition.full(kept.length))).toEqual([...kept.map((block) => homes[block]), "FAKE1"]);
			const [found] = await written.createEvaluator().evaluate([Coalition.full(kept.length)], windows, { digest: true });
			expect(found!.digests).toEqual(view!.digests);
			rmSync(path);
		}
	});

	it("share the work of leading blocks, with the same bits", async () => {
		await using model = await load({ placement: mixed });
		const masks = [fullSet, removing(1), removing(4), removing(4, 9), removing(8, 9), removing(3, 4, 5, 6, 7)];
		const measured = async (sharePrefixes: boolean) => {
			let shared = 0;
			const found = await model.createEvaluator({ sharePrefixes }).evaluate(masks, windows, {
				digest: true,
				onCandidate: (_i, _e, { blocksShared }) => {
					shared = blocksShared;
				},
			});
			return { digests: found.map(({ digests }) => digests), shared };
		};
		const [alone, together] = [await measured(false), await measured(true)];
		expect(together.digests).toEqual(alone.digests);
		expect(together.shared).toBeGreaterThan(0);
	});

	it("compute what the CPU computes, but for rounding", async () => {
		await using onDevices = await load({ placement: mixed });
		await using onCpu = await load({ gpuLayers: 0 });
		expect(onCpu.placement.devices).toEqual([]);
		expect(await devicesOf(onCpu, fullSet)).toEqual(Array(13).fill("CPU"));
		const [a] = await onDevices.createEvaluator().evaluate([removing(2, 6)], windows);
		const [b] = await onCpu.createEvaluator().evaluate([removing(2, 6)], windows);
		expect(Math.abs(mean(a!.losses) - mean(b!.losses))).toBeLessThan(1e-4);
	});
});

describe("a device", () => {
	it("that is too small takes as many blocks as fit", async () => {
		const shape = { windows: 1, windowLength: 64 };
		await using model = await load({ devices: ["FAKE2"], shape });
		const [used] = model.placement.devices;
		expect(used!.blocks).toBeGreaterThan(0);
		expect(used!.blocks).toBeLessThan(12);
		await model.createEvaluator().evaluate([fullSet, removing(3)], fixtureWindows(1, 64));
	});

	it("that is too small for what was asked for is an error before loading", async () => {
		await expect(load({ devices: ["FAKE2"], gpuLayers: "all" })).rejects.toThrow(NotEnoughMemoryError);
	});

	it("that had less memory than it said is an error that names it", async () => {
		const refused = load({ placement: placed(12, { FAKE2: 12 }) });
		await expect(refused).rejects.toThrow(/the device has too little memory for all 12 blocks on FAKE2, though it reported enough/);
	});
});
