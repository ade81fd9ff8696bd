import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import type { EvaluateResult } from "../../src/api/index.js";
import { applyPlan } from "../../src/jobs/apply.js";
import { inspectModel } from "../../src/jobs/inspect.js";
import { measureQuestions } from "../../src/model/evaluation/multiple-choice.js";
import { measureText } from "../../src/model/evaluation/perplexity.js";
import { readQuestions } from "../../src/model/evaluation/questions.js";
import { QUANTIZE } from "../conformance/fixtures.js";
import { perplexityTool } from "../helpers/fixture.js";
import { writeHellaswag } from "../helpers/questions.js";
import { tempFolder } from "../helpers/temp-folder.js";

// Real models, original and pruned, compared with llama-perplexity. Eleven windows of 512 do not fill its last batch, and another ubatch
// would cut its windows differently.

const root = fileURLToPath(new URL("../../", import.meta.url));
const shared = join(root, "..", "shared");
const book = join(shared, "text", "moby-dick.txt");
const science = join(shared, "eval", "arc_easy.rc_0shot.jsonl.gz");
// `remove` are whole blocks, `cut` the same number of blocks' worth with half-block cuts.
const models = [
	{
		name: "SmolLM2-135M-Instruct",
		path: join(shared, "models", "SmolLM2-135M-Instruct.Q4_1.gguf"),
		remove: [12, 13, 14, 16, 17, 26],
		cut: [12.5, 13.5, 14.5, 17.5, 20, 26],
	},
	{ name: "gemma-3-270m", path: join(root, ".cache", "gemma-3-270m.Q4_K_M.gguf"), remove: [7, 8, 9], cut: [7.5, 8.5, 12.5] },
];
const tasks = 60;

function perplexityPrints(model: string, ...args: string[]): string {
	const { stdout, stderr } = spawnSync(perplexityTool, ["-m", model, ...args, "-t", "2"], { encoding: "utf8", maxBuffer: 2 ** 27 });
	return stdout + stderr;
}

/** The file of `model` in Q4_K_M, by llama.cpp's own program. */
function quantized(model: string): string {
	const output = `${model}.q4_k_m`;
	const { status, stderr } = spawnSync(QUANTIZE, ["--allow-requantize", model, output, "Q4_K_M", "2"], {
		encoding: "utf8",
		maxBuffer: 2 ** 27,
	});
	expect(status, stderr).toBe(0);
	return output;
}

const estimate = (printed: string) => /Final estimate: PPL = ([\d.]+) \+\/- ([\d.]+)/.exec(printed)?.slice(1);

/** Two sums of one window's terms in other orders may round to neighboring last digits. */
function expectPrinted({ perplexity, perplexityError }: EvaluateResult, [value, error]: (string | undefined)[]): void {
	expect(value).toMatch(/^\d+\.\d{4}$/);
	expect(Math.abs(perplexity - Number(value)), `${perplexity} and ${value}`).toBeLessThan(6e-5);
	expect(Math.abs(perplexityError - Number(error)), `${perplexityError} and ${error}`).toBeLessThan(6e-6);
}

describe.each(models)("$name", ({ path, remove, cut }) => {
	const folder = tempFolder();
	const text = join(folder, "text.txt");
	const pruned = join(folder, "pruned.gguf");
	const halves = join(folder, "halves.gguf");
	const files: Record<string, string> = { whole: path, pruned, "half-block cuts": halves };
	beforeAll(async () => {
		expect([book, science, path, perplexityTool].filter((file) => !existsSync(file))).toEqual([]);
		process.env.PRUNE_GGUF_HOME = join(folder, "home");
		writeFileSync(text, readFileSync(book).subarray(0, 24_000));
		await applyPlan(path, pruned, { remove });
		await applyPlan(path, halves, { remove: cut });
	});

	it.each(Object.keys(files))("%s: its perplexity is what is printed", async (which) => {
		const model = files[which]!;
		const [value, error] = estimate(perplexityPrints(model, "-f", text, "-c", "512")) ?? [];
		const result = await measureText(model, { text, windowLength: 512, threads: 2 });
		expect(result.windows % 4).toBe(3);
		expectPrinted(result, [value, error]);
		process.stdout.write(`${which}: ${value} +/- ${error}\n`);
	});

	it("half-block cuts in Q4_K_M: loaded and scored by both programs alike", async () => {
		const model = quantized(halves);
		const [value, error] = estimate(perplexityPrints(model, "-f", text, "-c", "512")) ?? [];
		const result = await measureText(model, { text, windowLength: 512, threads: 2 });
		expectPrinted(result, [value, error]);
		process.stdout.write(`half-block cuts in Q4_K_M: ${value} +/- ${error}\n`);
	});

	it("half-block cuts make a file of the parameters that as many whole blocks leave", async () => {
		const [whole, half] = await Promise.all([pruned, halves].map((file) => inspectModel(file)));
		expect(half!.parameters).toBe(whole!.parameters);
		expect(half!.blocks).toBe(whole!.blocks);
		const [bytes, others] = [pruned, halves].map((file) => statSync(file).size);
		// The text of what was removed is longer or shorter.
		expect(Math.abs(bytes! - others!)).toBeLessThan(1024);
		process.stdout.write(`bytes: ${bytes} by whole blocks, ${others} by half-block cuts\n`);
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
