import { describe, expect, it } from "vitest";
import { comparedAt } from "../../../src/pipeline/healing/reference-text.js";
import { Coalition } from "../../../src/game/coalition.js";
import { Random } from "../../../src/game/random.js";
import { applyFactors, findFactors } from "../../../src/model/fitting/factors.js";
import { healCuts } from "../../../src/model/fitting/heal.js";
import type { Recipe } from "../../../src/model/fitting/job.js";
import { restore } from "../../../src/model/fitting/standing.js";
import { findSite, type Site } from "../../../src/model/fitting/site.js";
import { readTensor } from "../../../src/model/fitting/tensors.js";
import { tuningFigure } from "../../../src/model/fitting/tuning.js";
import { Model } from "../../../src/model/runtime/model.js";
import {
	dequantizeBytes,
	type HiddenStates,
	hiddenStates,
	normalEquations,
	normSums,
	normWeights,
	outputPath,
	solveEquations,
	stateValues,
} from "../../../src/model/runtime/states.js";
import { makeWindows, type TokenWindows } from "../../../src/model/runtime/windows.js";
import { writePruned } from "../../../src/pipeline/writing/write-pruned.js";
import { hasTools, makeFixtures } from "../../conformance/fixtures.js";
import { mean } from "../../helpers/fixture.js";
import { ownHomes } from "../../helpers/home.js";
import { thorough } from "../../helpers/slow.js";

// Models of other architectures, small and with random weights: healing need not help there, but must give what is written.

const { folder, out } = ownHomes();
const removed = [2, 4];
const recipe: Recipe = { kind: "refit", ridge: 0.1, relative: 0 };

function randomWindows({ facts }: Model, count: number, seed: number): TokenWindows {
	const random = new Random(seed);
	return makeWindows(
		Int32Array.from({ length: count * 32 }, () => random.integer(facts.vocabulary)),
		32,
	);
}

async function healed(model: Model, how: Recipe = recipe) {
	const { ubatch, threads } = model.createEvaluator();
	return healCuts(model, {
		...{ removed, fit: randomWindows(model, 12, 1), type: "F16", ubatch, threads, recipes: removed.map(() => how) },
		mask: (set) => Coalition.ofRemoved(model.facts.blocks, set),
	});
}

const load = (architecture: string) => Model.load(makeFixtures(architecture, `${folder}/${architecture}`)[0]!, { threads: 2 });

describe.skipIf(!hasTools)("a healed model of another architecture", () => {
	it.each([
		["gemma3", "ffn_down", true],
		["gemma2", "ffn_down", true],
		["muse-glimmer", "ffn_down", true],
		["mamba", "ssm_out", false],
		["llama", "ffn_down", false],
	])("%s is written as it was measured", async (architecture, matrix, behindNorm) => {
		await using model = await load(architecture);
		const windows = randomWindows(model, 3, 2);
		const evaluator = model.createEvaluator();
		const mask = Coalition.ofRemoved(model.facts.blocks, removed);
		const kept = Array.from({ length: model.facts.blocks }, (_, i) => i).filter((block) => !removed.includes(block));
		const { ubatch, threads } = evaluator;
		const site = await findSite(model, { block: 1, after: 1 }, { windows, kept, ubatch, threads });
		expect(site).toMatchObject({ tensor: { name: `blk.1.${matrix}.weight` } });
		expect((site as { norm?: unknown }).norm !== undefined).toBe(behindNorm);
		const [before] = await evaluator.evaluate([mask], windows);
		const { tensors, cuts } = await healed(model);
		expect(tensors.map(({ name }) => name)).toEqual([1, 3].map((block) => `blk.${block}.${matrix}.weight`));
		for (const { explained } of cuts) expect(explained).toBeGreaterThan(0);
		const [after] = await evaluator.evaluate([mask], windows);
		expect(after!.losses).not.toEqual(before!.losses);
		const { losses } = after!;
		const output = out();
		const expected = { windows, losses, threads, ubatch, placement: model.placement, healed: tensors };
		const { verification } = await writePruned({ file: model.file, removed, sha256: "0".repeat(64), expected }, output, {});
		expect(verification).toMatch(/bit for bit/);
		await using written = await Model.load(output, { threads: 2 });
		const whole = Coalition.full(model.facts.blocks - removed.length);
		const [found] = await written.createEvaluator().evaluate([whole], windows);
		expect(mean(found!.losses)).toBeCloseTo(mean(losses), 10);
	});

	it.each([
		["with the norm behind each matrix", { ...recipe, normRidge: 0.3 }, ["blk.1.ffn_down.weight", "blk.1.post_ffw_norm.weight"]],
		["by the norms alone", { kind: "norm" as const, ridge: 0.3, relative: 0 }, ["blk.1.post_ffw_norm.weight"]],
	])("of gemma3, healed %s, is written as it was measured", async (_, how, first) => {
		await using model = await load("gemma3");
		const windows = randomWindows(model, 3, 2);
		const evaluator = model.createEvaluator();
		const { threads, ubatch } = evaluator;
		const measured = async () => (await evaluator.evaluate([Coalition.ofRemoved(model.facts.blocks, removed)], windows))[0]!.losses;
		const before = await measured();
		const { tensors, cuts } = await healed(model, how);
		expect(tensors.map(({ name }) => name)).toEqual([...first, ...first.map((name) => name.replace("blk.1", "blk.3"))]);
		expect(cuts.map(({ norm }) => norm)).toEqual(["blk.1.post_ffw_norm.weight", "blk.3.post_ffw_norm.weight"]);
		const losses = await measured();
		expect(losses).not.toEqual(before);
		const output = out();
		const expected = { windows, losses, threads, ubatch, placement: model.placement, healed: tensors };
		expect((await writePruned({ file: model.file, removed, sha256: "0".repeat(64), expected }, output, {})).verification).toMatch(
			/bit for bit/,
		);
		await restore(model, tensors);
		const again = await healed(model, how);
		expect(again.tensors).toEqual(tensors);
		await restore(model, again.tensors);
		expect(await measured()).toEqual(before);
	});

	it.runIf(thorough)("of gemma3 has the norms that the loss chose, and again by their recipes", async () => {
		await using model = await load("gemma3");
		const { ubatch, threads } = model.createEvaluator();
		const input = {
			...{ removed, type: "F16" as const, ubatch, threads },
			mask: (set: readonly number[]) => Coalition.ofRemoved(model.facts.blocks, set),
		};
		// Random weights know no text: on some texts a norm lowers the loss, on others it does not.
		const chosen: Recipe[] = [];
		for (let seed = 1; seed <= 8; seed++) {
			const text = { fit: randomWindows(model, 12, seed), tuning: randomWindows(model, 4, 100 + seed) };
			const { tensors, cuts } = await healCuts(model, { ...input, ...text, kinds: [] });
			await restore(model, tensors);
			expect(tensors.map(({ name }) => name)).toEqual(cuts.flatMap(({ norm }) => (norm ? [norm] : [])));
			for (const { recipe: how, tuning } of cuts) if (how) expect(tuning!.after).toBeLessThan(tuning!.before);
			chosen.push(...cuts.flatMap(({ recipe: how }) => (how ? [how] : [])));
			const again = await healCuts(model, { ...input, fit: text.fit, recipes: cuts.map(({ recipe: how }) => how) });
			await restore(model, again.tensors);
			expect(again.tensors).toEqual(tensors);
		}
		expect(chosen.length).toBeGreaterThan(0);
		expect(new Set(chosen.map(({ kind }) => kind))).toEqual(new Set(["norm"]));
	});

	it("of experts is refused, cut by cut, and left as it is", async () => {
		await using model = await load("olmoe");
		const windows = randomWindows(model, 3, 2);
		const losses = async () => (await model.createEvaluator().evaluate([Coalition.ofRemoved(model.facts.blocks, removed)], windows))[0]!;
		const before = await losses();
		const { tensors, cuts } = await healed(model);
		expect(tensors).toEqual([]);
		for (const [i, { reason, recipe: done }] of cuts.entries()) {
			expect(reason).toContain(`blk.${[1, 3][i]}.attn_output.weight`);
			expect(reason).toMatch(/not added to the residual stream unchanged/);
			expect(done).toBeUndefined();
		}
		expect((await losses()).losses).toEqual(before.losses);
	});
});

describe.skipIf(!hasTools)("heads behind a cut", () => {
	it.each([
		["gemma3", "attn_q_norm", 1],
		["olmo2", "attn_q_norm", "heads"],
		["qwen3", "attn_q_norm", 1],
		["llama", "attn_q", "heads"],
	] as const)("of %s ask with what %s gives: %s factors", async (architecture, asking, groups) => {
		await using model = await load(architecture);
		const evaluator = model.createEvaluator();
		const { ubatch, threads } = evaluator;
		const text = (await comparedAt(evaluator, randomWindows(model, 3, 2), { share: 1, seed: 0 }, {}))!;
		const mask = (set: readonly number[]) => Coalition.ofRemoved(model.facts.blocks, set);
		const found = await findFactors(model, { ...{ removed, healed: [], ...text, passes: 1000, ubatch, threads, mask } });
		const now = await tuningFigure(evaluator, mask(removed), text);
		expect(now).toBeCloseTo(found.after, 10);
		expect(found.after).toBeLessThan(found.before);
		const rows = found.factors.filter(({ by }) => by === "rows");
		expect(rows.length).toBeGreaterThan(0);
		for (const { tensor, factors } of rows) {
			expect(tensor).toMatch(new RegExp(`^blk\\.\\d+\\.${asking}\\.weight$`));
			expect(factors.length).toBe(groups === "heads" ? model.file.number(`${model.file.architecture}.attention.head_count`) : groups);
		}
		await restore(model, found.tensors);
		const again = await applyFactors(model, found.factors);
		expect(await tuningFigure(evaluator, mask(removed), text)).toBe(now);
		await restore(model, again);
	});
});

describe.skipIf(!hasTools)("the norm behind a matrix", () => {
	it("is fitted to what it should give: itself, where nothing is missing, and another one where that one gave the states", async () => {
		await using model = await load("gemma3");
		const windows = randomWindows(model, 4, 3);
		const { ubatch, threads } = model.createEvaluator();
		const kept = Array.from({ length: model.facts.blocks }, (_, i) => i);
		const run = { windows, kept, ubatch, threads };
		const site = (await findSite(model, { block: 1, after: 1 }, run)) as Site;
		const { tensor, scale, norm, normTensor } = site;
		expect(scale).toBeCloseTo(1, 4);
		expect(norm!.epsilon).toBe(model.file.number("gemma3.attention.layer_norm_rms_epsilon"));
		const sumsTo = async (target: HiddenStates) => normSums(model, run, { weight: tensor.name, after: 1, target, scale, norm });
		const own = await sumsTo((await hiddenStates(model, run, [1]))[0]!);
		// The normalized value has a mean square of nearly 1 in each token (less because of epsilon); the first position of a window is left out.
		const tokens = windows.count * (windows.length - 1);
		const square = own.squares.reduce((sum, each) => sum + each, 0) / (tokens * norm!.weights.length);
		expect(square).toBeLessThan(1);
		expect(square).toBeGreaterThan(0.9);
		for (const ridge of [1e-9, 1]) expectNear(normWeights(own, norm!, ridge), norm!.weights);

		const other = norm!.weights.map((weight, i) => weight * (1 + (i % 5) / 4));
		await model.replaceTensor(normTensor!.name, { type: 0, bytes: new Uint8Array(other.buffer) });
		const target = (await hiddenStates(model, run, [1]))[0]!;
		await model.replaceTensor(normTensor!.name);
		const found = await sumsTo(target);
		expectNear(normWeights(found, norm!, 1e-9), other);
		const held = normWeights(found, norm!, 1);
		// Pulled towards the old ones: between the two.
		for (const [i, weight] of held.entries())
			if (i % 5 > 0) expect((weight - norm!.weights[i]!) / (other[i]! - norm!.weights[i]!)).toBeLessThan(0.9);
	});
});

describe.skipIf(!hasTools)("a matrix before a norm", () => {
	it("is seen through the norm whatever its length, also beside the norm's epsilon", async () => {
		await using model = await load("gemma3");
		const windows = randomWindows(model, 2, 3);
		const kept = Array.from({ length: model.facts.blocks }, (_, i) => i);
		const run = { windows, kept, ubatch: 256, threads: 2 };
		const { tensor, norm } = (await findSite(model, { block: 1, after: 1 }, run)) as Site;
		const values = await dequantizeBytes(model, await readTensor(tensor), { type: tensor.type, rowLength: tensor.dims[0]! });
		for (const times of [1, 0.03, 0.001]) {
			const bytes = new Uint8Array(values.map((value) => value * times).buffer);
			await model.replaceTensor(tensor.name, { type: 0, bytes });
			const { scale, unexplained } = await outputPath(model, run, { weight: tensor.name, after: 1, norm });
			expect(scale).toBeCloseTo(1, 3);
			expect(unexplained).toBeLessThan(1e-4);
		}
		await model.replaceTensor(tensor.name);
	});

	it("is held alike whatever its length: a norm takes that out", async () => {
		await using model = await load("gemma3");
		const windows = randomWindows(model, 4, 3);
		const all = Array.from({ length: model.facts.blocks }, (_, i) => i);
		const run = { windows, kept: all.filter((block) => block !== 2), ubatch: 256, threads: 2 };
		const { tensor, norm, scale } = (await findSite(model, { block: 1, after: 1 }, run)) as Site;
		const [target] = await hiddenStates(model, { ...run, kept: all }, [2]);
		const values = await dequantizeBytes(model, await readTensor(tensor), { type: tensor.type, rowLength: tensor.dims[0]! });
		const updated = async (times: number, through: boolean) => {
			const standing = values.map((value) => value * times);
			await model.replaceTensor(tensor.name, { type: 0, bytes: new Uint8Array(standing.buffer.slice(0)) });
			const settings = { weight: tensor.name, after: 1, target: target!, scale, norm };
			const { inputs, outputs } = await normalEquations(model, run, settings, ["inputs", "outputs"]);
			const how = { ridge: 1, threads: 2, ...(through ? { through: standing } : {}) };
			const { update } = await solveEquations(model, (through ? outputs : inputs)!, how);
			return update.map((value) => value / times);
		};
		// So long that the norm's epsilon is nothing compared with it. A map's ridge is on its inputs.
		for (const through of [false, true]) expectNear(await updated(1e4, through), await updated(1e3, through));
		await model.replaceTensor(tensor.name);
	});

	it("is found again by what it gave through the norm, also where weights of the norm are small", async () => {
		await using model = await load("gemma3");
		const windows = randomWindows(model, 24, 3);
		const kept = Array.from({ length: model.facts.blocks }, (_, i) => i);
		const run = { windows, kept, ubatch: 256, threads: 2 };
		const { tensor, norm, normTensor, scale } = (await findSite(model, { block: 1, after: 1 }, run)) as Site;
		const weights = norm!.weights.map((weight, i) => (i % 7 === 0 ? 1e-4 * weight : weight));
		await model.replaceTensor(normTensor!.name, { type: 0, bytes: new Uint8Array(weights.buffer) });
		const random = new Random(5);
		const row = tensor.dims[0]!;
		const values = await dequantizeBytes(model, await readTensor(tensor), { type: tensor.type, rowLength: row });
		const size = Math.sqrt(mean(Float64Array.from(values, (value) => value ** 2)));
		const other = values.map((value) => value + size * (2 * random.uniform() - 1));
		const states = async (matrix: Float32Array) => {
			await model.replaceTensor(tensor.name, { type: 0, bytes: new Uint8Array(matrix.buffer.slice(0)) });
			const [held] = await hiddenStates(model, run, [1]);
			return held!;
		};
		const target = await states(other);
		const wanted = await stateValues(model, target);
		const error = async (matrix: Float32Array) => {
			const found = await stateValues(model, await states(matrix));
			return Math.sqrt(mean(Float64Array.from(wanted, (value, i) => (value - found[i]!) ** 2)));
		};
		const before = await error(values);
		const settings = { weight: tensor.name, after: 1, target, scale, norm: { ...norm!, weights } };
		const { inputs } = await normalEquations(model, run, settings, ["inputs"]);
		const { update, explained } = await solveEquations(model, inputs!, { ridge: 1e-4, threads: 2 });
		const after = await error(values.map((value, i) => value + update[i]!));
		expect(after).toBeLessThan(0.3 * before);
		// The explained share is of the squares as they reach the stream.
		expect(explained).toBeCloseTo(1 - (after / before) ** 2, 1);
		await model.replaceTensor(tensor.name);
		await model.replaceTensor(normTensor!.name);
	});
});

function expectNear(found: Float32Array, wanted: Float32Array): void {
	const largest = Math.max(...wanted.map(Math.abs));
	for (const [i, value] of found.entries()) expect(Math.abs(value - wanted[i]!)).toBeLessThan(1e-3 * largest);
}
