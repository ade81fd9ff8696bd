import { readdirSync } from "node:fs";
import { afterEach, expect, it, vi } from "vitest";
import type { LogEvent } from "../../../src/api/index.js";
import { neededMemory } from "../../../src/model/runtime/memory.js";
import { Model, type ModelOptions } from "../../../src/model/runtime/model.js";
import { comparePart } from "../../../src/pipeline/session/parity-pairs.js";
import { checkParity, isWithin, worstOf } from "../../../src/pipeline/session/parity.js";
import { makeRunFolder } from "../../../src/storage/runs.js";
import { useFakeDevices } from "../../helpers/fake-devices.js";
import { fixturePath, fixtureWindows } from "../../helpers/fixture.js";
import { ownHomes } from "../../helpers/home.js";

// What a device hands on from the first block of a graph is wrong. In the original model that block may lie on the CPU, which is right.
useFakeDevices([64, 64], "block:0");
ownHomes();
afterEach(() => void vi.restoreAllMocks());

const sha256 = "0".repeat(64);
const load = (more: ModelOptions) => Model.load(fixturePath, { threads: 1, ...more });
const newFolder = () => makeRunFolder({ name: "fixture.gguf", sha256 });

/** Memory for the model without so many of its blocks. */
function memoryWithout(model: Model, blocks: number): number {
	const block = model.file.tensors.reduce((sum, { name, source }) => sum + (name.startsWith("blk.5.") ? source.size : 0), 0);
	return neededMemory(model.file).total - blocks * block;
}

it("a part of a model is one of the device: with 4 of 12 blocks there, its fault is seen", async () => {
	await using model = await load({ devices: ["FAKE0"], gpuLayers: 5 });
	expect(model.placement.devices).toMatchObject([{ name: "FAKE0", blocks: 4 }]);
	const job = { model, sha256, windows: fixtureWindows(2, 64), folder: await newFolder() };
	const found = (await comparePart(job, {}, memoryWithout(model, 3)))!;
	expect(found.map(({ removed }) => removed)).toEqual([[0, 1, 2, 3, 4, 5, 6, 7]]);
	expect(isWithin(worstOf(found))).toBe(false);
});

it("a part of a model on two devices has blocks of both", async () => {
	await using model = await load({});
	const [first] = model.placement.devices.map(({ blocks }) => blocks);
	const job = { model, sha256, windows: fixtureWindows(2, 64), folder: await newFolder() };
	const found = (await comparePart(job, {}, memoryWithout(model, 9.5)))!;
	expect(found.map(({ removed }) => removed)).toEqual([[...Array(12).keys()].filter((block) => block !== 0 && block !== first)]);
});

it("the whole model is compared once memory holds it, whatever a part had said", async () => {
	// Only the LM head is on the device here, so block 0 is computed right, in the original model and in a part.
	await using model = await load({ devices: ["FAKE1"], gpuLayers: 1 });
	const folder = await newFolder();
	const events: LogEvent[] = [];
	const check = () => checkParity({ model, sha256, folder }, { onLog: (event) => void events.push(event) });
	vi.spyOn(process.memoryUsage, "rss").mockReturnValue(0);
	const limit = vi.spyOn(process, "constrainedMemory").mockReturnValue(memoryWithout(model, 9));
	expect((await check())!.map(({ removed }) => removed)).toEqual([[2, 3, 4, 5, 6, 7, 8, 9, 10, 11]]);
	expect(events).toContainEqual(expect.objectContaining({ level: "warning", message: expect.stringContaining("without blocks 2-11") }));
	limit.mockRestore();
	expect((await check())!.map(({ removed }) => removed)).toEqual([[], [6], [2, 6, 10]]);
	expect(readdirSync(folder).filter((name) => name.endsWith(".parity.json"))).toHaveLength(2);
});
