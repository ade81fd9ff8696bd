import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { PruneOptions, PruneResult } from "../../../src/api/index.js";
import { applyPlan } from "../../../src/jobs/apply.js";
import { InvalidOptionError } from "../../../src/errors.js";
import { measureQuestions } from "../../../src/model/evaluation/multiple-choice.js";
import { healedTypes, mostAdded } from "../../../src/pipeline/preflight/heal-disk.js";
import { readModelHeader } from "../../../src/pipeline/preflight/model-header.js";
import { pruneGguf } from "../../../src/jobs/prune.js";
import { Model } from "../../../src/model/runtime/model.js";
import { fixturePath, fullSet, mean, removing } from "../../helpers/fixture.js";
import { ownHomes, small } from "../../helpers/home.js";
import { keptSplit, stoppedByGate } from "../../helpers/kept.js";
import { madeUpQuestions, writeQuestions } from "../../helpers/questions.js";
import { thorough } from "../../helpers/slow.js";

const { folder, home, out, newHome } = ownHomes();
/** Healing takes seconds on an idle machine. */
const long = 400_000;
const questions = join(folder, "made_up.jsonl");
const removed = [3, 6, 7];
/** As many tokens as it takes to distinguish the change from chance. */
const run = { ...small, windows: 10, windowLength: 128, heal: { tokens: 6144 } } satisfies PruneOptions;
/** For tests that do not depend on how well it is healed. */
const quick = { ...run, heal: { ...run.heal, tokens: 2048 } } satisfies PruneOptions;
const plainly = { ...run, heal: false } satisfies PruneOptions;
const limits = { limits: { maxPplRatio: 50, maxKl: 5, minAccuracy: { made_up: 0.01 }, questions: [questions] } };

/** A healed run with limits that it meets, its home, and the measured figures of the unhealed model. */
let healed: PruneResult;
let output: string;
let shared: string;
let unhealedKl: number;
const useShared = () => {
	process.env.PRUNE_GGUF_HOME = shared;
};
const healedKl = () => healed.plan!.limits!.figures[1]!.value!;

beforeAll(async () => {
	const model = await Model.load(fixturePath, { threads: 2 });
	writeQuestions(questions, madeUpQuestions(model, 24));
	await model.dispose();
	newHome();
	shared = home();
	output = out();
	healed = await pruneGguf(fixturePath, output, { ...run, ...limits, remove: removed });
	const plain = await pruneGguf(fixturePath, undefined, { ...plainly, ...limits, remove: removed });
	unhealedKl = plain.plan!.limits!.figures[1]!.value!;
}, long);

describe("limits on a healed model", { timeout: long }, () => {
	it("are measured with its new matrices, against the original model as it is: the figures of the written file", async () => {
		const { plan } = healed;
		expect(plan!.heal!.applied).toBe(true);
		expect(plan!.limits).toMatchObject({ met: true, measured: "memory" });
		const [ratio, kl, accuracy] = plan!.limits!.figures;
		const windows = keptSplit(shared, "heldOut", run.windowLength);
		await using whole = await Model.load(fixturePath, { threads: 2 });
		const reference = await whole.createEvaluator().createReference(fullSet, windows);
		const [before] = await whole.createEvaluator().evaluate([fullSet], windows);
		await using written = await Model.load(output, { threads: 2 });
		const all = { toBytes: () => new Uint8Array(written.facts.blocks).fill(1) };
		const [after] = await written.createEvaluator().evaluate([all], windows, { reference });
		expect(ratio!.value).toBeCloseTo(Math.exp(mean(after!.losses) - mean(before!.losses)), 10);
		expect(kl!.value).toBeCloseTo(mean(after!.divergences!), 10);
		expect(kl!.standardError).toBeGreaterThan(0);
		const { answers } = await measureQuestions(output, { questions, threads: 2 });
		const right = answers.filter((_, i) => i % 3 !== 1).map(({ gold, pick }) => gold === pick);
		expect(accuracy!.value).toBe(right.filter(Boolean).length / right.length);
		// Figures of the plan for the unhealed model are that.
		const [masked] = await whole.createEvaluator().evaluate([removing(...removed)], windows);
		expect(plan!.losses.heldOut!.pruned.mean).toBeCloseTo(mean(masked!.losses), 10);
	});

	it("let a model pass that meets them healed only", async () => {
		useShared();
		const maxKl = (healedKl() + unhealedKl) / 2;
		expect(healedKl()).toBeLessThan(maxKl);
		const made = out();
		await stoppedByGate(made, folder, pruneGguf(fixturePath, made, { ...plainly, remove: removed, limits: { maxKl } }));
		const { plan } = await pruneGguf(fixturePath, made, { ...run, remove: removed, limits: { maxKl } });
		expect(plan!.limits!.figures[0]!.value).toBeCloseTo(healedKl(), 10);
		expect(existsSync(made)).toBe(true);
	});

	it.runIf(thorough)("let nothing be written that misses them healed, and name a closest plan by what it is unhealed", async () => {
		useShared();
		const made = out();
		// A known set of fewer blocks, without its divergence.
		await pruneGguf(fixturePath, undefined, { ...plainly, remove: [6] });
		const alone = { ...plainly, remove: [6], limits: { maxKl: 9 } };
		newHome();
		const [only] = (await pruneGguf(fixturePath, undefined, alone)).plan!.limits!.figures;
		useShared();
		const maxKl = (healedKl() + only!.value!) / 2;
		const error = await stoppedByGate(made, folder, pruneGguf(fixturePath, made, { ...run, remove: removed, limits: { maxKl } }));
		expect(error.message).toMatch(/max-kl .* was required, .* measured/);
		expect(error.message).toContain("not healed yet");
		expect(error.closest!.command).toContain("--heal");
		expect(error.closest!.removed).toEqual([6]);
		expect(error.closest!.figures[0]!.value).toBeCloseTo(only!.value!, 12);
		const forced = await pruneGguf(fixturePath, made, { ...run, remove: removed, limits: { maxKl, ignore: true } });
		expect(forced.plan!.limits).toMatchObject({ met: false, ignored: true });
	});

	it.runIf(thorough)("choose the most blocks whose healed model meets them", async () => {
		const options = {
			...quick,
			search: { method: "leave-one-out", granularity: "block" },
			limits: { maxPplRatio: 1.25 },
		} satisfies PruneOptions;
		const plain = await pruneGguf(fixturePath, undefined, { ...options, heal: false });
		const made = out();
		const result = await pruneGguf(fixturePath, made, options);
		expect(result.plan!.removed.length).toBeGreaterThanOrEqual(plain.plan!.removed.length);
		const { heal, limits } = result.plan!;
		expect(limits!.met).toBe(true);
		expect(heal!.applied).toBe(true);
		expect(limits!.figures[0]!.value).toBeCloseTo(Math.exp(heal!.added!.mean!), 10);
		expect(result.output!.verification).toMatch(/bit for bit/);
		expect(result.curve.length).toBeGreaterThan(3);
	});

	it.runIf(thorough)("that no healed set meets end with code 3", async () => {
		const made = out();
		const error = await stoppedByGate(
			made,
			folder,
			pruneGguf(fixturePath, made, { ...quick, search: { method: "leave-one-out", granularity: "block" }, limits: { maxKl: 1e-4 } }),
		);
		expect(error.message).toMatch(/no candidate that was found meets.*block \d+, healed/);
		expect(error.figures[0]!.met).toBe(false);
	});

	it.runIf(thorough)("are asked of the quantized file too", async () => {
		useShared();
		const { plan } = await pruneGguf(fixturePath, out(), { ...run, remove: removed, quantize: "Q4_0", limits: { maxKl: 5 } });
		expect(plan!.limits).toMatchObject({ met: true, measured: "file" });
		expect(plan!.limits!.figures[0]!.value).toBe(plan!.quantized!.divergence!.mean);
	});
});

describe("limits on a plan that heals", { timeout: long }, () => {
	it.runIf(thorough)("are measured on the model healed again, and let the same file through", async () => {
		useShared();
		const again = out();
		const plan = healed.planPath!;
		const made = await applyPlan(fixturePath, again, { plan, limits: { maxKl: healedKl() + 1e-9 }, threads: 2 });
		expect(made.limits!.figures[0]!.value).toBeCloseTo(healedKl(), 12);
		expect(made.heal).toEqual(healed.plan!.heal);
		expect(readFileSync(again).equals(readFileSync(output))).toBe(true);
		const not = out();
		await stoppedByGate(not, folder, applyPlan(fixturePath, not, { plan, limits: { maxKl: healedKl() - 1e-6 }, threads: 2 }));
		await stoppedByGate(not, folder, applyPlan(fixturePath, not, { plan, heal: false, limits: { maxKl: healedKl() + 1e-9 }, threads: 2 }));
	});

	it.runIf(thorough)("are measured on a list of blocks that is healed", async () => {
		useShared();
		const made = out();
		const { windows, windowLength, heal: how } = run;
		const options = { remove: removed, heal: how, windows, windowLength, threads: 2 };
		const { heal, limits } = await applyPlan(fixturePath, made, { ...options, limits: { maxPplRatio: 50 } });
		expect(heal!.applied).toBe(true);
		const { value } = limits!.figures[0]!;
		expect(value).toBeCloseTo(Math.exp(heal!.added!.mean!), 10);
		const not = out();
		await stoppedByGate(not, folder, applyPlan(fixturePath, not, { ...options, limits: { maxPplRatio: value! - 1e-6 } }));
	});

	it("are not asked of other weights, which are not healed", async () => {
		useShared();
		const job = applyPlan(fixturePath, out(), { plan: healed.planPath!, quantize: { type: "Q4_0", from: fixturePath } });
		await expect(job).rejects.toThrow(InvalidOptionError);
		await expect(job).rejects.toThrow(/cannot be combined with --quantize-from/);
	});
});

describe("a size with healing", () => {
	// The file's own matrices are Q8_0.
	it("is predicted from the header", async () => {
		const header = await readModelHeader(fixturePath, {});
		const types = healedTypes(header, { heal: true, healType: "F16" });
		expect([...types([3, 4, 7])]).toEqual([
			["blk.2.ffn_down.weight", 1],
			["blk.6.ffn_down.weight", 1],
		]);
		expect([...types([0, 1])]).toEqual([]);
		const file = header.file.tensor("blk.2.ffn_down.weight")!;
		expect(mostAdded(header, types)).toBeGreaterThanOrEqual(2 * file.dims[0]! * file.dims[1]! - file.source.size);
		// Quantized with the rest, or no larger than they were.
		expect([...healedTypes(header, { heal: true, healType: "F16", quantize: "Q4_0" })([3])]).toEqual([]);
		expect([...healedTypes(header, { heal: true })([3])]).toEqual([]);
		expect([...healedTypes(header, { healType: "Q4_K", heal: true })([3])]).toEqual([]);
		expect([...healedTypes(header, {})([3])]).toEqual([]);
	});
});
