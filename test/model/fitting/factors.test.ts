import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { drawPositions } from "../../../src/model/calibration/index.js";
import { Coalition } from "../../../src/game/coalition.js";
import { applyFactors, findFactors } from "../../../src/model/fitting/factors.js";
import { restore } from "../../../src/model/fitting/standing.js";
import { Model } from "../../../src/model/runtime/model.js";
import { blocks, fixturePath, fixtureWindows, fullSet } from "../../helpers/fixture.js";
import { thorough } from "../../helpers/slow.js";

let model: Model;
beforeAll(async () => {
	model = await Model.load(fixturePath, { threads: 2 });
});
afterAll(() => model.dispose());

const windows = fixtureWindows(6);
const positions = drawPositions(windows, { share: 0.5, seed: 1 });
const removed = [3, 6, 7];
const mask = (set: readonly number[]) => Coalition.ofRemoved(blocks, set);
const input = async (passes: number) => ({
	...{ removed, healed: [], windows, positions, passes, ubatch: 256, threads: 2, mask },
	reference: await model.createEvaluator({ ubatch: 256 }).createReference(fullSet, windows, { positions }),
});
const divergence = async (reference: Awaited<ReturnType<typeof input>>["reference"]) => {
	const [found] = await model.createEvaluator({ ubatch: 256 }).evaluate([mask(removed)], windows, { positions, reference });
	return found!.divergences!.reduce((sum, each) => sum + each, 0) / windows.count;
};

describe("factors behind a cut", () => {
	it("lower the divergence from the original model by what they say, and can be applied again to the same bytes", async () => {
		const given = await input(1000);
		const before = await divergence(given.reference);
		const steps: number[] = [];
		const found = await findFactors(model, { ...given, onProgress: (done) => steps.push(done) });
		const after = await divergence(given.reference);
		expect([found.before, found.after]).toEqual([before, after]);
		expect(after).toBeLessThan(0.98 * before);
		expect(steps.length).toBe(2 * (blocks - 3 - removed.length));
		// Behind the first cut only, one factor per head for its queries and one for its outputs.
		expect(new Set(found.factors.map(({ by }) => by))).toEqual(new Set(["rows", "columns"]));
		for (const { tensor, by, factors } of found.factors) {
			expect(Number(/blk\.(\d+)/.exec(tensor)![1])).toBeGreaterThan(3);
			expect(tensor).toContain(by === "rows" ? "attn_q.weight" : "attn_output.weight");
			expect(factors.length).toBe(model.file.value("llama.attention.head_count"));
			expect(factors.every((factor) => factor >= 0.5 && factor <= 1.5)).toBe(true);
		}
		expect(new Set(found.factors.flatMap(({ factors }) => factors)).size).toBeGreaterThan(4);
		await restore(model, found.tensors);
		expect(await divergence(given.reference)).toBe(before);
		const again = await applyFactors(model, found.factors);
		expect(again).toEqual(found.tensors);
		expect(await divergence(given.reference)).toBe(after);
		await restore(model, again);
	});

	it("are not sought where nothing may be spent, and near the cut where little may", async () => {
		const none = await findFactors(model, await input(0));
		expect([none.tensors, none.factors, none.after]).toEqual([[], [], none.before]);
		const few = await findFactors(model, await input(18));
		await restore(model, few.tensors);
		expect(few.tensors.length).toBeGreaterThan(0);
		expect(new Set(few.tensors.map(({ name }) => name.split(".")[1]))).toEqual(new Set(["4"]));
	});

	it.runIf(thorough)("leave matrices alone that were healed", async () => {
		const name = "blk.4.attn_output.weight";
		const found = await findFactors(model, { ...(await input(1000)), healed: [name] });
		await restore(model, found.tensors);
		expect(found.tensors.length).toBeGreaterThan(0);
		expect(found.tensors.map((tensor) => tensor.name)).not.toContain(name);
	});

	it("leave the model as it was when they are cancelled", async () => {
		const given = await input(1000);
		const before = await divergence(given.reference);
		const controller = new AbortController();
		let done = 0;
		const onProgress = () => ++done === 3 && controller.abort(new Error("enough"));
		await expect(findFactors(model, { ...given, signal: controller.signal, onProgress })).rejects.toThrow("enough");
		expect(await divergence(given.reference)).toBe(before);
	});

	it("of a plan must fit the matrix", async () => {
		await expect(
			applyFactors(model, [{ tensor: "blk.4.attn_output.weight", by: "columns", factors: [1, 1, 1, 1, 1, 1, 1] }]),
		).rejects.toThrow("7 groups");
		await expect(applyFactors(model, [{ tensor: "blk.99.attn_output.weight", by: "columns", factors: [1] }])).rejects.toThrow("blk.99");
	});
});
