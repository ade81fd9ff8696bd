import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { PruneOptions } from "../../../src/api/index.js";
import { applyPlan } from "../../../src/jobs/apply.js";
import { errorDocument } from "../../../src/cli/exit.js";
import { InvalidOptionError } from "../../../src/errors.js";
import { measureQuestions } from "../../../src/model/evaluation/multiple-choice.js";
import { GgufFile } from "../../../src/model/gguf/index.js";
import { pruneGguf } from "../../../src/jobs/prune.js";
import { Model } from "../../../src/model/runtime/model.js";
import { readPlan } from "../../../src/storage/plan.js";
import { fixturePath, fullSet, mean, removing } from "../../helpers/fixture.js";
import { f16Fixture } from "../../helpers/f16.js";
import { ownHomes, small } from "../../helpers/home.js";
import { keptSplit, stoppedByGate } from "../../helpers/kept.js";
import { madeUpQuestions, writeHellaswag, writeQuestions } from "../../helpers/questions.js";
import { thorough } from "../../helpers/slow.js";

const { folder, home, out } = ownHomes();
const questions = join(folder, "made_up.jsonl");
const endings = join(folder, "endings.txt");
let f16: string;
beforeAll(async () => {
	f16 = await f16Fixture(folder);
	const model = await Model.load(fixturePath, { threads: 2 });
	writeQuestions(questions, madeUpQuestions(model, 24));
	writeHellaswag(endings, madeUpQuestions(model, 12, 4, 7));
	await model.dispose();
});

const given = { ...small, remove: [3, 6, 10] } satisfies PruneOptions;

describe("a quality gate", () => {
	it("is measured on the held-out split, as anyone would measure it", async () => {
		const output = out();
		const limits = {
			limits: { maxPplRatio: 50, maxKl: 5, minAccuracy: { made_up: 0.01, "endings.txt": 0.01 }, questions: [questions, endings] },
		};
		const { plan, report } = await pruneGguf(fixturePath, output, { ...given, ...limits, report: false });
		expect(plan!.limits).toMatchObject({ met: true, ignored: false, measured: "memory" });
		const [ratio, kl, jsonl, hellaswag] = plan!.limits!.figures;
		expect(plan!.limits!.figures.map(({ name }) => name)).toEqual([
			"max-ppl-ratio",
			"max-kl",
			"min-accuracy made_up",
			"min-accuracy endings.txt",
		]);
		expect(report!.limits).toMatchObject(plan!.limits!.figures.map(({ name, value, met }) => ({ name, value, met })));
		expect((await readPlan(`${output}.plan.json`)).limits).toEqual(plan!.limits);

		const windows = keptSplit(home(), "heldOut", small.windowLength);
		const model = await Model.load(fixturePath, { threads: 2 });
		const evaluator = model.createEvaluator();
		const reference = await evaluator.createReference(fullSet, windows);
		const [whole, pruned] = await evaluator.evaluate([fullSet, removing(3, 6, 10)], windows, { reference });
		await model.dispose();
		expect(ratio!.value).toBeCloseTo(Math.exp(mean(pruned!.losses) - mean(whole!.losses)), 10);
		expect(ratio!.standardError).toBeGreaterThan(0);
		expect(kl!.value).toBeCloseTo(mean(pruned!.divergences!), 10);

		// Every third question is the validation split's.
		const answers = async (file: string) =>
			(await measureQuestions(fixturePath, { questions: file, remove: [3, 6, 10], threads: 2 })).answers;
		const share = (right: boolean[]) =>
			right.filter((_, i) => i % 3 !== 1).filter(Boolean).length / right.filter((_, i) => i % 3 !== 1).length;
		expect(jsonl!.value).toBe(share((await answers(questions)).map(({ gold, pick }) => gold === pick)));
		expect(hellaswag!.value).toBe(share((await answers(endings)).map(({ gold, normalizedPick }) => gold === normalizedPick)));
	});

	it.each<[string, PruneOptions]>([
		["perplexity", { limits: { maxPplRatio: 1.01 } }],
		["divergence", { limits: { maxKl: 0.001 } }],
		["accuracy", { limits: { minAccuracy: { made_up: 1 }, questions: [questions] } }],
	])("of %s that is not met ends with code 3 and writes nothing; ignored, it writes and says so", async (_, limit) => {
		const output = out();
		const error = await stoppedByGate(output, folder, pruneGguf(fixturePath, output, { ...given, ...limit }));
		const [figure] = error.figures;
		expect(figure).toMatchObject({ met: false, value: expect.any(Number), standardError: expect.any(Number) });
		expect(error.message).toMatch(/was required, .* measured/);
		expect(error.message).toContain(figure!.name);
		expect(errorDocument(error).error).toMatchObject({ code: "LIMITS_NOT_MET", figures: error.figures });

		const warnings: string[] = [];
		const onLog = ({ level, message }: { level: string; message: string }) => level === "warning" && warnings.push(message);
		const { plan, report } = await pruneGguf(fixturePath, output, { ...given, limits: { ...limit.limits, ignore: true }, onLog });
		expect(existsSync(output)).toBe(true);
		expect(plan!.limits).toMatchObject({ met: false, ignored: true, figures: [figure] });
		expect(report!.limits![0]).toMatchObject({ met: false });
		expect(warnings.join()).toMatch(/not met, but written all the same/);
	});

	it("names the closest plan that meets it, and its command does", async () => {
		const greedy = { method: "greedy", granularity: "block" } as const;
		const output = out();
		const curve = await pruneGguf(fixturePath, undefined, { ...small, search: greedy, limits: { maxPplRatio: 1e6 } });
		expect(curve.plan!.removed.length).toBe(6);
		// Between what two and what three blocks cost.
		const costs: { removed: number[]; ratio: number }[] = [];
		for (const count of [2, 3]) {
			const { removed } = curve.plan!.alternatives.find((one) => one.count === count)!;
			const { plan } = await pruneGguf(fixturePath, undefined, { ...small, remove: removed, limits: { maxPplRatio: 1e6 } });
			costs.push({ removed, ratio: plan!.limits!.figures[0]!.value! });
		}
		const limit = Math.sqrt(costs[0]!.ratio * costs[1]!.ratio);
		const options = { ...small, search: greedy, removeBlocks: 3, limits: { maxPplRatio: limit } } as const;
		const { closest } = await stoppedByGate(output, folder, pruneGguf(fixturePath, output, options));
		expect(closest!.removed).toEqual(costs[0]!.removed);
		expect(closest).toMatchObject({ estimated: false, figures: [{ met: true, value: costs[0]!.ratio }] });
		expect(closest!.command).toContain(`--remove ${closest!.removed.join(",")}`);
		expect(closest!.command).toContain("--max-ppl-ratio");
		const { plan } = await pruneGguf(fixturePath, output, { ...small, remove: [...closest!.removed], limits: { maxPplRatio: limit } });
		expect(plan!.limits!.met).toBe(true);
		// Without an amount the same limit chooses the most that the validation split allows.
		const whole = curve.plan!.losses.validation!.original.mean!;
		const allowed = curve.plan!.alternatives.filter(({ validationLoss }) => Math.exp(validationLoss! - whole) <= limit);
		expect(allowed.length).toBeGreaterThan(0);
		const chosen = await pruneGguf(fixturePath, undefined, { ...small, search: greedy, limits: { maxPplRatio: limit } });
		expect(chosen.plan!.removed).toEqual(allowed.at(-1)!.removed);
		expect(chosen.plan!.limits!.met).toBe(true);
	});

	it("that no set meets ends with code 3", async () => {
		const output = out();
		const error = await stoppedByGate(
			output,
			folder,
			pruneGguf(fixturePath, output, { ...small, search: { method: "leave-one-out" }, limits: { maxKl: 1e-4 } }),
		);
		expect(error.message).toMatch(/no candidate that was found meets/);
		expect(error.closest).toBeUndefined();
	});

	it.runIf(thorough)("holds for the quantized file as it was written", async () => {
		const output = out();
		const options = { ...small, remove: [6], quantize: "Q2_K", limits: { maxPplRatio: 1.5, maxKl: 9 } } satisfies PruneOptions;
		const { plan } = await pruneGguf(f16, output, {
			...options,
			limits: { ...options.limits, maxPplRatio: 1e6, maxKl: 50, minAccuracy: { made_up: 0.01 }, questions: [questions] },
		});
		expect(plan!.limits).toMatchObject({ met: true, measured: "file" });
		const [ratio, kl, accuracy] = plan!.limits!.figures;
		expect(ratio!.value).toBeCloseTo(Math.exp(plan!.quantized!.added.mean!), 12);
		expect(kl!.value).toBe(plan!.quantized!.divergence!.mean);
		const { answers } = await measureQuestions(output, { questions, threads: 2 });
		const right = answers.filter((_, i) => i % 3 !== 1).map(({ gold, pick }) => gold === pick);
		expect(accuracy!.value).toBe(right.filter(Boolean).length / right.length);

		// Between what the mask costs and what the file does.
		const mask = Math.exp(plan!.losses.heldOut!.difference!);
		expect(ratio!.value).toBeGreaterThan(mask);
		const again = out();
		const error = await stoppedByGate(
			again,
			folder,
			pruneGguf(f16, again, { ...options, limits: { ...options.limits, maxPplRatio: Math.sqrt(mask * ratio!.value!) } }),
		);
		expect(error.message).toMatch(/by the file as written/);
		expect(error.figures[0]!.value).toBe(ratio!.value);
	});

	it("is also checked for an applied plan, on the plan's text", async () => {
		const output = out();
		const { plan, planPath } = await pruneGguf(fixturePath, undefined, { ...small, search: { method: "greedy" }, removeBlocks: 2 });
		const ratio = Math.exp(plan!.losses.heldOut!.difference!);
		const met = await applyPlan(fixturePath, output, { plan: planPath!, limits: { maxPplRatio: ratio + 1e-9 }, threads: 2 });
		expect(met.limits!.figures[0]!.value).toBeCloseTo(ratio, 12);
		expect(met.commands).toEqual([`llama-cli -m ${output}`]);
		const again = out();
		const error = await stoppedByGate(
			again,
			folder,
			applyPlan(fixturePath, again, { plan: planPath!, limits: { maxPplRatio: ratio - 1e-6 }, threads: 2 }),
		);
		expect(error.closest!.removed.length).toBe(1);
		const forced = await applyPlan(fixturePath, again, {
			plan: planPath!,
			limits: { maxPplRatio: ratio - 1e-6, ignore: true },
			threads: 2,
		});
		expect(forced.limits).toMatchObject({ met: false, ignored: true });
		expect(readFileSync(again).equals(readFileSync(output))).toBe(true);
	});

	it.each<[PruneOptions, RegExp]>([
		[{ limits: { maxPplRatio: 0.9 } }, /max-ppl-ratio must be at least 1/],
		[{ limits: { maxKl: 0 } }, /max-kl must be above 0/],
		[{ limits: { minAccuracy: { nothing: 0.5 }, questions: [questions] } }, /no file of questions has this name \(there are made_up\)/],
		[{ limits: { minAccuracy: { made_up: 45 }, questions: [questions] } }, /expected a share/],
		[{ limits: { maxKl: 1, questions: [questions] } }, /no --min-accuracy names/],
		[{ limits: { questions: [questions] } }, /are read for --min-accuracy/],
		[{ limits: { ignore: true } }, /without a limit/],
	])("refuses %o before anything is loaded", async (options, message) => {
		const run = pruneGguf(fixturePath, out(), { ...given, ...options });
		await expect(run).rejects.toThrow(InvalidOptionError);
		await expect(run).rejects.toThrow(message);
	});

	it("that would choose the amount cannot be ignored", async () => {
		await expect(pruneGguf(fixturePath, out(), { ...small, limits: { maxKl: 1, ignore: true } })).rejects.toThrow(/say how much to remove/);
	});
});

describe("a target size", () => {
	it("removes the fewest blocks that reach it, to the byte", async () => {
		const output = out();
		const { plan } = await pruneGguf(fixturePath, output, { ...small, remove: [3, 6] });
		const { size } = await GgufFile.read(output);
		const exact = out();
		const at = await pruneGguf(fixturePath, exact, { ...small, search: { method: "leave-one-out" }, targetSize: size });
		expect(at.plan!.removed.length).toBe(2);
		expect(at.output!.size).toBeLessThanOrEqual(size);
		const below = await pruneGguf(fixturePath, undefined, { ...small, search: { method: "leave-one-out" }, targetSize: size - 8192 });
		expect(below.plan!.removed.length).toBe(3);
		expect(plan!.limits).toBeUndefined();
	});

	it("is that of the quantized file", async () => {
		const output = out();
		const { output: alone } = await pruneGguf(f16, output, { ...small, remove: [3, 6, 9], quantize: "Q8_0" });
		const again = out();
		const options = { ...small, search: { method: "leave-one-out", granularity: "block" }, quantize: "Q8_0" } as const;
		const result = await pruneGguf(f16, again, { ...options, targetSize: Math.ceil(1.02 * alone!.size) });
		expect(result.plan!.removed.length).toBe(3);
		expect(result.plan!.limits).toMatchObject({
			met: true,
			measured: "file",
			figures: [{ name: "target-size", value: result.output!.size }],
		});
	});

	it("says how small the file can get if it is out of reach, and that nothing must be removed if it is reached", async () => {
		const far = pruneGguf(fixturePath, out(), { ...small, targetSize: 1e5 });
		await expect(far).rejects.toThrow(InvalidOptionError);
		await expect(far).rejects.toThrow(
			/out of reach: without 11 of its 12 blocks, as many as can go, the file still has about \d.*\. Give a larger size, or take a smaller type/,
		);
		await expect(pruneGguf(fixturePath, out(), { ...small, targetSize: 1e8 })).rejects.toThrow(/nothing need be removed/);
		await expect(pruneGguf(fixturePath, out(), { ...small, targetSize: 1e6, removeBlocks: 2 })).rejects.toThrow(/twice/);
	});

	it("that needs more than a gate allows ends with code 3", async () => {
		const output = out();
		const error = await stoppedByGate(
			output,
			folder,
			pruneGguf(fixturePath, output, { ...small, search: { method: "greedy" }, targetSize: 2e6, limits: { maxPplRatio: 1.15 } }),
		);
		expect(error.message).toMatch(/2.0 MB needs more than the limits allow/);
		expect(error.closest!.command).not.toContain("--target-size");
	});
});
