import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { PruneOptions } from "../../src/api/index.js";
import { CalibrationError, InvalidOptionError, InvalidQuestionsError } from "../../src/errors.js";
import { measureQuestions } from "../../src/model/evaluation/multiple-choice.js";
import { mixedMean } from "../../src/game/sources.js";
import { pruneGguf } from "../../src/jobs/prune.js";
import { rankBlocks } from "../../src/jobs/rank.js";
import { Model } from "../../src/model/runtime/model.js";
import { Ledger } from "../../src/storage/ledger.js";
import { readPlan } from "../../src/storage/plan.js";
import { listRuns } from "../../src/storage/runs.js";
import { chatFixture, fixturePath, fixtureWindows } from "../helpers/fixture.js";
import { ownHomes, small } from "../helpers/home.js";
import { madeUpQuestions, writeQuestions } from "../helpers/questions.js";
import { thorough } from "../helpers/slow.js";

const { folder, home, newHome, out } = ownHomes();
const at = (name: string) => join(folder, name);
const prose = at("prose.txt");
const numbers = at("numbers.txt");
const questions = at("questions.jsonl");
beforeAll(async () => {
	const model = await Model.load(fixturePath, { threads: 2 });
	writeFileSync(prose, model.detokenize(fixtureWindows().tokens, { special: false }));
	writeQuestions(questions, madeUpQuestions(model, 28, 3));
	await model.dispose();
	writeFileSync(numbers, Array.from({ length: 900 }, (_, i) => `${i} + ${(i * 7) % 13} = ${i + ((i * 7) % 13)};`).join("\n"));
});

const ledgers = async () => (await listRuns({ cache: home() })).flatMap((run) => run.ledgers.map(({ path }) => path)).sort();

describe("the metric kl", () => {
	it("searches by the divergence from the original model, and verifies and reports the loss beside it", async () => {
		const output = out();
		const result = await pruneGguf(fixturePath, output, { ...small, metric: "kl", removeBlocks: 2 });
		expect(result.output?.verification).toContain("bit for bit");
		const { metric, losses } = (await readPlan(`${output}.plan.json`))!;
		expect(metric?.name).toBe("kl");
		for (const split of ["search", "validation", "heldOut"] as const) {
			const { original, pruned, figures } = metric!.splits[split]!;
			expect(original.mean).toBeLessThan(1e-5);
			expect(pruned.mean).toBeGreaterThan(0.01);
			expect(figures!.agreement!.original).toBe(1);
			expect(figures!.agreement!.pruned).toBeLessThan(1);
			// The loss of the text is what it is without that metric.
			expect(figures!.loss!.pruned).toBe(losses[split]!.pruned.mean);
			expect(losses[split]!.original.mean).toBeGreaterThan(1);
		}
		newHome();
		const plain = await pruneGguf(fixturePath, undefined, { ...small, remove: result.plan!.removed.slice() });
		expect(plain.plan!.losses).toEqual(losses);
		expect(plain.plan!.metric).toBeUndefined();
	});

	it.runIf(thorough)("goes on from its own ledgers, measuring nothing again", async () => {
		const options: PruneOptions = { ...small, metric: "kl" };
		const curve = await pruneGguf(fixturePath, undefined, options);
		expect(curve.metric).toBe("kl");
		expect(curve.curve[1]!.figures!.agreement).toBeGreaterThan(0.3);
		expect(curve.commands[0]).toContain("--metric kl");
		const masks = async () =>
			new Map(await Promise.all((await ledgers()).map(async (path) => [path, (await Ledger.read(path)).measurements.length] as const)));
		const before = await masks();
		expect((await pruneGguf(fixturePath, undefined, options)).curve).toEqual(curve.curve);
		expect(await masks()).toEqual(before);
		// Losses and divergences do not mix. (The text of the search and of the race is compared with the original model for both.)
		await pruneGguf(fixturePath, undefined, small);
		const after = await masks();
		expect(after.size).toBe(before.size + 2);
		for (const path of after.keys()) {
			const { measurements } = await Ledger.read(path);
			for (const { figures } of measurements) expect(figures?.divergence !== undefined).toBe(before.has(path));
		}
	});

	it("ranks by the divergence that each removal makes", async () => {
		const kl = await rankBlocks(fixturePath, { ...small, metric: "kl" });
		const plain = await rankBlocks(fixturePath, small);
		expect(kl.metric).toBe("kl");
		expect(kl.loss).toBeLessThan(1e-5);
		expect(kl.importance.every(({ value }) => value > 0)).toBe(true);
		expect(kl.importance[0]!.value).not.toBe(plain.importance[0]!.value);
	});
});

describe("the metric accuracy", () => {
	const options: PruneOptions = { ...small, metric: "accuracy", questions };

	it.runIf(thorough)("searches by the loss of the right choices, and reports accuracies", async () => {
		const output = out();
		const result = await pruneGguf(fixturePath, output, { ...options, removeBlocks: 2 });
		expect(result.output?.verification).toContain("bit for bit");
		const { metric, losses, removed } = (await readPlan(`${output}.plan.json`))!;
		expect(metric).toMatchObject({ name: "accuracy" });
		const splits = metric!.splits;
		expect([splits.search, splits.validation, splits.heldOut].map((split) => split!.original.windows.length)).toEqual([8, 8, 12]);
		expect(losses.heldOut!.original.mean).toBeGreaterThan(1);
		// The same figures by the other way: every question once, in the order of its split.
		const { answers } = await measureQuestions(fixturePath, { questions, remove: removed, threads: 2 });
		const search = answers.filter((_, i) => [1, 4].includes(i % 7));
		search.forEach(({ goldLoss }, i) => {
			expect(splits.search!.pruned.windows[i]).toBeCloseTo(goldLoss, 4);
		});
		const right = search.filter(({ gold, normalizedPick }) => gold === normalizedPick).length;
		expect(splits.search!.figures!.normalizedAccuracy!.pruned).toBeCloseTo(right / 8, 9);
	});

	it.runIf(thorough)("continues where it was aborted", async () => {
		const straight = await pruneGguf(fixturePath, undefined, { ...options, removeBlocks: 2 });
		newHome();
		const controller = new AbortController();
		const onProgress = ({ unit, done, step }: { unit: string; done: number; step: number }) => {
			if (unit === "candidates" && step === 2 && done >= 12) controller.abort(new Error("stopped"));
		};
		await expect(pruneGguf(fixturePath, undefined, { ...options, removeBlocks: 2, signal: controller.signal, onProgress })).rejects.toThrow(
			"stopped",
		);
		const resumed = await pruneGguf(fixturePath, undefined, { ...options, removeBlocks: 2 });
		expect(resumed.plan!.removed).toEqual(straight.plan!.removed);
		expect(resumed.plan!.metric).toEqual(straight.plan!.metric);
	});

	it.each<[PruneOptions, RegExp]>([
		[{ metric: "accuracy" }, /needs questions/],
		[{ questions }, /--questions belongs to --metric accuracy; loss/],
		[{ metric: "kl", questions }, /--questions belongs to --metric accuracy; kl/],
		[{ maxQuestions: 10 }, /--max-questions belongs to --metric accuracy/],
		[{ metric: "accuracy", questions, maxQuestions: 6 }, /at least 7, got 6/],
	])("refuses %j", async (wrong, message) => {
		const failed = pruneGguf(fixturePath, undefined, { ...small, ...wrong });
		await expect(failed).rejects.toThrow(InvalidOptionError);
		await expect(failed).rejects.toThrow(message);
	});

	it("refuses a file of too few or broken questions, before the model is loaded", async () => {
		const few = at("few.jsonl");
		writeFileSync(few, readFileSync(questions, "utf8").split("\n").slice(0, 6).join("\n"));
		await expect(pruneGguf(fixturePath, undefined, { ...options, questions: few })).rejects.toThrow(/holds 6 questions.*at least 7/);
		writeFileSync(few, "{");
		const phases: string[] = [];
		const onProgress = ({ phase }: { phase: string }) => phases.push(phase);
		await expect(pruneGguf(fixturePath, undefined, { ...options, questions: few, onProgress })).rejects.toThrow(InvalidQuestionsError);
		expect(phases).toEqual([]);
	});

	it("does not write over its questions", async () => {
		const before = readFileSync(questions, "utf8");
		await expect(pruneGguf(fixturePath, questions, { ...options, remove: [6], overwrite: true })).rejects.toThrow(/input/);
		expect(readFileSync(questions, "utf8")).toBe(before);
	});
});

describe("several sources", () => {
	const splits = { windows: 6, windowLength: 32, threads: 2 };
	const calibration = [
		{ path: prose, weight: 3 },
		{ path: numbers, weight: 1 },
	];

	it.runIf(thorough)("count by their weights, are reported one by one, and may disagree", async () => {
		const warnings: string[] = [];
		const onLog = ({ level, message }: { level: string; message: string }) => level === "warning" && warnings.push(message);
		const { plan, curve, disagreements } = await pruneGguf(fixturePath, undefined, { ...splits, calibration, removeBlocks: 3, onLog });
		const { sources } = plan!.calibration.search!;
		expect(sources).toEqual([
			{ name: "prose.txt", weight: 3, count: 3 },
			{ name: "numbers.txt", weight: 1, count: 3 },
		]);
		for (const split of ["search", "validation", "heldOut"] as const) {
			const { original, pruned, difference, sources: each } = plan!.losses[split]!;
			const shares = plan!.calibration[split]!.sources!;
			expect(original.mean).toBeCloseTo(mixedMean(Float64Array.from(original.windows as number[]), shares), 12);
			expect(original.mean).toBeCloseTo(0.75 * each![0]!.original! + 0.25 * each![1]!.original!, 12);
			expect(pruned.mean).toBeCloseTo(0.75 * each![0]!.pruned! + 0.25 * each![1]!.pruned!, 12);
			expect(difference).toBeCloseTo(pruned.mean! - original.mean!, 12);
			expect(each![0]!.standardError).toBeGreaterThan(0);
		}
		expect(curve[0]!.loss).toBe(plan!.losses.validation!.original.mean);
		expect(plan!.command).toContain(`--calibration ${basename(prose)}=3 --calibration ${basename(numbers)}`);
		// The note of a disagreement has measured figures.
		expect(warnings.filter((text) => text.startsWith("the calibration texts disagree")).length).toBe(disagreements.length);
		for (const { chosen, better, by, standardError, worseOverall } of disagreements) {
			expect(chosen).toEqual(plan!.removed);
			expect(better).not.toEqual(chosen);
			expect(by).toBeGreaterThan(2 * standardError);
			expect(worseOverall).toBeGreaterThanOrEqual(0);
		}
		expect(plan!.disagreements ?? []).toEqual(disagreements);
	});

	it("with other weights measure no window again", async () => {
		await pruneGguf(fixturePath, undefined, { ...splits, calibration, remove: [3, 6] });
		const paths = await ledgers();
		const bytes = paths.map((path) => readFileSync(path, "utf8"));
		const other = calibration.map((file, i) => ({ ...file, weight: i + 1 }));
		const { plan } = await pruneGguf(fixturePath, undefined, { ...splits, calibration: other, remove: [3, 6] });
		expect(await ledgers()).toEqual(paths);
		expect(paths.map((path) => readFileSync(path, "utf8"))).toEqual(bytes);
		expect(plan!.calibration.heldOut!.sources!.map(({ weight }) => weight)).toEqual([1, 2]);
	});

	it("mix divergences too", async () => {
		const { plan } = await pruneGguf(fixturePath, undefined, { ...splits, calibration, metric: "kl", remove: [3, 6] });
		const { pruned, sources } = plan!.metric!.splits.heldOut!;
		expect(pruned.mean).toBeCloseTo(0.75 * sources![0]!.pruned! + 0.25 * sources![1]!.pruned!, 12);
	});

	it("of one file are no mix: the figures are those of the plain name", async () => {
		const options = { ...splits, remove: [3, 6] };
		const plain = await pruneGguf(fixturePath, undefined, { ...options, calibration: [prose] });
		const weighted = await pruneGguf(fixturePath, undefined, { ...options, calibration: [{ path: prose, weight: 5 }] });
		expect(weighted.plan!.losses).toEqual(plain.plan!.losses);
		expect(plain.plan!.losses.heldOut!.sources).toBeUndefined();
	});

	it("need a window each, and a weight above 0", async () => {
		await expect(pruneGguf(fixturePath, undefined, { ...splits, windows: 2, calibration: [prose, numbers, questions] })).rejects.toThrow(
			CalibrationError,
		);
		const third = at("third.txt");
		writeFileSync(third, `${readFileSync(prose, "utf8")} The end.`);
		await expect(pruneGguf(fixturePath, undefined, { ...splits, windows: 2, calibration: [prose, numbers, third] })).rejects.toThrow(
			/every split needs a window from each of the 3 calibration files, and the search split has only 2/,
		);
		await expect(pruneGguf(fixturePath, undefined, { ...splits, calibration: [{ path: prose, weight: 0 }] })).rejects.toThrow(
			/above 0, got 0/,
		);
	});

	it("may be chats and text", async () => {
		const chat = await chatFixture(at("chat.gguf"));
		const chats = at("chats.jsonl");
		const messages = [
			{ role: "user", content: readFileSync(prose, "utf8").slice(0, 3000) },
			{ role: "assistant", content: readFileSync(prose, "utf8").slice(3000, 6000) },
		];
		writeFileSync(chats, JSON.stringify({ messages }));
		const { plan } = await pruneGguf(chat, undefined, {
			...splits,
			windows: 4,
			calibration: [{ path: chats, weight: 2 }, numbers],
			remove: [6],
		});
		expect(plan!.losses.heldOut!.sources!.map(({ name }) => name)).toEqual([basename(chats), basename(numbers)]);
		expect(existsSync(chats)).toBe(true);
	});
});
