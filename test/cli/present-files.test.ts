import { createHash } from "node:crypto";
import { cpSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import { fixturePath, mainPath, runNode } from "../helpers/fixture.js";
import { presentFolder, presentHome, presentModels, presentPlans, presentRuns, presentText } from "../helpers/present.js";
import { tempFolder } from "../helpers/temp-folder.js";

// Files of the previous version, given to the command line; they must keep working.

const folder = tempFolder();
const home = join(folder, "home");
const run = (...args: string[]) => runNode([mainPath, ...args], { env: { PRUNE_GGUF_HOME: home } });

describe("a plan", () => {
	it.each(presentPlans)("%s gives the same file as before", async (name) => {
		const { quantized, heal } = JSON.parse(presentText(name));
		const model = name.replace(".plan.json", "");
		const output = join(folder, model);
		const quantize = quantized ? ["--quantize", quantized.type] : [];
		const { code, stderr } = await run("apply", fixturePath, output, "--plan", join(presentFolder, name), ...quantize);
		if (code !== 0) {
			// Another processor rounds new matrices differently: then no file is written.
			expect(stderr).toMatch(/is healed otherwise/);
			expect(heal.applied).toBe(true);
			return;
		}
		expect(createHash("sha256").update(readFileSync(output)).digest("hex")).toBe(presentModels[model]);
	});
});

it("drawn text is not drawn again", async () => {
	cpSync(presentHome, home, { recursive: true });
	const runs = join(home, "runs", basename(presentRuns));
	const drawn = () =>
		readdirSync(runs)
			.filter((name) => name.endsWith(".windows.json"))
			.sort();
	const before = drawn();
	expect(before.length).toBeGreaterThan(0);
	const text = ["--windows", "3", "--window-length", "32", "--threads", "2"];
	const { code, stderr } = await run(fixturePath, "--remove", "3,6", "--dry-run", ...text);
	expect([code, stderr.includes("sampling")], stderr).toEqual([0, false]);
	expect(drawn()).toEqual(before);
});
