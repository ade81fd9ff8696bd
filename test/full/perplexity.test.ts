import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { applyPlan } from "../../src/jobs/apply.js";
import { measureQuestions } from "../../src/model/evaluation/multiple-choice.js";
import { measureText } from "../../src/model/evaluation/perplexity.js";
import { readQuestions } from "../../src/model/evaluation/questions.js";
import { perplexityTool } from "../helpers/fixture.js";
import { writeHellaswag } from "../helpers/questions.js";
import { tempFolder } from "../helpers/temp-folder.js";

// Real models, original and pruned, compared with llama-perplexity. Eleven windows of 512 do not fill its last batch, and another ubatch
// would cut its windows differently.

const root = fileURLToPath(new URL("../../", import.meta.url));
const shared = join(root, "..", "shared");
const book = join(shared, "text", "moby-dick.txt");
const science = join(shared, "eval", "arc_easy.rc_0shot.jsonl.gz");
const models = [
	{ name: "SmolLM2-135M-Instruct", path: join(shared, "models", "SmolLM2-135M-Instruct.Q4_1.gguf"), remove: [12, 13, 14, 16, 17, 26] },
	{ name: "gemma-3-270m", path: join(root, ".cache", "gemma-3-270m.Q4_K_M.gguf"), remove: [7, 8, 9] },
];
const tasks = 60;

function perplexityPrints(model: string, ...args: string[]): string {
	const { stdout, stderr } = spawnSync(perplexityTool, ["-m", model, ...args, "-t", "2"], { encoding: "utf8", maxBuffer: 2 ** 27 });
	return stdout + stderr;
}

describe.each(models)("$name", ({ path, remove }) => {
	const folder = tempFolder();
	const text = join(folder, "text.txt");
	const pruned = join(folder, "pruned.gguf");
	beforeAll(async () => {
		expect([book, science, path, perplexityTool].filter((file) => !existsSync(file))).toEqual([]);
		process.env.PRUNE_GGUF_HOME = join(folder, "home");
		writeFileSync(text, readFileSync(book).subarray(0, 24_000));
		await applyPlan(path, pruned, { remove });
	});

	it.each(["whole", "pruned"])("%s: its perplexity is equal to the printed digits", async (which) => {
		const model = which === "whole" ? path : pruned;
		const printed = perplexityPrints(model, "-f", text, "-c", "512");
		const [, value, error] = /Final estimate: PPL = ([\d.]+) \+\/- ([\d.]+)/.exec(printed) ?? [];
		const result = await measureText(model, { text, windowLength: 512, threads: 2 });
		expect(result.windows % 4).toBe(3);
		expect([result.perplexity.toFixed(4), result.perplexityError.toFixed(5)]).toEqual([value, error]);
		process.stdout.write(`${which}: ${value} +/- ${error}\n`);
	});

	it.each(["whole", "pruned"])("%s: its accuracy in the HellaSwag format is what is printed", async (which) => {
		const model = which === "whole" ? path : pruned;
		// The format has four endings, and a line for each part.
		const line = (part: string) => part.replace(/\s+/g, " ").trim();
		const all = (await readQuestions(science)).questions.filter(({ choices }) => choices.length === 4);
		const few = all.slice(0, tasks).map(({ query, choices, gold }) => ({ query: line(query), choices: choices.map(line), gold }));
		const questions = writeHellaswag(join(folder, `${which}.txt`), few);
		const printed = perplexityPrints(model, "-f", questions, "--hellaswag", "--hellaswag-tasks", `${tasks}`);
		const last = [...printed.matchAll(/^(\d+)\t([\d.]+)%/gm)].at(-1);
		expect(last?.[1], printed).toBe(`${tasks}`);
		const result = await measureQuestions(model, { questions, threads: 2 });
		expect((100 * result.normalizedAccuracy.value).toFixed(8)).toBe(last?.[2]);
		process.stdout.write(`${which}: ${last?.[2]} %\n`);
	});
});
