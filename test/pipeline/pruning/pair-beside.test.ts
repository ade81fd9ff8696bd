import { expect, it } from "vitest";
import { GgufFile } from "../../../src/model/gguf/index.js";
import { pruneGguf } from "../../../src/jobs/prune.js";
import { smallestDevice, useFakeDevices } from "../../helpers/fake-devices.js";
import { fixturePath } from "../../helpers/fixture.js";
import { ownHomes, small } from "../../helpers/home.js";

// A device that holds the model, and not the written file beside it.
useFakeDevices([smallestDevice(await GgufFile.read(fixturePath), {}, "all")]);
const { out } = ownHomes();

it("a written file that does not fit beside the model is not measured on the CPU: the model is, without its blocks", async () => {
	const options = { ...small, threads: 1, search: { workingWeights: "own" }, speed: true, report: false, gpuLayers: "all" } as const;
	const { plan } = await pruneGguf(fixturePath, out(), { ...options, remove: [3] });
	expect(plan!.speed).toMatchObject({ through: "memory", placement: { before: "all 12 blocks on FAKE0" } });
	expect(plan!.speed!.placement!.after).toBeUndefined();
});
