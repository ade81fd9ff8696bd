import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { applyPlan } from "../../../src/jobs/apply.js";
import { InvalidCandidateError, InvalidOptionError, InvalidQuestionsError } from "../../../src/errors.js";
import { batchChoices, packQuestions, scoreChoices, tokenizeQuestions } from "../../../src/model/evaluation/choices.js";
import type { TokenizedChoice } from "../../../src/model/evaluation/prepared-questions.js";
import { measureQuestions } from "../../../src/model/evaluation/multiple-choice.js";
import { Coalition } from "../../../src/game/coalition.js";
import { Random } from "../../../src/game/random.js";
import { Model } from "../../../src/model/runtime/model.js";
import { makeWindows } from "../../../src/model/runtime/windows.js";
import { hasTools, makeFixtures } from "../../conformance/fixtures.js";
import { fixturePath, fullSet, perplexityTool, removing } from "../../helpers/fixture.js";
import { madeUpQuestions, writeHellaswag, writeQuestions } from "../../helpers/questions.js";
import { tempFolder } from "../../helpers/temp-folder.js";

const folder = tempFolder();
const at = (name: string) => join(folder, name);
let model: Model;
beforeAll(async () => {
	process.env.PRUNE_GGUF_HOME = at("home");
	model = await Model.load(fixturePath, { threads: 2 });
});
afterAll(() => model.dispose());

const jsonl = (questions: ReturnType<typeof madeUpQuestions>) =>
	packQuestions(tokenizeQuestions(model, { questions, format: "jsonl", name: "q" }), "jsonl");

/** Log-likelihood of the tokens from `from` on, of this text alone in an evaluator that shares nothing. */
async function alone(of: Model, mask: Coalition, { tokens, from }: TokenizedChoice): Promise<number> {
	const [evaluation] = await of
		.createEvaluator({ sharePrefixes: false })
		.evaluate([mask], makeWindows(tokens, tokens.length), { perToken: true });
	return -evaluation!.tokenLosses!.subarray(from - 1).reduce((sum, loss) => sum + loss, 0);
}

describe("tokens of a choice", () => {
	it("are those that the whole text has beyond the query's", () => {
		const query = "The captain looked at the sea and";
		const { questions } = jsonl([{ query, choices: ["said nothing.", "laughed."], gold: 0 }]);
		const bos = model.facts.addBos ? [model.facts.bos!] : [];
		const plain = (text: string) => [...bos, ...model.tokenize(text, { addSpecial: false })];
		const [first] = questions[0]!.choices;
		expect([...first!.tokens]).toEqual(plain(`${query} said nothing.`));
		expect(first!.from).toBe(plain(query).length);
		expect(first!.length).toBe("said nothing.".length);
	});

	it("take over the blanks at the end of a query", () => {
		const of = (query: string) => jsonl([{ query, choices: ["blue", "red"], gold: 0 }]).questions[0]!.choices[0]!;
		expect(of("The sky is  ").from).toBe(of("The sky is").from);
		expect(model.detokenize(of("The sky is  ").tokens, { special: false })).toBe("The sky is   blue");
		expect(of("The sky is  ").length).toBe(4);
	});

	it("follow a start token where there is no query", () => {
		const [choice] = jsonl([{ query: "", choices: ["blue", "red"], gold: 0 }]).questions[0]!.choices;
		expect(choice!.from).toBe(1);
		expect(model.detokenize(choice!.tokens.subarray(1), { special: false })).toBe(" blue");
	});

	it("count characters, not their code units", () => {
		expect(jsonl([{ query: "An emoji:", choices: ["😀é", "b"], gold: 0 }]).questions[0]!.choices[0]!.length).toBe(2);
	});

	it("keep the end of what is longer than the context, and say so", async () => {
		const query = "the ship sailed on and on ".repeat(60);
		const prepared = jsonl([{ query, choices: ["slowly.", "fast."], gold: 0 }]);
		expect(prepared.truncated).toBe(2);
		const { tokens, from } = prepared.questions[0]!.choices[0]!;
		expect(tokens.length).toBe(model.facts.contextLength);
		expect(model.detokenize(tokens.subarray(from), { special: false })).toContain("slowly.");
		expect(Number.isFinite((await scoreChoices(model.createEvaluator(), [fullSet], prepared))[0]![0])).toBe(true);
	});

	it("must be there, and must fit", () => {
		expect(() => jsonl([{ query: "A", choices: ["word ".repeat(400), "b"], gold: 0 }])).toThrow(InvalidQuestionsError);
		const same = { query: "A man", choices: ["sits.", "sits."], gold: 0 };
		expect(() => tokenizeQuestions(model, { questions: [same], format: "hellaswag", name: "q" })).toThrow(
			/question 1: a choice adds no token/,
		);
	});
});

describe("padding", () => {
	const recurrent = () => makeFixtures("mamba", at("mamba"))[0]!;
	const texts = (of: Model): TokenizedChoice[] => {
		const random = new Random(3);
		return [9, 10, 12, 17, 23, 24].map((length) => ({
			tokens: Int32Array.from({ length }, () => Math.floor(random.uniform() * of.facts.vocabulary)),
			from: 4,
			length: 1,
			truncated: false,
		}));
	};

	it("takes as many choices as a file has", () => {
		const choice = { tokens: new Int32Array(8), from: 4, length: 1, truncated: false };
		const batches = batchChoices(new Array<typeof choice>(200_000).fill(choice));
		expect(batches.reduce((sum, { choices }) => sum + choices.length, 0)).toBe(200_000);
	});

	it.each([
		["a transformer", () => fixturePath, false],
		["a recurrent model", recurrent, true],
	] as const)("changes nothing for %s", async (_, path, needsTools) => {
		if (needsTools && !hasTools) return;
		const own = await Model.load(path(), { threads: 2 });
		try {
			const choices = texts(own);
			const batches = batchChoices(choices);
			expect(batches.some(({ windows, choices: members }) => members.some((i) => choices[i]!.tokens.length < windows.length))).toBe(true);
			const { blocks } = own.facts;
			const masks = [Coalition.full(blocks), Coalition.ofRemoved(blocks, [1, 3])];
			const questions = choices.map((choice) => ({ gold: 0, choices: [choice] }));
			const prepared = { questions, batches, normalization: "tokens" as const, tokens: 0, truncated: 0, sha256: "" };
			const sums = await scoreChoices(own.createEvaluator(), masks, prepared);
			for (const [m, mask] of masks.entries())
				for (const [i, choice] of choices.entries()) expect(sums[m]![i]).toBeCloseTo(await alone(own, mask, choice), 3);
			// Other padding, the same bits.
			const other = batches.map((batch) => {
				const tokens = batch.windows.tokens.slice();
				batch.choices.forEach((choice, row) => {
					tokens.fill(5, row * batch.windows.length + choices[choice]!.tokens.length, (row + 1) * batch.windows.length);
				});
				return { ...batch, windows: makeWindows(tokens, batch.windows.length) };
			});
			expect(await scoreChoices(own.createEvaluator(), masks, { ...prepared, batches: other })).toEqual(sums);
		} finally {
			await own.dispose();
		}
	});
});

describe("scores", () => {
	it("are the sums of each text by itself, alone or in a batch of masks", async () => {
		const prepared = jsonl(madeUpQuestions(model, 8));
		const masks = [fullSet, removing(3), removing(3, 6)];
		const seen: number[] = [];
		const batch = await scoreChoices(model.createEvaluator(), masks, prepared, { onProgress: (tokens) => seen.push(tokens) });
		expect(seen.at(-1)).toBe(3 * prepared.tokens);
		for (const [i, mask] of masks.entries()) {
			expect(await scoreChoices(model.createEvaluator(), [mask], prepared)).toEqual([batch[i]]);
			const flat = prepared.questions.flatMap(({ choices }) => choices);
			for (const c of [0, 5, 31]) expect(batch[i]![c]).toBeCloseTo(await alone(model, mask, flat[c]!), 3);
		}
		// Padding wastes little.
		const used = prepared.questions.flatMap(({ choices }) => choices).reduce((sum, { tokens }) => sum + tokens.length, 0);
		expect(prepared.tokens).toBeLessThan(1.15 * used);
	});
});

describe("measureQuestions", () => {
	it("compares a mask with the original model, and gives what the file without these blocks gives", async () => {
		const path = writeQuestions(at("q.jsonl"), madeUpQuestions(model, 40));
		const masked = await measureQuestions(fixturePath, { questions: path, remove: [9, 3, 6, 3], threads: 2 });
		expect(masked).toMatchObject({ removed: [3, 6, 9], count: 40, format: "jsonl", normalization: "characters", truncated: 0 });
		const pruned = at("pruned.gguf");
		await applyPlan(fixturePath, pruned, { remove: [3, 6, 9] });
		const file = await measureQuestions(pruned, { questions: path, against: fixturePath, threads: 2 });
		expect(file.answers).toEqual(masked.answers);
		expect(file.against).toMatchObject({ ...masked.against, model: fixturePath });
		const { value, gained, lost } = masked.against!.difference;
		expect(value).toBeCloseTo((gained - lost) / 40, 12);
		expect(masked.accuracy.value - masked.against!.accuracy.value).toBeCloseTo(value, 12);
		expect((await measureQuestions(fixturePath, { questions: path, maxQuestions: 5 })).answers).toEqual(
			(await measureQuestions(fixturePath, { questions: path })).answers.slice(0, 5),
		);
	});

	it("refuses what it cannot answer", async () => {
		const path = writeQuestions(at("few.jsonl"), madeUpQuestions(model, 2));
		await expect(measureQuestions(fixturePath, { questions: path, maxQuestions: 0 })).rejects.toThrow(InvalidOptionError);
		await expect(measureQuestions(fixturePath, { questions: path, remove: [12] })).rejects.toThrow(InvalidCandidateError);
		await expect(measureQuestions(fixturePath, { questions: path, signal: AbortSignal.abort(new Error("mine")) })).rejects.toThrow("mine");
	});

	it.skipIf(!existsSync(perplexityTool)).each([1, 2])("gives what llama-perplexity --hellaswag prints, seed %i", async (seed) => {
		const path = writeHellaswag(at(`hellaswag-${seed}.txt`), madeUpQuestions(model, 60, 4, seed));
		const args = ["-m", fixturePath, "-f", path, "--hellaswag", "--hellaswag-tasks", "60", "--threads", "2"];
		const { stdout, stderr } = spawnSync(perplexityTool, args, { encoding: "utf8" });
		const last = [...(stdout + stderr).matchAll(/^(\d+)\t([\d.]+)%/gm)].at(-1);
		expect(last?.[1], stdout + stderr).toBe("60");
		const result = await measureQuestions(fixturePath, { questions: path, threads: 2 });
		expect(result).toMatchObject({ format: "hellaswag", normalization: "tokens", count: 60 });
		expect((100 * result.normalizedAccuracy.value).toFixed(8)).toBe(last?.[2]);
	});
});
