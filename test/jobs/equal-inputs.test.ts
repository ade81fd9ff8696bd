import { copyFileSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { InvalidOptionError } from "../../src/errors.js";
import { compareMethods } from "../../src/jobs/compare/compare.js";
import { findFrontier } from "../../src/jobs/frontier/frontier.js";
import { pruneGguf } from "../../src/jobs/prune.js";
import { rankBlocks } from "../../src/jobs/rank.js";
import { Model } from "../../src/model/runtime/model.js";
import { makeWindows } from "../../src/model/runtime/windows.js";
import { Session } from "../../src/pipeline/session/session.js";
import { fixturePath, fixtureWindows, fullSet } from "../helpers/fixture.js";
import { ownHomes, small as smallSplits } from "../helpers/home.js";
import { madeUpQuestions, writeQuestions } from "../helpers/questions.js";

// The same content under two names: a mistake that is named before anything is measured.

const { folder, home, out } = ownHomes();
const { windows, windowLength, threads } = smallSplits;
const small = { windows, windowLength, threads };
const compared = { ...small, methods: ["first"], removeBlocks: [2] } as const;

const sentence = "The captain stood at the rail and looked for the white whale, and said nothing to any man. ";
const file = (name: string) => join(folder, name);
const [a, b, questions, copied] = [file("a.txt"), file("b.txt"), file("questions.jsonl"), file("copied.jsonl")];
beforeAll(async () => {
	for (const path of [a, b]) writeFileSync(path, sentence.repeat(60));
	const model = await Model.load(fixturePath, { threads });
	writeQuestions(questions, madeUpQuestions(model, 28, 3));
	await model.dispose();
	copyFileSync(questions, copied);
});

/** It names both files, and nothing was begun: no run has a folder. */
async function expectRefused(run: Promise<unknown>, what: string, [first, second]: readonly [string, string]): Promise<void> {
	const error = await run.then(
		() => undefined,
		(error: unknown) => error,
	);
	expect(error).toBeInstanceOf(InvalidOptionError);
	const { message } = error as Error;
	for (const part of [what, "same content", first, second]) expect(message).toContain(part);
	expect(existsSync(home())).toBe(false);
}

describe("two files of the same content", () => {
	it.each<[string, () => Promise<unknown>]>([
		["the main job", () => pruneGguf(fixturePath, out(), { ...smallSplits, removeBlocks: 2, calibration: [a, b] })],
		["rank", () => rankBlocks(fixturePath, { ...small, calibration: [a, b] })],
		["frontier", () => findFrontier(fixturePath, { ...small, maxBlocks: 2, calibration: [a, b] })],
		["compare", () => compareMethods(fixturePath, { ...compared, calibration: [a, b] })],
	])("are refused as calibration files by %s", (_, run) => expectRefused(run(), "calibration files", [a, b]));

	it("are refused as texts to score on", () =>
		expectRefused(compareMethods(fixturePath, { ...compared, eval: [a, b] }), "texts to score on", [a, b]));

	it("are refused as a text to search and one to score on", () =>
		expectRefused(compareMethods(fixturePath, { ...compared, calibration: [a], eval: [b] }), "not chosen on", [a, b]));

	it("are refused as questions", async () => {
		const both = [questions, copied] as const;
		await expectRefused(compareMethods(fixturePath, { ...compared, evalQuestions: both }), "questions to score on", both);
		const searched = { ...compared, metric: "accuracy", questions } as const;
		await expectRefused(compareMethods(fixturePath, { ...searched, evalQuestions: [copied] }), "searched by", both);
		const limits = { minAccuracy: { questions: 0.1, copied: 0.2 }, questions: both };
		await expectRefused(pruneGguf(fixturePath, out(), { ...smallSplits, removeBlocks: 2, limits }), "the questions", both);
	});

	it("are refused where only their windows are the same", async () => {
		const lines = file("a.jsonl");
		writeFileSync(lines, JSON.stringify({ text: sentence.repeat(60) }));
		const run = compareMethods(fixturePath, { ...compared, eval: [a, lines], evalWindows: 4, evalWindowLength: 32 });
		await expect(run).rejects.toThrow(InvalidOptionError);
		await expect(run).rejects.toThrow(`${a} and ${lines} give the same windows`);
	});

	it("are refused where only their questions are the same", async () => {
		const spaced = file("spaced.jsonl");
		copyFileSync(questions, spaced);
		writeFileSync(spaced, "\n", { flag: "a" });
		const run = compareMethods(fixturePath, { ...compared, evalQuestions: [questions, spaced] });
		await expect(run).rejects.toThrow(/questions\.jsonl and spaced\.jsonl hold the same questions/);
	});
});

it("measures the same windows twice in one run, in one ledger", async () => {
	const session = await Session.open(fixturePath, small, { masks: 1, weights: "own" });
	try {
		const { tokens } = fixtureWindows(4);
		const text = () => makeWindows(tokens.slice(0, 64), 32);
		const [first, second] = [await session.gameOn(text()), await session.gameOn(text())];
		const [one] = await first.measure([fullSet], {});
		const [other] = await second.measure([fullSet], {});
		expect(second.ledger).toBe(first.ledger);
		expect(other!.losses).toEqual(one!.losses);
	} finally {
		await session.close();
	}
});
