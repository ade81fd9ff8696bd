import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { applyPlan } from "../../src/jobs/apply.js";
import { exitCodeOf, exitCodes } from "../../src/cli/exit.js";
import { compareMethods } from "../../src/jobs/compare/compare.js";
import { EvaluationError } from "../../src/errors.js";
import { measureQuestions } from "../../src/model/evaluation/multiple-choice.js";
import { measureText } from "../../src/model/evaluation/perplexity.js";
import { findFrontier } from "../../src/jobs/frontier/frontier.js";
import { pruneGguf } from "../../src/jobs/prune.js";
import { rankBlocks } from "../../src/jobs/rank.js";
import { checkFiniteLosses } from "../../src/model/runtime/finite-loss.js";
import { Model } from "../../src/model/runtime/model.js";
import { changedFixture, fixturePath, fixtureWindows } from "../helpers/fixture.js";
import { ownHomes, small } from "../helpers/home.js";
import { madeUpQuestions, writeQuestions } from "../helpers/questions.js";

const { folder, out } = ownHomes();
const text = () => join(folder, "text.txt");
const questions = () => join(folder, "questions.jsonl");
const broken = { NaN: join(folder, "nan.gguf"), Infinity: join(folder, "infinity.gguf") };
const names = ["NaN", "Infinity"] as const;

beforeAll(async () => {
	for (const name of names) {
		await changedFixture(broken[name], (content) => ({
			...content,
			tensors: content.tensors.map((tensor) => {
				if (tensor.name !== "output_norm.weight") return tensor;
				return { ...tensor, source: new Uint8Array(new Float32Array(tensor.dims[0]!).fill(Number(name)).buffer) };
			}),
		}));
	}
	await using model = await Model.load(fixturePath, { threads: 2 });
	writeFileSync(text(), model.detokenize(fixtureWindows().tokens, { special: false }));
	writeQuestions(questions(), madeUpQuestions(model, 8, 3));
});

describe.each(names)("a model with weights that are %s computes no finite loss, which is an error of", (name) => {
	const measure = { ...small, calibration: [text()] };
	const failing = async (work: Promise<unknown>, message = `${broken[name]} computes no finite loss`) => {
		const error = await work.then(
			() => undefined,
			(thrown: unknown) => thrown,
		);
		expect(error).toBeInstanceOf(EvaluationError);
		expect((error as Error).message).toContain(message);
		expect(exitCodeOf(error)).toBe(exitCodes.failed);
	};

	it("evaluate", async () => {
		await failing(measureText(broken[name], { text: text(), windowLength: 64 }));
		// From the cache too.
		await failing(measureText(broken[name], { text: text(), windowLength: 64 }));
	});
	it("evaluate --against, on either side", async () => {
		await failing(measureText(fixturePath, { text: text(), windowLength: 64, against: broken[name] }));
		await failing(measureText(broken[name], { text: text(), windowLength: 64, against: fixturePath }));
	});
	it("evaluate --questions", () => failing(measureQuestions(broken[name], { questions: questions() })));
	it("rank", () => failing(rankBlocks(broken[name], measure)));
	it("prune", async () => {
		const output = out();
		await failing(pruneGguf(broken[name], output, { ...measure, removeBlocks: 2, search: { method: "leave-one-out" } }));
		expect(existsSync(output)).toBe(false);
	});
	it("compare", () =>
		failing(compareMethods(broken[name], { ...measure, methods: ["greedy"], removeBlocks: [2], search: { maxEvaluations: 20 } })));
	it("frontier", () => failing(findFrontier(broken[name], { ...measure, maxBlocks: 2, quantize: { types: [] } })));
	it("apply", async () => {
		const output = out();
		// The text that a file is verified on is self-generated.
		await failing(applyPlan(broken[name], output, { remove: [3] }), "the model gives logits that are not finite");
		await failing(
			applyPlan(broken[name], output, { remove: [3], limits: { maxPplRatio: 2 }, calibration: [text()], windows: 3, windowLength: 32 }),
		);
		expect(existsSync(output)).toBe(false);
	});
});

it("blocks without which a model computes no finite loss are named", () => {
	expect(() => checkFiniteLosses("m.gguf", [1, Number.NaN], [3, 5])).toThrow(
		"m.gguf without blocks 3, 5 computes no finite loss on this text (NaN)",
	);
	expect(() => checkFiniteLosses("m.gguf", [1, 2], [3, 5])).not.toThrow();
});
