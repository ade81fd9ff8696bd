import { createHash } from "node:crypto";
import { cpSync, readdirSync, readFileSync, renameSync } from "node:fs";
import { open } from "node:fs/promises";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import { contentOf, GgufFile, writeGguf } from "../../src/model/gguf/index.js";
import { fixturePath, mainPath, runNode } from "../helpers/fixture.js";
import { thorough } from "../helpers/slow.js";
import { v1Folder, v1Home, v1Models, v1Plans, v1Runs, v1Text } from "../helpers/version-1.js";
import { tempFolder } from "../helpers/temp-folder.js";

// Files of the previous version, given to the command line; they must keep working.

const folder = tempFolder();
const home = join(folder, "home");
const run = (...args: string[]) => runNode([mainPath, ...args], { env: { PRUNE_GGUF_HOME: home } });

/** Writes the file again without a key that the previous version did not write. */
async function leaveOut(key: string, path: string): Promise<void> {
	const content = contentOf(await GgufFile.read(path));
	const entries = content.entries.filter((entry) => entry.key !== key);
	expect(entries.length).toBe(content.entries.length - 1);
	const handle = await open(`${path}.without`, "w");
	await writeGguf(handle, { ...content, entries });
	await handle.close();
	renameSync(`${path}.without`, path);
}

describe("a plan", () => {
	// Healing takes as long as the others together.
	it.each(v1Plans.filter((name) => thorough || !name.startsWith("healed")))("%s gives the file that it gave", async (name) => {
		const { quantized, heal } = JSON.parse(v1Text(name));
		const model = name.replace(".plan.json", "");
		const output = join(folder, model);
		const quantize = quantized ? ["--quantize", quantized.type] : [];
		const { code, stderr } = await run("apply", fixturePath, output, "--plan", join(v1Folder, name), ...quantize);
		if (code !== 0) {
			// Another processor rounds otherwise, and so draws another text or fits other matrices: then no file is written.
			expect(stderr).toMatch(/is healed otherwise|does not draw the text again/);
			expect(heal.applied).toBe(true);
			return;
		}
		await leaveOut("prune_gguf.removed", output);
		expect(createHash("sha256").update(readFileSync(output)).digest("hex")).toBe(v1Models[model]);
	});
});

it("text that was drawn is not drawn again", async () => {
	cpSync(v1Home, home, { recursive: true });
	const runs = join(home, "runs", basename(v1Runs));
	const drawn = () =>
		readdirSync(runs)
			.filter((name) => name.endsWith(".windows.json"))
			.sort();
	const before = drawn();
	expect(before.length).toBeGreaterThan(0);
	// It began as half chats do now.
	const text = ["--self-text", "chats", "--windows", "3", "--window-length", "32", "--threads", "2"];
	const { code, stderr } = await run(fixturePath, "--remove", "3,6", "--dry-run", ...text);
	expect([code, stderr.includes("sampling")], stderr).toEqual([0, false]);
	expect(drawn()).toEqual(before);
});
