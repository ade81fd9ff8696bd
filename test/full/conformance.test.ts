import { appendFileSync, existsSync, readFileSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { ARCHITECTURES } from "../../src/model/architectures/index.js";
import { type Examined, type ExamineOptions, examine } from "../conformance/examine.js";
import { hasTools, makeFixtures, QUANTIZE } from "../conformance/fixtures.js";
import { faultsOf, isRecording, record } from "../conformance/record.js";
import { LONG } from "../conformance/long-models.js";
import { FIXTURE_TOOL, makeOwnModel } from "../conformance/own-fixtures.js";
import { OWN_MODELS } from "../conformance/own-models.js";
import { rewrite } from "../conformance/rewrite.js";
import { halfSets } from "../conformance/sets.js";
import { makeTraps } from "../conformance/traps.js";
import { tempFolder } from "../helpers/temp-folder.js";

// Every architecture that llama.cpp's generator or ours can make: zeroed original, layer view and written file agree bit for bit,
// for every set that is not refused, and readers that are not ours find the written file as it should be. CONFORMANCE_ONLY (a regular expression of names) runs a part; CONFORMANCE_RECORD=1 puts what was
// measured, llama-quantize beside it, into docs/research/conformance.json and docs/research/conformance.md. CONFORMANCE_HALVES=1 compares
// only half-block cuts, and only written files with zeroed originals, which is quick and is not recorded. CONFORMANCE_LOG=FILE keeps each
// model's result as soon as it is there, and takes those that the file has already: a run that was ended goes on.

// Two at a time (maxConcurrency): a separate process computes each.
const folder = tempFolder();
const only = new RegExp(process.env.CONFORMANCE_ONLY ?? "");
const recording = isRecording(process.env);
const onlyTraps = process.env.CONFORMANCE_TRAPS === "1";
const onlyHalves: Partial<ExamineOptions> = process.env.CONFORMANCE_HALVES === "1" ? { sets: halfSets, views: false } : {};
const log = process.env.CONFORMANCE_LOG;
const results = new Map<string, Examined>();
const logged = new Map<string, Examined>(log !== undefined && existsSync(log) ? readLog(log) : []);

function readLog(path: string): [string, Examined][] {
	const lines = readFileSync(path, "utf8").split("\n").filter(Boolean);
	return lines.map((line) => {
		const { name, ...examined } = JSON.parse(line) as Examined & { name: string };
		return [name, examined];
	});
}

async function conforms(model: string, options: Partial<ExamineOptions> = {}, name = basename(model, ".gguf")): Promise<void> {
	const examined = logged.get(name) ?? (await measured(model, options, name));
	results.set(name, examined);
	expect(faultsOf(examined)).toEqual([]);
}

async function measured(model: string, options: Partial<ExamineOptions>, name: string): Promise<Examined> {
	const examined = await examine(model, {
		folder: join(folder, `work-${name.replaceAll(" ", "-")}`),
		quantize: recording ? QUANTIZE : undefined,
		reader: FIXTURE_TOOL,
		...options,
		...onlyHalves,
	});
	if (log !== undefined) appendFileSync(log, `${JSON.stringify({ name, ...examined })}\n`);
	return examined;
}

describe.skipIf(!hasTools)("conformance", () => {
	test.concurrent.each([...ARCHITECTURES.keys()].filter((name) => only.test(name) && !onlyTraps))("%s", async (architecture) => {
		for (const model of makeFixtures(architecture, join(folder, architecture))) await conforms(model);
		rmSync(join(folder, architecture), { recursive: true, force: true });
	});

	test.concurrent.each(OWN_MODELS.filter(({ name }) => only.test(name)))("made here: $name", async (model) => {
		await conforms(await makeOwnModel(model, join(folder, model.name)), model.options, `own ${model.name}`);
		rmSync(join(folder, model.name), { recursive: true, force: true });
	});

	test.concurrent.each(makeTraps().filter(({ name }) => only.test(name)))("trap: $name", async ({ name, make, options }) => {
		await conforms(await make(join(folder, name)), options, `trap ${name}`);
		rmSync(join(folder, name), { recursive: true, force: true });
	});

	test.each(LONG.filter(({ name }) => only.test(name)))("$name: the prompt reaches beyond the window", async (model) => {
		const source = await makeOwnModel(model, join(folder, "long"));
		// Another block is the full one, which shows only with long prompts.
		const pattern = ["array", Array.from({ length: 8 }, (_, block) => block % 4 !== 2), "bool"] as const;
		const other = await rewrite(source, join(folder, "long", "other.gguf"), { keys: { "attention.sliding_window_pattern": pattern } });
		const lossOf = async (path: string, length: number) =>
			(await examine(path, { folder: join(folder, "work-long"), sets: () => [], windows: 1, length })).loss;
		expect(await lossOf(other, 128)).toBe(await lossOf(source, 128));
		const length = model.options!.length!;
		expect(await lossOf(other, length)).not.toBe(await lossOf(source, length));
		rmSync(join(folder, "long"), { recursive: true, force: true });
	});

	afterAll(() => {
		if (recording) record(results);
	});
});
