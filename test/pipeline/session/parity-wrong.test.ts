import { thorough } from "../../helpers/slow.js";
import { existsSync, readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { ProgressEvent } from "../../../src/api/index.js";
import { DeviceError } from "../../../src/errors.js";
import { applyPlan } from "../../../src/jobs/apply.js";
import { pruneGguf } from "../../../src/jobs/prune.js";
import { useFakeDevices } from "../../helpers/fake-devices.js";
import { fixturePath } from "../../helpers/fixture.js";
import { ownHomes, small } from "../../helpers/home.js";

useFakeDevices([64], "wrong");
const { home, newHome, out } = ownHomes();

/** Kept self-generated text of this home. */
const texts = () => readdirSync(home(), { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".windows.json"));

it("a device that computes wrongly is refused before anything is searched, with what it computed", async () => {
	const phases = new Set<string>();
	const output = out();
	const onProgress = ({ name }: ProgressEvent) => void phases.add(name);
	const run = pruneGguf(fixturePath, output, { ...small, removeBlocks: 3, onProgress });
	const error = (await run.catch((caught: unknown) => caught)) as DeviceError;
	expect(error).toBeInstanceOf(DeviceError);
	expect(error.message).toMatch(
		/^FAKE0 \(Fake device 0\) does not compute what the CPU computes, so nothing is measured on it\. For the .*model.* the mean loss is [\d.]+ on the device and [\d.]+ on the CPU \(0\.02 nats apart are allowed\)\. The mean KL divergence is [\d.e-]+ \(0\.01 is allowed\)\. Install another version of the driver, .*--gpu-layers 0 for the CPU\.$/,
	);
	expect(phases.has("Searching")).toBe(false);
	expect(existsSync(output)).toBe(false);
});

it.runIf(thorough)("text that it would draw is not kept, so a run on the CPU goes by its own", async () => {
	const search = { method: "leave-one-out", workingWeights: "own" } as const;
	const ask = (gpuLayers?: number) => pruneGguf(fixturePath, out(), { ...small, search, removeBlocks: 3, gpuLayers });
	await expect(ask()).rejects.toThrow(DeviceError);
	expect(texts()).toEqual([]);
	// Without how long it took to draw.
	const drawn = async () => {
		const kept = await Promise.all(texts().map((name) => readFile(join(home(), name), "utf8")));
		return kept.map((text) => ({ ...(JSON.parse(text) as object), drawn: undefined }));
	};
	await ask(0);
	const after = await drawn();
	newHome();
	await ask(0);
	expect(after).toEqual(await drawn());
	expect(after.length).toBeGreaterThan(0);
});

it("a pruned model is not healed there", async () => {
	const output = out();
	await expect(applyPlan(fixturePath, output, { remove: [4, 5], heal: true, threads: 2 })).rejects.toThrow(DeviceError);
	expect(existsSync(output)).toBe(false);
});
