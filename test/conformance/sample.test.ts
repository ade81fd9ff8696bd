import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import { tempFolder } from "../helpers/temp-folder.js";
import { examine } from "./examine.js";
import { hasTools, makeFixtures } from "./fixtures.js";
import { FIXTURE_TOOL, makeOwnModel } from "./own-fixtures.js";
import { OWN_MODELS } from "./own-models.js";
import { faultsOf } from "./record.js";

// A part of the conformance run (test/full/conformance.test.ts) that is small enough for every build: the plain case, and one
// model of our own. All others run only there.

const folder = tempFolder();
const sample = ["llama"];
const own = ["rwkv6-rescale-3"];

describe.skipIf(!hasTools)("removing blocks is exact", () => {
	it.concurrent.each(sample)("%s", async (architecture) => {
		for (const model of makeFixtures(architecture, join(folder, architecture))) {
			const examined = await examine(model, { folder: join(folder, `work-${basename(model)}`) });
			expect(faultsOf(examined)).toEqual([]);
			expect(examined.readers.huggingface).toBe(examined.findings.filter(({ verdict }) => verdict !== "refused").length);
			expect(examined.findings.filter(({ verdict }) => verdict === "refused").length).toBeLessThan(examined.findings.length);
		}
	});

	it.concurrent.each(OWN_MODELS.filter(({ name }) => own.includes(name)))("$name, made here", async (model) => {
		const path = await makeOwnModel(model, join(folder, model.name));
		const examined = await examine(path, { folder: join(folder, `work-${model.name}`), reader: FIXTURE_TOOL, ...model.options });
		expect(faultsOf(examined)).toEqual([]);
		expect(examined.findings.some(({ verdict, idle }) => verdict === "exact" && !idle)).toBe(true);
	});
});
