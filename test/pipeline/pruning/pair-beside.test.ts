import { expect, it } from "vitest";
import type { LogEvent } from "../../../src/api/index.js";
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

it("nor is it where attention parts go, which still run in memory", async () => {
	const warnings: string[] = [];
	const onLog = ({ level, message }: LogEvent) => level === "warning" && warnings.push(message);
	const options = { ...small, threads: 1, search: { workingWeights: "own" }, speed: true, report: false, gpuLayers: "all" } as const;
	const { plan } = await pruneGguf(fixturePath, out(), { ...options, remove: "3a", onLog });
	expect(plan!.speed).toBeUndefined();
	expect(warnings.join("\n")).toContain("the speed was not measured: the original and the written file do not fit into memory together");
});
