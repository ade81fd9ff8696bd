import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { measureQuestions } from "../../../src/model/evaluation/multiple-choice.js";
import { measureText } from "../../../src/model/evaluation/perplexity.js";
import { areWindowValues } from "../../../src/model/evaluation/text-figures.js";
import type { LogEvent } from "../../../src/model/runtime/job-options.js";
import { Model } from "../../../src/model/runtime/model.js";
import { fixturePath, fixtureWindows } from "../../helpers/fixture.js";
import { madeUpQuestions, writeQuestions } from "../../helpers/questions.js";
import { tempFolder } from "../../helpers/temp-folder.js";

// What an evaluation reads back from its cache is of the shape that it wrote.

const folder = tempFolder();
const [text, questions] = [join(folder, "text.txt"), join(folder, "questions.jsonl")];
beforeAll(async () => {
	await using model = await Model.load(fixturePath, { threads: 1 });
	writeFileSync(text, model.detokenize(fixtureWindows(2, 64).tokens, { special: false }));
	writeQuestions(questions, madeUpQuestions(model, 4));
});
let count = 0;
let home = "";
beforeEach(() => {
	home = process.env.PRUNE_GGUF_HOME = join(folder, `home-${count++}`);
});

const cache = () =>
	join(home, readdirSync(home, { recursive: true, encoding: "utf8" }).find((name) => name.endsWith(".evaluation.ledger.jsonl"))!);

/** Changes every line of the cache after its header. */
function change(values: (before: Record<string, number[]>) => object): void {
	const [header, ...lines] = readFileSync(cache(), "utf8").trimEnd().split("\n");
	const changed = lines.map((line) => {
		const { part, values: before } = JSON.parse(line) as { part: number; values: Record<string, number[]> };
		return JSON.stringify({ part, values: values(before) });
	});
	writeFileSync(cache(), `${[header, ...changed].join("\n")}\n`);
}

const byText = async (onLog?: (event: LogEvent) => void) => {
	const { loss, perplexity, perplexityError } = await measureText(fixturePath, { text, windowLength: 32, threads: 1, onLog });
	return { loss, perplexity, perplexityError };
};
const byQuestions = async () => (await measureQuestions(fixturePath, { questions, threads: 1 })).accuracy;

describe("a cached part of another shape", () => {
	it.each<[string, (before: Record<string, number[]>) => object]>([
		["without the sum of squares", ({ loss }) => ({ loss: loss!.slice(0, 1) })],
		["without values", () => ({})],
		["whose sum of squares is not finite", ({ loss }) => ({ loss: [loss![0], null] })],
	])("of a text, %s, is measured again", async (_, damage) => {
		const straight = await byText();
		change(damage);
		expect(await byText()).toEqual(straight);
		// What was measured again is kept, and found beside the line that does not count.
		const notes: string[] = [];
		expect(await byText(({ message }) => notes.push(message))).toEqual(straight);
		expect(notes.join()).toMatch(/cached from an earlier run/);
	});

	it("of questions is measured again", async () => {
		const straight = await byQuestions();
		change(({ logLikelihoods }) => ({ logLikelihoods: logLikelihoods!.slice(0, 2) }));
		expect(await byQuestions()).toEqual(straight);
		change(() => ({}));
		expect(await byQuestions()).toEqual(straight);
	});

	it("is what has a comparison, or not, as it was asked for", () => {
		const own = { loss: [1, 2] };
		const compared = { ...own, divergence: [0], agreement: [1] };
		expect([areWindowValues(own, false), areWindowValues(own, true), areWindowValues(compared, true)]).toEqual([true, false, true]);
		expect(areWindowValues({ ...compared, agreement: [] }, true)).toBe(false);
		// A model that broke down.
		expect(areWindowValues({ loss: [Number.NaN, Number.NaN] }, false)).toBe(true);
	});
});

describe("the cache of an evaluation by a later version", () => {
	it("is named with both versions and stays as it is, and the evaluation is done without it", async () => {
		const straight = await byText();
		const later = readFileSync(cache(), "utf8").replace('"version":1', '"version":2');
		writeFileSync(cache(), later);
		const warnings: string[] = [];
		expect(await byText(({ level, message }) => level === "warning" && warnings.push(message))).toEqual(straight);
		expect(warnings.join()).toMatch(/results are not cached: .*cache version 2, this program reads version 1\. Move the file away/);
		expect(readFileSync(cache(), "utf8")).toBe(later);
	});
});
