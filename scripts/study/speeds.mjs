// Prompt and generation speed of several models, in turns in one run, beside the first of them.
//   node scripts/study/speeds.mjs ORIGINAL.gguf A.gguf [B.gguf ...] --output OUT.json [--prompt 128,4096] [--generated 32] [--repetitions 6,3] [--threads N]
// One number of repetitions for each length of prompt. Ratios are medians over repetitions, since the models of one repetition run right after
// each other. OUT.json keeps the seconds of each repetition.
import { writeFileSync } from "node:fs";
import { basename } from "node:path";
import { parseArgs } from "node:util";
import { load, quantile, table } from "./lib.mjs";

const { Model } = await load("model/runtime/model.js");
const { runSpeed } = await load("model/runtime/speed.js");

const { values: given, positionals: paths } = parseArgs({
	allowPositionals: true,
	options: {
		output: { type: "string" },
		prompt: { type: "string", default: "128,4096" },
		generated: { type: "string", default: "32" },
		repetitions: { type: "string", default: "6,3" },
		threads: { type: "string" },
	},
});
if (paths.length < 2 || !given.output) throw new Error("give ORIGINAL.gguf, at least one other model, and --output");
const prompts = given.prompt.split(",").map(Number);
const repetitions = given.repetitions.split(",").map(Number);
if (prompts.length !== repetitions.length) throw new Error("--repetitions needs a number for each of --prompt");
const generatedTokens = Number(given.generated);

const sides = [];
for (const path of paths) sides.push({ model: await Model.load(path, { gpuLayers: 0 }) });
const threads = given.threads ? Number(given.threads) : sides[0].model.threads;
const kept = {};
for (const [i, promptTokens] of prompts.entries()) {
	// The context is as long as what runs, in whole cells of 256 tokens, so that attention reads no more than it would in use.
	const context = 256 * Math.ceil((promptTokens + generatedTokens) / 256);
	const figures = await runSpeed(sides, { promptTokens, generatedTokens, repetitions: repetitions[i], context, threads });
	kept[promptTokens] = figures.map(({ promptSeconds, generationSeconds, kvCache }, side) => ({
		path: paths[side],
		promptSeconds: Array.from(promptSeconds),
		generationSeconds: Array.from(generationSeconds),
		kvCache,
	}));
	writeFileSync(given.output, JSON.stringify({ threads, generatedTokens, speeds: kept }));
}
for (const { model } of sides) await model.dispose();

const median = (values) => quantile(values, 0.5);
const against = (seconds, original) => seconds.map((value, i) => original[i] / value);
const cell = (seconds, original, tokens) => `${(tokens / median(seconds)).toFixed(0)}, ${median(against(seconds, original)).toFixed(2)}`;
const rows = paths.map((path, side) => [
	basename(path),
	...prompts.flatMap((promptTokens) => {
		const [original, own] = [kept[promptTokens][0], kept[promptTokens][side]];
		return [
			cell(own.promptSeconds, original.promptSeconds, promptTokens),
			cell(own.generationSeconds, original.generationSeconds, generatedTokens),
		];
	}),
	`${(kept[prompts.at(-1)][side].kvCache / 1e6).toFixed(1)} MB`,
]);
const heads = prompts.flatMap((tokens) => [`prompt of ${tokens}`, `generation at ${tokens}`]);
process.stdout.write(`tokens/s, and the ratio to the first\n\n${table(["model", ...heads, "KV cache"], rows)}\n`);
