import { readFileSync, writeFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { applyPlan } from "../../../src/jobs/apply.js";
import { InvalidOptionError, InvalidPlanError } from "../../../src/errors.js";
import { GgufFile, type GgufTensor } from "../../../src/model/gguf/index.js";
import { cutsOf } from "../../../src/model/fitting/cuts.js";
import { healCuts } from "../../../src/model/fitting/heal.js";
import { restore } from "../../../src/model/fitting/standing.js";
import { readTensor, typeFor } from "../../../src/model/fitting/tensors.js";
import { pruneGguf } from "../../../src/jobs/prune.js";
import { Model } from "../../../src/model/runtime/model.js";
import { makeWindows } from "../../../src/model/runtime/windows.js";
import type { PruneResult } from "../../../src/api/index.js";
import { blocks, fixturePath, fixtureWindows, mean, removing } from "../../helpers/fixture.js";
import { ownHomes, small } from "../../helpers/home.js";
import { thorough } from "../../helpers/slow.js";

const { out, newHome } = ownHomes();
const removed = [3, 6, 7];
/** As many tokens as it takes to distinguish the change from chance. */
const run = { ...small, windows: 10, windowLength: 128, heal: { tokens: 6144 } };

describe("types of healed matrices", () => {
	const tensor = (type: number, row: number) => ({ name: "w", dims: [row, 8], type }) as unknown as GgufTensor;
	it("keep the values", () => {
		expect(typeFor(tensor(3, 64), "auto")).toBe(8); // Q4_1 -> Q8_0
		expect(typeFor(tensor(20, 48), "auto")).toBe(1); // rows that Q8_0 cannot hold: F16
		expect(typeFor(tensor(1, 64), "auto")).toBe(1);
		expect(typeFor(tensor(8, 64), "auto")).toBe(8);
		expect(typeFor(tensor(3, 64), "same")).toBe(3);
		expect(typeFor(tensor(3, 64), "F16")).toBe(1);
		expect(() => typeFor(tensor(1, 48), "Q8_0")).toThrow(/rows of 48 values/);
	});
});

describe("healing a removal", () => {
	const input = (model: Model) => ({
		...{ removed, fit: fixtureWindows(8), type: "auto" as const, ubatch: 256, threads: 2 },
		mask: (set: readonly number[]) => removing(...set),
		...{ model },
	});

	it("heals cuts in order and leaves the model as it was when it is restored", async () => {
		await using model = await Model.load(fixturePath, { threads: 2 });
		const windows = fixtureWindows(3);
		const measured = async () => [...(await model.createEvaluator().evaluate([removing(...removed)], windows))[0]!.losses];
		const before = await measured();
		const steps: number[] = [];
		const { tensors, cuts } = await healCuts(model, {
			...input(model),
			tuning: fixtureWindows(10),
			onProgress: (done) => steps.push(done),
		});
		expect(cuts.map(({ before: block }) => block)).toEqual([2, 5]);
		// It moves on within a cut, which takes minutes for a large model.
		expect([...new Set(steps.map(Math.floor))]).toEqual([0, 1, 2, 3]);
		expect(steps).toEqual([...steps].sort((a, b) => a - b));
		expect(steps.filter((done) => done % 1 > 0).length).toBeGreaterThan(8);
		for (const { tuning, explained } of cuts) {
			expect(tuning!.after).toBeLessThan(tuning!.before);
			expect(explained).toBeGreaterThan(0);
		}
		expect(cuts[1]!.tuning!.before).toBeCloseTo(cuts[0]!.tuning!.after, 12);
		expect(tensors.map(({ name }) => name)).toEqual(["blk.2.ffn_down.weight", "blk.5.ffn_down.weight"]);
		expect(mean(await measured())).toBeLessThan(mean(before) - 0.01);
		await restore(model, tensors);
		expect(await measured()).toEqual(before);
	});

	it("does the same again by its recipes, without text to decide on", async () => {
		await using model = await Model.load(fixturePath, { threads: 2 });
		const found = await healCuts(model, { ...input(model), tuning: fixtureWindows(10), kinds: ["map"], relatives: [1], ridges: [0.1, 1] });
		await restore(model, found.tensors);
		const again = await healCuts(model, { ...input(model), recipes: found.cuts.map(({ recipe }) => recipe) });
		expect(again.tensors).toEqual(found.tensors);
		expect(found.cuts.map(({ recipe }) => recipe?.kind)).toEqual(["map", "map"]);
	});

	it("leaves a cut at the very start alone, and says so", async () => {
		await using model = await Model.load(fixturePath, { threads: 2 });
		const { tensors, cuts } = await healCuts(model, { ...input(model), removed: [0, 1], tuning: fixtureWindows(4) });
		expect(tensors).toEqual([]);
		expect(cuts).toEqual([{ before: undefined, first: 0, last: 1, reason: expect.stringMatching(/very start/) }]);
	});

	it("leaves a cut alone whose matrix cannot be of the type, but not where that was to be done again", async () => {
		await using model = await Model.load(fixturePath, { threads: 2 });
		const recipes = cutsOf(removed).map(() => ({ kind: "refit" as const, ridge: 0.1, relative: 0 }));
		const own = { ...input(model), fit: fixtureWindows(2), tuning: fixtureWindows(2), type: "Q6_K" as const };
		const rows = model.file.tensor("blk.2.ffn_down.weight")!.dims[0]!;
		expect(rows % 256).not.toBe(0);
		const { tensors, cuts } = await healCuts(model, own);
		expect(tensors).toEqual([]);
		for (const { reason } of cuts) expect(reason).toMatch(/heal-type Q6_K does not fit blk/);
		await expect(healCuts(model, { ...own, recipes, mustHeal: true })).rejects.toThrow(InvalidOptionError);
	});

	it("leaves a cut alone where nothing that is tried helps", async () => {
		await using model = await Model.load(fixturePath, { threads: 2 });
		// Fitted to almost nothing, with a tiny ridge; judged on other text.
		const tuning = makeWindows(fixtureWindows(10).tokens.slice(6 * 128), 128);
		const { tensors, cuts } = await healCuts(model, {
			...input(model),
			...{ fit: fixtureWindows(1, 32), tuning, ridges: [1e-9], kinds: ["refit"], relatives: [0] },
		});
		expect(tensors).toEqual([]);
		for (const { reason, recipe } of cuts) expect([reason, recipe]).toEqual([expect.stringMatching(/no map/), undefined]);
		const [losses] = await model.createEvaluator().evaluate([removing(...removed)], fixtureWindows(3));
		await using fresh = await Model.load(fixturePath, { threads: 2 });
		expect(losses!.losses).toEqual((await fresh.createEvaluator().evaluate([removing(...removed)], fixtureWindows(3)))[0]!.losses);
	});
});

describe("a run that heals", () => {
	let result: PruneResult;
	let output: string;
	let unhealed: string;
	beforeAll(async () => {
		newHome();
		[output, unhealed] = [out(), out()];
		result = await pruneGguf(fixturePath, output, { ...run, remove: removed, report: `${output}.html` });
		await applyPlan(fixturePath, unhealed, { remove: removed, threads: 2 });
	});

	it("writes what it measured, and says how much better that is", async () => {
		const { heal, losses } = result.plan!;
		expect(heal!.applied).toBe(true);
		expect(heal!.validation!.difference).toBeLessThan(0);
		expect(heal!.heldOut!.before).toBeCloseTo(losses.heldOut!.pruned.mean!, 12);
		expect(heal!.added!.mean).toBeCloseTo(heal!.heldOut!.after! - losses.heldOut!.original.mean!, 10);
		expect(result.output!.verification).toMatch(/bit for bit/);
		expect(result.report!.quality!.figures[0]).toMatchObject({ name: "loss", after: heal!.heldOut!.after });
		expect(result.report!.verdict.headline).toMatch(/: 3, 6-7; healed\.$/);
		expect(result.report!.heal).toMatchObject({ applied: true, tokens: 6144, addedBytes: heal!.addedBytes });
		expect(readFileSync(`${output}.html`, "utf8")).toContain('<h2 id="healing">');
	});

	it("changes the healed matrices and nothing else", async () => {
		const [healed, plain] = [await GgufFile.read(output), await GgufFile.read(unhealed)];
		const changed: string[] = [];
		for (const tensor of healed.tensors) {
			const other = plain.tensor(tensor.name)!;
			const same = tensor.type === other.type && Buffer.from(await readTensor(tensor)).equals(await readTensor(other));
			if (!same) changed.push(tensor.name);
		}
		const { cuts, heads } = result.plan!.heal!;
		const healedMatrices = cuts.flatMap(({ recipe, tensor }) => (recipe ? [tensor!] : []));
		expect(healedMatrices.length).toBeGreaterThan(0);
		expect(heads).toBeUndefined();
		for (const { tuning } of cuts) expect(tuning!.by).toBe("divergence");
		const kept = Array.from({ length: blocks }, (_, block) => block).filter((block) => !removed.includes(block));
		const renumbered = (name: string) => name.replace(/\d+/, (block) => `${kept.indexOf(Number(block))}`);
		expect(changed).toEqual(healedMatrices.map(renumbered));
		expect(healed.entries.map(({ key }) => key)).toEqual(plain.entries.map(({ key }) => key));
		expect(result.plan!.heal!.addedBytes).toBe(healed.size - plain.size);
	});

	it("is done again by its plan, byte for byte", async () => {
		const again = out();
		newHome(); // the text is drawn again too
		const { heal } = await applyPlan(fixturePath, again, { plan: result.planPath!, threads: 2 });
		expect(heal).toEqual(result.plan!.heal);
		expect(readFileSync(again).equals(readFileSync(output))).toBe(true);
		const plain = out();
		await applyPlan(fixturePath, plain, { plan: result.planPath!, heal: false, threads: 2 });
		expect(readFileSync(plain).equals(readFileSync(unhealed))).toBe(true);
	});

	it("is not done again on other text", async () => {
		const plan = JSON.parse(readFileSync(result.planPath!, "utf8"));
		plan.heal.fit.sha256 = "0".repeat(64);
		const path = `${out()}.json`;
		writeFileSync(path, JSON.stringify(plan));
		await expect(applyPlan(fixturePath, out(), { plan: path, threads: 2 })).rejects.toThrow(InvalidPlanError);
	});

	it.runIf(thorough)("is what stands beside the original model quantized", async () => {
		const beside = out();
		const { plan } = await pruneGguf(fixturePath, beside, { ...run, remove: removed, quantizedAlternatives: true });
		const { pruned } = plan!.quantizedAlternatives!;
		expect(pruned.name).toBe("pruned and healed");
		expect(pruned.bytes).toBe((await GgufFile.read(beside)).size);
		expect(pruned.loss.mean).toBeCloseTo(plan!.heal!.heldOut!.after!, 12);
		expect(plan!.heal!.heldOut!.after).toBeLessThan(plan!.heal!.heldOut!.before!);
	});

	it.runIf(thorough)("also weighs heads behind the cuts, and its plan does so again, byte for byte", async () => {
		const [heads, again] = [out(), out()];
		const lines: string[] = [];
		const {
			plan,
			planPath,
			report,
			output: made,
		} = await pruneGguf(fixturePath, heads, {
			...{ ...run, remove: removed, heal: { ...run.heal, heads: true }, onLog: ({ message }) => lines.push(message) },
		});
		const { cuts, validation, heldOut: split } = result.plan!.heal!;
		expect(plan!.heal!.cuts.map(({ recipe, sha256 }) => [recipe, sha256])).toEqual(cuts.map(({ recipe, sha256 }) => [recipe, sha256]));
		expect(plan!.heal!.heads!.length).toBeGreaterThan(0);
		// They are kept if the divergence on the search split falls: that the loss falls elsewhere too is not promised.
		const falls = lines.map((line) => /on the search split (\S+) -> (\S+)/.exec(line)).find((match) => match)!;
		expect(Number(falls[2])).toBeLessThan(Number(falls[1]));
		expect(plan!.heal!.validation!.after).not.toBe(validation!.after);
		expect(plan!.heal!.heldOut!.after).not.toBe(split!.after);
		expect(plan!.heal!.addedBytes).toBe(result.plan!.heal!.addedBytes);
		expect(made!.verification).toMatch(/bit for bit/);
		expect(report!.heal!.heads).toEqual(plan!.heal!.heads);
		await applyPlan(fixturePath, again, { plan: planPath!, threads: 2 });
		expect(readFileSync(again).equals(readFileSync(heads))).toBe(true);
	});

	it.runIf(thorough)("can be quantized", async () => {
		const made = out();
		const { plan } = await pruneGguf(fixturePath, made, { ...run, remove: removed, quantize: "Q4_0" });
		expect(plan!.heal!.applied).toBe(true);
		expect(plan!.quantized!.loss.mean).toBeGreaterThan(plan!.heal!.heldOut!.after!);
		expect((await GgufFile.read(made)).number("llama.block_count")).toBe(blocks - removed.length);
	});
});

describe("options of healing", () => {
	it.each([
		[{ heal: { tokens: 100 }, remove: [3] }, /the tokens of heal must be a whole number from 1024 to 16000000/],
		[{ heal: { type: "Q3" as never }, remove: [3] }, /heal-type must be one of/],
		[{ heal: { kind: "maps" as never }, remove: [3] }, /heal-kind must be one of auto, refit, map, got maps/],
		[{ heal: true }, /say how much to remove/],
		[{ heal: true, remove: [3], quantize: { type: "Q4_0" as const, from: fixturePath } }, /cannot be combined with --quantize-from/],
	])("%j is refused", async (options, expected) => {
		const run = pruneGguf(fixturePath, out(), { ...small, ...options });
		await expect(run).rejects.toThrow(InvalidOptionError);
		await expect(run).rejects.toThrow(expected);
	});

	it("a plan that says nothing of healing is refused with --heal", async () => {
		const output = out();
		const { planPath } = await pruneGguf(fixturePath, output, { ...small, remove: [3] });
		await expect(applyPlan(fixturePath, out(), { plan: planPath!, heal: true })).rejects.toThrow(/says nothing of healing/);
	});
});
