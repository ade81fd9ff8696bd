import { copyFileSync, existsSync, renameSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { applyPlan } from "../../src/jobs/apply.js";
import { chatFixture, fixturePath } from "../helpers/fixture.js";
import { tempFolder } from "../helpers/temp-folder.js";

// A file of the same weights takes the model's name: its losses give nothing away, only its state does.

const folder = tempFolder();
const other = join(folder, "other.gguf");
beforeAll(async () => {
	process.env.PRUNE_GGUF_HOME = join(folder, "home");
	await chatFixture(other);
});

let count = 0;
async function replacedAt(phase: string, quantize?: "Q8_0"): Promise<{ error: unknown; output: string; replaced: boolean }> {
	const [model, output] = [join(folder, `model-${count}.gguf`), join(folder, `out-${count++}.gguf`)];
	copyFileSync(fixturePath, model);
	let replaced = false;
	const onProgress = (event: { phase: string }) => {
		if (replaced || event.phase !== phase) return;
		replaced = true;
		copyFileSync(other, `${model}.other`);
		renameSync(`${model}.other`, model);
	};
	const options = { remove: [3, 6], threads: 1, onProgress, ...(quantize ? { quantize } : {}) };
	const error = await applyPlan(model, output, options).then(
		() => undefined,
		(cause: unknown) => cause,
	);
	return { error, output, replaced };
}

it.each([
	["loading the model", undefined],
	["writing the file", undefined],
	["verifying the written file", undefined],
	["writing the file", "Q8_0"],
] as const)("apply writes nothing if another file takes the model's name while %s (%s)", async (phase, quantize) => {
	const { error, output, replaced } = await replacedAt(phase, quantize);
	expect(replaced).toBe(true);
	expect(error).toMatchObject({
		name: "FileError",
		message: expect.stringMatching(/changed (since its header was read|while it was worked on)/),
	});
	expect(existsSync(output)).toBe(false);
});
