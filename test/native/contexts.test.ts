import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Coalition } from "../../src/game/coalition.js";
import type { EvaluationStats } from "../../src/model/runtime/evaluator.js";
import { loadAddon } from "../../src/model/runtime/load-addon.js";
import { availableMemory } from "../../src/model/runtime/memory.js";
import { Model } from "../../src/model/runtime/model.js";
import { runSpeed } from "../../src/model/runtime/speed.js";
import { blockExecutions } from "../../src/game/executions.js";
import type { TokenWindows } from "../../src/model/runtime/windows.js";
import { blocks, changedFixture, fixturePath, fixtureWindows, fullSet, removing, renamedFixture } from "../helpers/fixture.js";
import { tempFolder } from "../helpers/temp-folder.js";

// A context stays with its model for the next call of the same shape; earlier runs must not affect later ones.

const windows = fixtureWindows(3);
const masks = [fullSet, removing(3, 6, 9), removing(0), removing(11)];

async function bits(model: Model, given: readonly Coalition[] = masks, of: TokenWindows = windows): Promise<string[]> {
	const evaluations = await model.createEvaluator().evaluate(given, of, { digest: true });
	return evaluations.map(({ digests }) => String(digests));
}

describe("a context that is used again", () => {
	let model: Model;
	let alone: string[];
	beforeAll(async () => {
		model = await Model.load(fixturePath, { threads: 2 });
		alone = [];
		for (const mask of masks) {
			const fresh = await Model.load(fixturePath, { threads: 2 });
			alone.push(...(await bits(fresh, [mask])));
			await fresh.dispose();
		}
	});
	afterAll(() => model.dispose());

	it("gives the bits of one that is new, call after call", async () => {
		for (let round = 0; round < 3; round++) {
			for (const i of [3, 0, 2, 1]) expect(await bits(model, [masks[i]!])).toEqual([alone[i]]);
			expect(await bits(model)).toEqual(alone);
		}
	});

	it.each<[string, (model: Model) => Promise<unknown>]>([
		["windows of another shape", (model) => bits(model, masks, fixtureWindows(2, 64))],
		["a part of the positions", (model) => model.createEvaluator().evaluate(masks, windows, { scoreFrom: 100 })],
		["hidden states compared", (model) => model.createEvaluator().similarities(windows)],
		["text drawn", (model) => model.sample([Int32Array.of(1)], { length: 8, seed: 1 })],
		[
			"a batch that was cancelled",
			(model) => {
				const controller = new AbortController();
				const onCandidate = () => controller.abort(new Error("enough"));
				const many = Array.from({ length: 400 }, (_, i) => Coalition.ofRemoved(blocks, [i % blocks, (5 * i + 1) % blocks]));
				const job = model.createEvaluator({ sharePrefixes: false }).evaluate(many, windows, { signal: controller.signal, onCandidate });
				return expect(job).rejects.toThrow("enough");
			},
		],
		[
			"the same model loaded a second time",
			async (model) => {
				const other = await Model.load(model.path, { threads: 2 });
				expect(await bits(other)).toEqual(alone);
				expect(await bits(model)).toEqual(alone);
				expect(await bits(other)).toEqual(alone);
				await other.dispose();
			},
		],
		[
			"both models at once",
			async (model) => {
				const other = await Model.load(model.path, { threads: 1 });
				const [a, b] = await Promise.all([bits(other), bits(model)]);
				expect(b).toEqual(alone);
				expect(a.length).toBe(alone.length);
				await other.dispose();
			},
		],
	])("after %s too", async (_, before) => {
		expect(await bits(model)).toEqual(alone);
		await before(model);
		expect(await bits(model)).toEqual(alone);
	});
});

describe("contexts", () => {
	const folder = tempFolder();
	const made = async () => (await loadAddon()).info().contextsMade;
	const oneMore = async (work: () => Promise<unknown>) => {
		const before = await made();
		await work();
		return (await made()) - before;
	};

	it("are made once for calls of one shape, and anew once another model or work needed the memory", async () => {
		const [model, other] = [await Model.load(fixturePath, { threads: 2 }), await Model.load(fixturePath, { threads: 2 })];
		expect(await oneMore(() => bits(model))).toBe(1);
		expect(await oneMore(() => bits(model, [removing(4)]))).toBe(0);
		expect(await oneMore(() => bits(model, masks, fixtureWindows(2, 64)))).toBe(1);
		expect(await oneMore(() => bits(model))).toBe(1);
		for (const work of [
			() => bits(other),
			async () => availableMemory(),
			async () => (await Model.load(fixturePath)).dispose(),
			() => other.sample([Int32Array.of(1)], { length: 4 }),
			() => runSpeed([{ model: other }], { promptTokens: 8, generatedTokens: 1, repetitions: 1, context: 64, threads: 2 }),
		]) {
			await work();
			expect(await oneMore(() => bits(model))).toBe(1);
		}
		for (let round = 0; round < 3; round++) {
			await Promise.all([bits(model), bits(other)]);
			expect((await loadAddon()).info().contextsLive).toBe(1);
		}
		await model.dispose();
		await other.dispose();
		await expect.poll(async () => (await loadAddon()).info().contextsLive).toBe(0); // a job that ends frees its model a little later
	});

	it("do not carry what is not a number from one call to the next", async () => {
		// Block 5 breaks the model; windows of several ubatches leave cells of the memory that later decodes find.
		const path = await changedFixture(join(folder, "broken.gguf"), (content) => ({
			...content,
			tensors: content.tensors.map((tensor) =>
				tensor.name === "blk.5.attn_norm.weight"
					? { ...tensor, source: new Uint8Array(new Float32Array(tensor.dims[0]!).fill(Number.NaN).buffer) }
					: tensor,
			),
		}));
		const model = await Model.load(path, { threads: 2 });
		const whole = [removing(5), removing(5, 9)];
		const measure = async (mask: Coalition) =>
			(await model.createEvaluator({ ubatch: 48 }).evaluate([mask], windows, { digest: true }))[0]!;
		const clean = [];
		for (const mask of whole) clean.push((await measure(mask)).digests);
		for (const [i, mask] of whole.entries()) {
			expect((await measure(fullSet)).losses[0]).toBeNaN();
			expect((await measure(mask)).digests).toEqual(clean[i]);
		}
		await model.dispose();
	});
});

describe("an architecture whose blocks count from the first one", () => {
	const folder = tempFolder();
	let model: Model;
	beforeAll(async () => {
		// Every fourth block has no rotary positions: a part from block 4 or 8 on runs as it would from block 0.
		model = await Model.load(await renamedFixture(folder, "smollm3"), { threads: 2 });
	});
	afterAll(() => model.dispose());

	const sets = [fullSet, removing(11), removing(10, 11), removing(8, 9, 10, 11), removing(4, 5, 6, 7), removing(0, 1, 2, 3)];

	it("resumes if that is the same, and gives the same bits", async () => {
		const evaluator = model.createEvaluator();
		expect([3, 4, 5, 8, 9].map((depth) => evaluator.resumes(fullSet, depth))).toEqual([false, true, false, true, false]);
		// After the removed blocks 4 to 7 comes block 8.
		expect([4, 5, 8].map((depth) => evaluator.resumes(removing(4, 5, 6, 7), depth))).toEqual([true, true, true]);
		let stats: EvaluationStats | undefined;
		const together = await evaluator.evaluate(sets, windows, { digest: true, onCandidate: (_, __, now) => (stats = now) });
		const whole = await model.createEvaluator({ sharePrefixes: false }).evaluate(sets, windows, { digest: true });
		expect(together.map(({ digests }) => digests)).toEqual(whole.map(({ digests }) => digests));
		expect(stats!.blocksDone).toBe(blockExecutions(sets, evaluator.resumes));
		expect(stats!.blocksDone).toBeLessThan(blockExecutions(sets, () => false));
		expect(stats!.blocksDone).toBeGreaterThan(blockExecutions(sets));
	});
});
