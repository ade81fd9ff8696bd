import { existsSync } from "node:fs";
import { expect, it } from "vitest";
import type { ProgressEvent } from "../../../src/api/index.js";
import { DeviceError } from "../../../src/errors.js";
import { pruneGguf } from "../../../src/jobs/prune.js";
import { useFakeDevices } from "../../helpers/fake-devices.js";
import { fixturePath } from "../../helpers/fixture.js";
import { ownHomes, small } from "../../helpers/home.js";

useFakeDevices([64], "wrong");
const { out } = ownHomes();

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
