import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Coalition } from "../../src/game/coalition.js";
import type { SweepStats } from "../../src/runtime/addon.js";
import { Model } from "../../src/runtime/model.js";
import { blockExecutions } from "../../src/game/executions.js";
import type { TokenWindows } from "../../src/runtime/windows.js";
import { fixturePath, fixtureWindows, fullSet, removing, renamedFixture } from "../helpers/fixture.js";
import { tempFolder } from "../helpers/temp-folder.js";

// A context stays with its model for the next call of the same shape; what was run before must not be seen in what comes after.

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
				const onMask = () => controller.abort(new Error("enough"));
				return model
					.createEvaluator()
					.evaluate(masks, windows, { signal: controller.signal, onMask })
					.catch(() => {});
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

describe("an architecture whose blocks count from the first one", () => {
	const folder = tempFolder();
	let model: Model;
	beforeAll(async () => {
		// Every fourth block has no rotary positions: what runs from block 4 or 8 on does so as from block 0.
		model = await Model.load(await renamedFixture(folder, "smollm3"), { threads: 2 });
	});
	afterAll(() => model.dispose());

	const sets = [fullSet, removing(11), removing(10, 11), removing(8, 9, 10, 11), removing(4, 5, 6, 7), removing(0, 1, 2, 3)];

	it("goes on where that is the same, and gives the same bits", async () => {
		const evaluator = model.createEvaluator();
		expect([3, 4, 5, 8, 9].map((depth) => evaluator.resumes(fullSet, depth))).toEqual([false, true, false, true, false]);
		// Behind blocks 4 to 7, removed, comes block 8.
		expect([4, 5, 8].map((depth) => evaluator.resumes(removing(4, 5, 6, 7), depth))).toEqual([true, true, true]);
		let stats: SweepStats | undefined;
		const together = await evaluator.evaluate(sets, windows, { digest: true, onMask: (_, __, now) => (stats = now) });
		const whole = await model.createEvaluator({ sharePrefixes: false }).evaluate(sets, windows, { digest: true });
		expect(together.map(({ digests }) => digests)).toEqual(whole.map(({ digests }) => digests));
		expect(stats!.blocksDone).toBe(blockExecutions(sets, evaluator.resumes));
		expect(stats!.blocksDone).toBeLessThan(blockExecutions(sets, () => false));
		expect(stats!.blocksDone).toBeGreaterThan(blockExecutions(sets));
	});
});
