import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { thorough } from "../helpers/slow.js";
import { tempFolder } from "../helpers/temp-folder.js";

// Every one: node scripts/faults/faults.mjs

interface Expected {
	readonly folder: string;
	readonly result: { readonly model: string; readonly plan: string };
}
interface Setting {
	readonly root: string;
	readonly shim: string;
	readonly expected: Expected["result"];
}
interface Faults {
	readonly FAULT_NAMES: readonly string[];
	compileShim(folder: string): string;
	undisturbed(root: string): Promise<Expected>;
	tryFault(name: string, setting: Setting): Promise<string[]>;
	tryTwoAtOnce(setting: Omit<Setting, "shim">): Promise<string[]>;
	tryNewerCache(setting: { root: string; straight: string }): Promise<string[]>;
}
const faults = (await import(new URL("../../scripts/faults/faults.mjs", import.meta.url).href)) as Faults;

/** What `npm test` tries: a disk that is full, and a file that another one replaces. */
const quick = ["ENOSPC while the model is written", "another model takes its name"];
const names = thorough ? faults.FAULT_NAMES : quick;

describe.skipIf(process.platform !== "linux")("when the system fails in the middle of a run", () => {
	const root = mkdtempSync(join(tempFolder(), "faults-"));
	let shim: string;
	let straight: Expected;
	beforeAll(async () => {
		shim = faults.compileShim(root);
		straight = await faults.undisturbed(root);
	}, 300_000);

	it.each(names)(
		"%s: an error that says so, nothing half written, and the next run finishes",
		async (name) => {
			expect(faults.FAULT_NAMES).toContain(name);
			expect(await faults.tryFault(name, { root, shim, expected: straight.result })).toEqual([]);
		},
		300_000,
	);

	it("a cache of a later version is refused, and left as it is", async () => {
		expect(await faults.tryNewerCache({ root, straight: straight.folder })).toEqual([]);
	}, 300_000);

	it.runIf(thorough)(
		"two runs on one cache do not disturb each other",
		async () => {
			expect(await faults.tryTwoAtOnce({ root, expected: straight.result })).toEqual([]);
		},
		300_000,
	);
});
