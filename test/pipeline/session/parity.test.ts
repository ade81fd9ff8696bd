import { readdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import type { LogEvent } from "../../../src/api/index.js";
import { DeviceError } from "../../../src/errors.js";
import { pruneGguf } from "../../../src/jobs/prune.js";
import { Model } from "../../../src/model/runtime/model.js";
import { neededMemory } from "../../../src/model/runtime/memory.js";
import { comparePart } from "../../../src/pipeline/session/parity-pairs.js";
import { checkParity, parityText, parityTolerance } from "../../../src/pipeline/session/parity.js";
import { lockRun } from "../../../src/pipeline/session/run-lock.js";
import { identityOf } from "../../../src/storage/hash.js";
import { makeRunFolder } from "../../../src/storage/runs.js";
import { useFakeDevices } from "../../helpers/fake-devices.js";
import { fixturePath, fixtureWindows } from "../../helpers/fixture.js";
import { ownHomes, small } from "../../helpers/home.js";

// A device that computes right. test/pipeline/session/parity-wrong.test.ts has one that does not.
useFakeDevices([64]);
const { out } = ownHomes();
const sha256 = "0".repeat(64);

describe("checkParity", () => {
	it("compares the original and two candidates with the CPU, once", async () => {
		const folder = await makeRunFolder({ name: "fixture.gguf", sha256: "0".repeat(64) });
		await using model = await Model.load(fixturePath, { threads: 1 });
		expect(model.placement.devices).toEqual([{ name: "FAKE0", blocks: 12, key: "FAKE0 (Fake device 0)" }]);
		const found = (await checkParity({ model, sha256, folder }, {}))!;
		expect(found.map(({ removed }) => removed)).toEqual([[], [6], [2, 6, 10]]);
		for (const { device, cpu, divergence } of found) {
			expect(Math.abs(device! - cpu!)).toBeLessThan(parityTolerance.loss / 100);
			expect(divergence!).toBeLessThan(parityTolerance.divergence / 10);
		}
		expect(parityText(found)).toMatch(/^at most [\d.]+e[-+]\d+ nats in loss and .* in KL divergence from the CPU$/);
		expect(readdirSync(folder).filter((name) => name.endsWith(".parity.json"))).toHaveLength(1);
		let compared = 0;
		const progress = { work: () => compared++ } as never;
		expect(await checkParity({ model, sha256, folder }, { progress })).toEqual(found);
		expect(compared).toBe(0);
		// What is torn is measured again.
		const [kept] = readdirSync(folder).filter((name) => name.endsWith(".parity.json"));
		writeFileSync(join(folder, kept!), '[{"removed":');
		expect(await checkParity({ model, sha256, folder }, { progress })).toEqual(found);
		expect(compared).toBeGreaterThan(0);
	});

	it("compares the device's first blocks, from a file of them alone, if memory does not hold the model", async () => {
		const folder = await makeRunFolder({ name: "fixture.gguf", sha256 });
		const job = { sha256, windows: fixtureWindows(2, 64), folder };
		await using model = await Model.load(fixturePath, { threads: 1 });
		const need = neededMemory(model.file).total;
		const block = model.file.tensors.reduce((sum, { name, source }) => sum + (name.startsWith("blk.5.") ? source.size : 0), 0);
		for (const [available, count] of [
			[need - 3 * block, 8],
			[need - 9 * block, 2],
		] as const) {
			const [only, ...rest] = (await comparePart({ ...job, model }, {}, available))!;
			expect(rest).toEqual([]);
			expect(only!.removed).toEqual(Array.from({ length: 12 - count }, (_, i) => count + i));
			expect(Math.abs(only!.device! - only!.cpu!)).toBeLessThan(parityTolerance.loss / 100);
			expect(only!.divergence!).toBeLessThan(parityTolerance.divergence / 10);
		}
		expect(await comparePart({ ...job, model }, {}, need - 11.5 * block)).toBeUndefined();
		expect(readdirSync(folder).filter((name) => name.includes("part.gguf"))).toEqual([]);
	});

	it("does nothing for a model on the CPU", async () => {
		await using model = await Model.load(fixturePath, { threads: 1, gpuLayers: 0 });
		expect(await checkParity({ model, sha256, folder: "nowhere" }, {})).toBeUndefined();
	});
});

describe("a run on a device", () => {
	it("says what it runs on in its first line, its plan and its verification", async () => {
		const notes: string[] = [];
		const onLog = ({ level, message }: LogEvent) => void (level === "note" && notes.push(message));
		const result = await pruneGguf(fixturePath, out(), { ...small, removeBlocks: 3, search: { method: "leave-one-out" }, onLog });
		expect(notes[0]).toBe("Running on FAKE0 (Fake device 0): all 12 blocks on FAKE0");
		const plan = result.plan!;
		expect(plan.backend).toBe("FAKE0 (Fake device 0)");
		expect(plan.machine).toMatchObject({
			...{ devices: "FAKE0 (Fake device 0)", blocks: "all 12 blocks on FAKE0", placement: "FAKE0 (Fake device 0)=12+1", gpuLayers: 13 },
			parity: expect.stringContaining("KL divergence from the CPU"),
		});
		expect(plan.command).toContain("--gpu-layers 13");
		expect(result.output!.verification).toMatch(/within 1e-3 nats per token .*; all 9 blocks on FAKE0\)/);
	});
});

it("a second start of the same command ends before it keeps where it would put blocks", async () => {
	const folder = await makeRunFolder({ name: basename(fixturePath), sha256: await identityOf([fixturePath]) });
	const lock = await lockRun(folder, 0, small);
	const search = { method: "leave-one-out" } as const;
	await expect(pruneGguf(fixturePath, out(), { ...small, removeBlocks: 3, search })).rejects.toThrow(/is in use by process/);
	await lock.release();
	expect(readdirSync(folder).filter((name) => name.endsWith(".json"))).toEqual([]);
});

it("is refused with an error of its own", () => {
	expect(new DeviceError("x").code).toBe("DEVICE_FAILED");
});
