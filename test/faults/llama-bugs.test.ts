import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { InvalidGgufError } from "../../src/errors.js";
import { loadAddon, loadedBinary } from "../../src/model/runtime/load-addon.js";
import { Model } from "../../src/model/runtime/model.js";
import { tempFolder } from "../helpers/temp-folder.js";

// Faults of the pinned llama.cpp that docs/research/reliability.md describes. If a newer pin mends one, its test fails here: the page and
// what this package does about it change then.

interface Fault {
	readonly name: string;
	readonly wrong: Record<string, Buffer>;
}
interface Bugs {
	faultsOfLlama(): Fault[];
	showFault(fault: Fault, addon: string, folder: string): Promise<{ faults: string[] }>;
}
const { faultsOfLlama, showFault } = (await import(new URL("../../scripts/faults/llama-bugs.mjs", import.meta.url).href)) as Bugs;
const folder = tempFolder();
const faults = faultsOfLlama();

describe("a fault of llama.cpp, shown in a process of its own, and what this package makes of the file", () => {
	beforeAll(async () => {
		await loadAddon({ build: false });
	});

	it.each<[string, (path: string) => Promise<void>]>([
		[
			"alignment",
			async (path) => {
				// It is a sound file: it is read instead of mapped.
				await using model = await Model.load(path, { threads: 1, gpuLayers: 0 });
				expect(model.facts.blocks).toBe(12);
			},
		],
		["split.no", async (path) => expect(Model.load(path)).rejects.toThrow(/expected split\.no as uint16, found uint32/)],
		["2^64 elements", async (path) => expect(Model.load(path)).rejects.toThrow(InvalidGgufError)],
	])("%s", async (name, ours) => {
		const fault = faults.find((one) => one.name === name)!;
		expect((await showFault(fault, loadedBinary().path, folder)).faults).toEqual([]);
		await ours(join(folder, `${name.replace(/\W+/g, "-")}-wrong`, Object.keys(fault.wrong)[0]!));
	});

	it("is named by each that is described", () => {
		expect(faults.map(({ name }) => name)).toEqual(["alignment", "split.no", "2^64 elements"]);
	});
});
