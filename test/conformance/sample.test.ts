import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import { tempFolder } from "../helpers/temp-folder.js";
import { examine } from "./examine.js";
import { hasTools, makeFixtures } from "./fixtures.js";
import { faultsOf } from "./record.js";

// A part of the conformance run (test/full/conformance.test.ts) that is small enough for every build: the plain case.
// All others run only there.

const folder = tempFolder();
const sample = ["llama"];

describe.skipIf(!hasTools)("removing blocks is exact", () => {
	it.concurrent.each(sample)("%s", async (architecture) => {
		for (const model of makeFixtures(architecture, join(folder, architecture))) {
			const examined = await examine(model, { folder: join(folder, `work-${basename(model)}`) });
			expect(faultsOf(examined)).toEqual([]);
			expect(examined.readers.huggingface).toBe(examined.findings.filter(({ verdict }) => verdict !== "refused").length);
			expect(examined.findings.filter(({ verdict }) => verdict === "refused").length).toBeLessThan(examined.findings.length);
		}
	});
});
