import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { evaluateModel } from "../../src/evaluation/perplexity.js";
import { perplexityTool } from "../helpers/fixture.js";
import { tempFolder } from "../helpers/temp-folder.js";

// Real models beside llama-perplexity. Eleven windows of 512 do not fill the last batch, where another ubatch cuts windows otherwise.

const root = fileURLToPath(new URL("../../", import.meta.url));
const shared = join(root, "..", "shared");
const book = join(shared, "text", "moby-dick.txt");
const models = [join(shared, "models", "SmolLM2-135M-Instruct.Q4_1.gguf"), join(root, ".cache", "gemma-3-270m.Q4_K_M.gguf")];

test.each(models)(
	"%s: equal to its printed digits",
	async (model) => {
		expect([book, model, perplexityTool].filter((path) => !existsSync(path))).toEqual([]);
		const folder = tempFolder();
		process.env.PRUNE_GGUF_HOME = join(folder, "home");
		const text = join(folder, "text.txt");
		writeFileSync(text, readFileSync(book).subarray(0, 24_000));
		const { stdout, stderr } = spawnSync(perplexityTool, ["-m", model, "-f", text, "-c", "512", "-t", "2"], { encoding: "utf8" });
		const [, value, error] = /Final estimate: PPL = ([\d.]+) \+\/- ([\d.]+)/.exec(stdout + stderr) ?? [];
		const result = await evaluateModel(model, { text, context: 512, threads: 2 });
		expect(result.windows % 4).toBe(3);
		expect([result.perplexity.toFixed(4), result.perplexityError.toFixed(5)]).toEqual([value, error]);
	},
	600_000,
);
