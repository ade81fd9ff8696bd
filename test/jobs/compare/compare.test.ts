import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { ComparedMethod, CompareOptions, CompareResult, LogEvent } from "../../../src/api/index.js";
import { compareMethods } from "../../../src/jobs/compare/compare.js";
import { comparisonOf } from "../../../src/jobs/compare/options.js";
import { CalibrationError, InvalidOptionError, InvalidQuestionsError, OutputExistsError } from "../../../src/errors.js";
import { measureQuestions } from "../../../src/model/evaluation/multiple-choice.js";
import { readModelHeader } from "../../../src/pipeline/preflight/model-header.js";
import { isWhole } from "../../../src/game/parts.js";
import { methods } from "../../../src/api/methods.js";
import { Model } from "../../../src/model/runtime/model.js";
import { fixturePath } from "../../helpers/fixture.js";
import { ownHomes, small as smallSplits } from "../../helpers/home.js";
import { madeUpQuestions, writeQuestions } from "../../helpers/questions.js";
import { blocksAsText } from "../../../src/notation.js";
import { thorough } from "../../helpers/slow.js";

const { folder, fresh, newHome } = ownHomes();
const small = { ...smallSplits, search: { workingWeights: "own", maxEvaluations: 60 }, removeBlocks: [2, 4] } satisfies CompareOptions;

const outOfBudget = (note: string) => note.includes("did not fit into the budget");

function text(name: string, sentence: string): string {
	const path = join(folder, name);
	writeFileSync(path, `${sentence} `.repeat(60));
	return path;
}
const storm = () => text("storm.txt", "It was a dark and stormy night, and the rain fell in torrents upon the roofs of the town.");
const whale = () => text("whale.txt", "The captain stood at the rail and looked for the white whale, and said nothing to any man.");

const questions = () => join(folder, "questions.jsonl");
beforeAll(async () => {
	const model = await Model.load(fixturePath, { threads: 2 });
	writeQuestions(questions(), madeUpQuestions(model, 28, 3));
	await model.dispose();
});

describe("compareMethods", () => {
	it.runIf(thorough)("compares every method there is at equal budgets", async () => {
		const result = await compareMethods(fixturePath, { ...small, methods, search: { ...small.search, maxEvaluations: 100 } });
		expect(result.budget).toEqual({ evaluations: 100, tokens: 100 * 3 * 32 });
		expect(result.texts).toMatchObject([{ name: expect.stringContaining("held-out split"), windows: 5, length: 32 }]);
		expect(result.methods.map(({ method }) => method)).toEqual(methods);
		for (const { method, cost } of result.methods) {
			expect(cost.evaluations, method).toBeLessThanOrEqual(100);
			expect(cost.evaluations, method).toBeGreaterThan(0);
			expect(cost.tokens, method).toBeGreaterThanOrEqual(cost.evaluations * 96);
			expect(cost.blockExecutions, method).toBeGreaterThan(cost.evaluations);
			expect(cost.blockExecutions, method).toBeLessThanOrEqual(cost.evaluations * 12 + 12);
			expect(cost.seconds, method).toBeGreaterThan(0);
		}
		const judged = new Map(result.methods.map(({ method, surrogate }) => [method, surrogate]));
		expect(judged.get("auto")).toMatchObject({ name: "mixed-gp", r2: expect.any(Number), details: { coverage90: expect.any(Number) } });
		expect(judged.get("paper-repaired")).toMatchObject({ name: "mlp", spearman: expect.any(Number) });
		expect(judged.get("greedy")).toBeUndefined();
		const stopped = new Set(result.methods.filter(({ notes }) => notes.some(outOfBudget)).map(({ method }) => method));
		expect(result.sizes.map(({ removed }) => removed)).toEqual([2, 4]);
		for (const { removed, best, rows } of result.sizes) {
			expect(rows.map(({ method }) => method)).toEqual(methods);
			for (const row of rows) {
				// A method whose next batch did not fit into this budget may lack a set of a size: the next test says which.
				if (!stopped.has(row.method)) expect(row.removed?.length, row.method).toBe(removed);
				expect(row.added.length).toBe(1);
			}
			const top = rows.find(({ method }) => method === best)!;
			expect(top.withinBest).toBe(true);
			expect(rows.every(({ mean }) => mean.mean === null || mean.mean >= top.mean.mean!)).toBe(true);
			// Methods that found the same set have the same figures.
			const bySet = new Map(rows.map((row) => [row.removed?.join(), row]));
			for (const row of rows) expect(row.mean).toEqual(bySet.get(row.removed?.join())!.mean);
		}
		const setOf = (method: string) => result.sizes[1]!.rows.find((row) => row.method === method)!.removed;
		expect(setOf("first")).toEqual([0, 1, 2, 3]);
		expect(setOf("last")).toEqual([7, 8, 9, 10]);
		for (const method of ["contiguous", "angular"]) {
			const run = setOf(method)!;
			expect(run.at(-1)! - run[0]!).toBe(3);
		}
		const costOf = (method: string) => result.methods.find((entry) => entry.method === method)!.cost;
		expect(costOf("first")).toMatchObject({ evaluations: 3, tokens: 3 * 96 });
		expect(costOf("block-influence")).toMatchObject({ evaluations: 3, tokens: 4 * 96 });
	});

	it.runIf(thorough)("gives a method that runs out of budget only the sets that it measured itself", async () => {
		const tight = { ...small, removeBlocks: [1, 2, 6], search: { ...small.search, maxEvaluations: 70 } } satisfies CompareOptions;
		const setsOf = ({ sizes }: CompareResult, method: ComparedMethod) =>
			sizes.map(({ rows }) => rows.find((row) => row.method === method)!.removed);
		const together = await compareMethods(fixturePath, { ...tight, methods });
		const stopped = together.methods.filter(({ notes }) => notes.some(outOfBudget)).map(({ method }) => method);
		expect(stopped).toContain("beam");
		for (const method of stopped) {
			newHome();
			const alone = await compareMethods(fixturePath, { ...tight, methods: [method] });
			expect(setsOf(together, method), method).toEqual(setsOf(alone, method));
		}
	});

	it("charges a method what it would need alone, in any order; nothing is measured twice", async () => {
		const alone = await compareMethods(fixturePath, { ...small, methods: ["leave-one-out"] });
		const notes: LogEvent[] = [];
		const after = await compareMethods(fixturePath, {
			...small,
			methods: ["greedy", "leave-one-out"],
			onLog: (event) => notes.push(event),
		});
		const cost = (result: typeof after) => result.methods.find(({ method }) => method === "leave-one-out")!.cost;
		expect({ ...cost(after), seconds: 0 }).toEqual({ ...cost(alone), seconds: 0 });
		expect(cost(alone).evaluations).toBe(1 + 12 + 3);
		expect(notes.some(({ message }) => /candidates are cached/.test(message))).toBe(true);
		const masksMeasured: string[] = [];
		const again = await compareMethods(fixturePath, {
			...small,
			methods: ["greedy", "leave-one-out"],
			onProgress: ({ name, phase, unit }) => unit === "candidates" && phase !== name && masksMeasured.push(phase),
		});
		expect(masksMeasured).toEqual([]);
		expect(again.sizes).toEqual(after.sizes);
	});

	it("holds methods with half-block cuts beside those of whole blocks, at equal budgets", async () => {
		const alone = await compareMethods(fixturePath, { ...small, methods: ["greedy"] });
		newHome();
		const names = ["greedy:half-block", "greedy", "auto:half-block", "contiguous:half-block"] as const;
		const result = await compareMethods(fixturePath, { ...small, methods: names });
		expect(result.methods.map(({ method }) => method)).toEqual(names);
		for (const { method, cost, notes } of result.methods) {
			expect(cost.evaluations, method).toBeLessThanOrEqual(60);
			expect(
				notes.filter((note) => !outOfBudget(note)),
				method,
			).toEqual([]);
		}
		const rowsOf = (method: ComparedMethod) => result.sizes.map(({ rows }) => rows.find((row) => row.method === method)!);
		// Whole blocks stay as they are, although cuts of all kinds were measured before.
		const figures = ({ method, removed, added, mean }: CompareResult["sizes"][number]["rows"][number]) => ({
			method,
			removed,
			added,
			mean,
		});
		expect(rowsOf("greedy").map(figures)).toEqual(alone.sizes.map(({ rows }) => figures(rows[0]!)));
		expect(rowsOf("greedy").every(({ removed }) => isWhole(removed!))).toBe(true);
		const half = names.filter((name) => name !== "greedy").flatMap(rowsOf);
		expect(half.map(({ removed }) => removed!.length)).toEqual([2, 4, 2, 4, 2, 4]);
		// Which of them win depends on the text, which another processor draws otherwise.
		for (const cut of half.filter(({ removed }) => !isWhole(removed!))) expect(cut.mean.standardError).toBeGreaterThan(0);
		const costOf = (name: string) => result.methods.find(({ method }) => method === name)!.cost.evaluations;
		expect(costOf("greedy:half-block")).toBeGreaterThan(costOf("greedy"));
	});

	it("refuses half-block cuts of methods that remove whole blocks, and of architectures without them", async () => {
		const { blocks } = await readModelHeader(fixturePath, {});
		const named = (...methods: string[]) => ({ methods: methods as ComparedMethod[], removeBlocks: [2] });
		expect(() => comparisonOf(blocks, named("paper:half-block"))).toThrow(
			/^paper:half-block is no method; known are auto, .* auto:half-block, /,
		);
		expect(() => comparisonOf(blocks, named("greedy:block"))).toThrow(/^greedy:block is no method/);
		expect(() => comparisonOf(blocks, named("auto:attention"))).toThrow(/^auto:attention is no method: .* --remove-attention N/);
		expect(() => comparisonOf(blocks, named("swap:half-block", "swap", "swap:half-block"))).toThrow("swap:half-block is named twice");
		expect(() => comparisonOf(blocks, { ...named("swap:half-block"), maxEvaluations: 39 })).toThrow(
			/^swap:half-block needs at least 40 evaluations/,
		);
		const whole = { ...blocks, parts: { allowed: false, reason: "they run side by side" } as const };
		expect(() => comparisonOf(whole, named("greedy", "greedy:half-block"))).toThrow(
			/half-block cannot be used with .* they run side by side/,
		);
		expect(comparisonOf(whole, named("greedy")).methods).toEqual(["greedy"]);
	});

	it.runIf(thorough)("scores accuracy beside the losses, as evaluate does", async () => {
		const result = await compareMethods(fixturePath, { ...small, methods: ["greedy", "first"], evalQuestions: [questions()] });
		expect(result).toMatchObject({ metric: "loss", questions: [{ name: "questions.jsonl", count: 28, format: "jsonl" }] });
		const { rows } = result.sizes[0]!;
		for (const { removed, accuracy, added } of rows) {
			expect(added[0]!.mean).toBeGreaterThan(0);
			const { against, ...alone } = await measureQuestions(fixturePath, { questions: questions(), remove: [...removed!], threads: 2 });
			expect(accuracy[0]).toMatchObject({
				...{ accuracy: alone.accuracy, normalizedAccuracy: alone.normalizedAccuracy },
				...{ difference: against!.difference, normalizedDifference: against!.normalizedDifference },
			});
			expect(accuracy[0]!.goldLoss).toBeCloseTo(alone.goldLoss, 4);
			expect(result.questions[0]!.accuracy).toEqual(against!.accuracy);
		}
		expect(rows.some(({ accuracy }) => accuracy[0]!.withinBest)).toBe(true);
	});

	it.runIf(thorough)("searches by questions, and scores text and the held-out questions", async () => {
		const options = { ...small, methods: ["greedy", "leave-one-out"], metric: "accuracy", questions: questions() } as const;
		const result = await compareMethods(fixturePath, options);
		expect(result).toMatchObject({
			metric: "accuracy",
			search: { name: "questions.jsonl", count: 8 },
			questions: [{ name: "held-out split of questions.jsonl", count: 12 }],
			texts: [{ windows: 5 }],
		});
		const perMask = result.budget.tokens / result.budget.evaluations;
		expect(perMask).not.toBe(3 * 32);
		for (const { cost } of result.methods) expect(cost.tokens).toBe(cost.evaluations * perMask);
		expect(result.sizes.flatMap(({ rows }) => rows.map(({ accuracy }) => accuracy.length))).toEqual([1, 1, 1, 1]);
		// The original model's loss on the text, not on the questions.
		expect(result.texts[0]!.loss).toBeGreaterThan(2);
		await expect(compareMethods(fixturePath, { ...options, evalQuestions: [questions()] })).rejects.toThrow(/is searched by/);
	});

	it("searches by the divergence, and scores the loss", async () => {
		const of = async (metric: "kl" | "loss") => {
			const searched: string[] = [];
			const onProgress: CompareOptions["onProgress"] = ({ phase, unit }) => {
				if (unit === "candidates" && phase === "leave-one-out") searched.push(phase);
			};
			const methods = ["greedy", "last"] as const;
			return { ...(await compareMethods(fixturePath, { ...small, methods, metric: metric, onProgress })), searched };
		};
		const [loss, kl, again] = [await of("loss"), await of("kl"), await of("kl")];
		expect(kl.metric).toBe("kl");
		// The model's own text is searched by the divergence for both, and its candidates are known by now.
		expect(loss.searched.length).toBeGreaterThan(0);
		expect([kl.searched, again.searched]).toEqual([[], []]);
		expect(kl.texts).toEqual(loss.texts);
		const last = ({ sizes }: typeof kl) => sizes.map(({ rows }) => rows.find(({ method }) => method === "last")!.added);
		expect(last(kl)).toEqual(last(loss));
	});

	it("takes a budget of tokens for what the questions need, which only they know", async () => {
		const { blocks } = await readModelHeader(fixturePath, {});
		const of = (tokens?: number) =>
			comparisonOf(blocks, { metric: "accuracy", questions: "q.jsonl", maxTokens: 2000, methods: ["greedy"], removeBlocks: [2] }, tokens);
		expect(of().limit).toBe(312);
		expect(of(20).limit).toBe(100);
		expect(() => of(200)).toThrow(/may spend 10:/);
		expect(() => comparisonOf(blocks, { maxTokens: 2000, methods: ["greedy"], removeBlocks: [2] })).toThrow(/may spend 1:/);
	});

	it("scores on the texts that are given, and writes the result", async () => {
		const output = `${fresh("result")}.json`;
		const result = await compareMethods(fixturePath, {
			...small,
			methods: ["greedy", "last"],
			eval: [storm(), whale()],
			evalWindows: 3,
			evalWindowLength: 48,
			saveResult: output,
		});
		expect(result.texts.map(({ name, windows, length }) => [name, windows, length])).toEqual([
			["storm.txt", 3, 48],
			["whale.txt", 3, 48],
		]);
		for (const { added, mean } of result.sizes[0]!.rows) {
			expect(mean.mean).toBeCloseTo((added[0]!.mean! + added[1]!.mean!) / 2, 12);
			expect(added.every(({ standardError }) => standardError! > 0)).toBe(true);
		}
		expect(JSON.parse(readFileSync(output, "utf8"))).toEqual(JSON.parse(JSON.stringify(result, blocksAsText)));
		await expect(compareMethods(fixturePath, { ...small, saveResult: output })).rejects.toThrow(OutputExistsError);
	});

	it("keeps what a method had found when its budget ended", async () => {
		const {
			methods: [entry],
			sizes,
		} = await compareMethods(fixturePath, {
			...small,
			removeBlocks: [1, 2, 6],
			methods: ["beam"],
			search: { ...small.search, maxEvaluations: 60 },
		});
		expect(entry!.notes.join()).toMatch(/did not fit into the budget/);
		expect(sizes.map(({ rows }) => rows[0]!.removed?.length)).toEqual([1, 2, undefined]);
		expect(sizes[2]!.best).toBeNull();
	});

	it("races half-block cuts against whole blocks also where the budget of their search ended", async () => {
		// A seed with which the best cut is near the best block.
		const search = { ...small.search, maxEvaluations: 42, seed: 1 };
		const { methods, sizes } = await compareMethods(fixturePath, {
			...small,
			removeBlocks: [1, 6],
			methods: ["greedy:half-block"],
			search,
		});
		const [{ notes, cost }] = methods as [CompareResult["methods"][number]];
		const stopped = Number(/stopped after (\d+) candidates/.exec(notes.join())![1]);
		// The original model, the best cut and the best block, on the validation split.
		expect(cost.evaluations).toBeGreaterThanOrEqual(stopped + 3);
		expect(cost.evaluations).toBeLessThanOrEqual(42);
		expect(sizes.map(({ rows }) => rows[0]!.removed?.length)).toEqual([1, undefined]);
	});

	it("stops when told to, says what the methods have found, and goes on from there", async () => {
		const stop = new AbortController();
		const notes: string[] = [];
		let before: number | undefined;
		const run = compareMethods(fixturePath, {
			...small,
			methods: ["leave-one-out", "random"],
			signal: stop.signal,
			onLog: ({ message }) => notes.push(message),
			onProgress: ({ phase, done }) => {
				if (!phase.startsWith("random")) return;
				before ??= done;
				if (done > before + 3) stop.abort();
			},
		});
		await expect(run).rejects.toThrow(/abort/);
		expect(notes.find((message) => message.startsWith("Best candidates so far"))).toMatch(/^ {2}4: [\d, -]+ \([+-]0\.\d{3}\)$/m);
		const result = await compareMethods(fixturePath, { ...small, methods: ["random"] });
		expect(result.methods[0]!.cost.evaluations).toBe(60);
	});

	it.runIf(thorough)("takes the usual sizes and methods by default", async () => {
		const { methods: compared, sizes } = await compareMethods(fixturePath, {
			...small,
			removeBlocks: undefined,
			search: { ...small.search, maxEvaluations: 60 },
		});
		expect(sizes.map(({ removed }) => removed)).toEqual([1, 2, 4]);
		expect(compared.length).toBe(9);
	});

	it.each<[CompareOptions, RegExp]>([
		[{ methods: [] }, /no method/],
		[{ methods: ["greedy", "greedy"] }, /named twice/],
		[{ methods: ["wanda" as "greedy"] }, /wanda is no method; known are auto/],
		[{ removeBlocks: [12] }, /12 blocks cannot be removed/],
		[{ removeBlocks: [] }, /list is empty/],
		[{ removeBlocks: [2.5] }, /whole number/],
		[{ removeBlocks: ["150%"] }, /between 0 and 1/],
		[{ removeBlocks: ["a quarter" as "25%"] }, /a share of them such as/],
		[{ search: { maxEvaluations: 20 }, methods: ["paper-repaired"] }, /paper-repaired needs at least 36 evaluations .* may spend 20/],
		[
			{ search: { maxTokens: 96 * 5 }, windows: 3, windowLength: 32, methods: ["greedy"] },
			/greedy needs at least 17 evaluations .* may spend 5/,
		],
		[{ search: { maxEvaluations: 0 } }, /maxEvaluations must be/],
		[{ evalWindows: 5 }, /cut the texts of eval/],
		[{ metric: "accuracy" }, /needs questions/],
		[{ questions: "q.jsonl" }, /belongs to --metric accuracy/],
	])("%j is a mistake", async (options, message) => {
		const run = compareMethods(fixturePath, { ...options });
		await expect(run).rejects.toThrow(InvalidOptionError);
		await expect(run).rejects.toThrow(message);
	});

	it("distinguishes texts of one name in several folders", async () => {
		mkdirSync(join(folder, "more"), { recursive: true });
		const paths = [storm(), join(folder, "more", "storm.txt")];
		writeFileSync(paths[1]!, readFileSync(whale(), "utf8"));
		const { texts } = await compareMethods(fixturePath, {
			...small,
			methods: ["first"],
			eval: paths,
			evalWindows: 4,
			evalWindowLength: 32,
		});
		expect(texts.map(({ name }) => name)).toEqual(paths);
	});

	it("refuses texts that are searched, or too short", async () => {
		const path = storm();
		await expect(compareMethods(fixturePath, { ...small, calibration: [path], eval: [path] })).rejects.toThrow(/calibration file too/);
		await expect(compareMethods(fixturePath, { ...small, eval: [path, path] })).rejects.toThrow(/named twice/);
		await expect(compareMethods(fixturePath, { ...small, eval: [path], evalWindowLength: 4096 })).rejects.toThrow(/context of 256/);
		await expect(compareMethods(fixturePath, { ...small, eval: [path], evalWindows: 500 })).rejects.toThrow(CalibrationError);
		const asked = [questions(), questions()];
		await expect(compareMethods(fixturePath, { ...small, evalQuestions: asked })).rejects.toThrow(/named twice/);
		await expect(compareMethods(fixturePath, { ...small, evalQuestions: [path] })).rejects.toThrow(InvalidQuestionsError);
	});
});
