import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { FileError } from "../../../src/errors.js";
import { measureQuestions } from "../../../src/model/evaluation/multiple-choice.js";
import { measureText } from "../../../src/model/evaluation/perplexity.js";
import type { JobProgress } from "../../../src/model/runtime/job-options.js";
import { Model } from "../../../src/model/runtime/model.js";
import { chatFixture, fixturePath, fixtureWindows } from "../../helpers/fixture.js";
import { ownModel } from "../../helpers/own-model.js";
import { watching } from "../../helpers/progress.js";
import { madeUpQuestions, writeQuestions } from "../../helpers/questions.js";

// Figures of one model never come under the hash of another that takes its name during an evaluation.

const { folder, path, replaceBy, keptLines: linesOf } = ownModel();
const keptLines = () => linesOf(".evaluation.ledger.jsonl");
const [text, questions, other] = ["text.txt", "questions.jsonl", "other.gguf"].map((name) => join(folder, name)) as [
	string,
	string,
	string,
];
beforeAll(async () => {
	const model = await Model.load(fixturePath, { threads: 1 });
	writeFileSync(text, model.detokenize(fixtureWindows(4, 64).tokens, { special: false }));
	writeQuestions(questions, madeUpQuestions(model, 4));
	await model.dispose();
	await chatFixture(other);
});

/** Another model takes the name at a moment. */
function replacing(when: "it is loaded" | "it is measured"): JobProgress {
	let done = false;
	const replace = (now: boolean) => {
		if (done || !now) return;
		done = true;
		replaceBy(other);
	};
	return {
		...watching(() => {}),
		runsOn: () => replace(when === "it is loaded"),
		begin: (step) => replace(when === "it is measured" && step === "Measuring"),
	};
}

const shape = { windowLength: 32, threads: 1 };
const changed = /changed since its header was read/;

describe("a model that is replaced during an evaluation", () => {
	it.each(["it is loaded", "it is measured"] as const)("leaves no figures of a text when %s", async (when) => {
		const run = measureText(path(), { text, ...shape, remove: [3], progress: replacing(when) });
		await expect(run).rejects.toThrow(FileError);
		await expect(run).rejects.toThrow(changed);
		expect(keptLines()).toEqual([]);
	});

	it.each(["it is loaded", "it is measured"] as const)("leaves no figures of questions when %s", async (when) => {
		await expect(measureQuestions(path(), { questions, threads: 1, progress: replacing(when) })).rejects.toThrow(changed);
		expect(keptLines()).toEqual([]);
	});

	it("leaves none if it is the one that is compared with", async () => {
		await expect(measureText(fixturePath, { text, ...shape, against: path(), progress: replacing("it is measured") })).rejects.toThrow(
			changed,
		);
		expect(keptLines()).toEqual([]);
		// The first model's answers are its own: they stay.
		await expect(
			measureQuestions(fixturePath, { questions, threads: 1, against: path(), progress: replacing("it is loaded") }),
		).rejects.toThrow(changed);
	});

	it("is what keeps them: undisturbed they are there", async () => {
		await measureText(path(), { text, ...shape });
		await measureQuestions(path(), { questions, threads: 1 });
		expect(keptLines().length).toBeGreaterThan(1);
	});
});
