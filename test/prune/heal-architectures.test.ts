import { describe, expect, it } from "vitest";
import { Coalition } from "../../src/game/coalition.js";
import { Random } from "../../src/game/random.js";
import { healCuts } from "../../src/healing/heal.js";
import { findSite } from "../../src/healing/site.js";
import { Model } from "../../src/runtime/model.js";
import { makeWindows, type TokenWindows } from "../../src/runtime/windows.js";
import { writePruned } from "../../src/write.js";
import { hasTools, makeFixtures } from "../conformance/fixtures.js";
import { mean } from "../helpers/fixture.js";
import { ownHomes } from "../helpers/home.js";

// Models of other architectures, small and with random weights: what healing does there need not help, but must be what is written.

const { folder, out } = ownHomes();
const removed = [2, 4];
const recipe = { kind: "refit" as const, ridge: 0.1, relative: 0 };

function randomWindows({ facts }: Model, count: number, seed: number): TokenWindows {
	const random = new Random(seed);
	return makeWindows(
		Int32Array.from({ length: count * 32 }, () => random.integer(facts.vocabulary)),
		32,
	);
}

async function healed(model: Model) {
	const { ubatch, threads } = model.createEvaluator();
	return healCuts(model, {
		...{ removed, fit: randomWindows(model, 12, 1), type: "F16", ubatch, threads, recipes: removed.map(() => recipe) },
		mask: (set) => Coalition.ofRemoved(model.facts.blocks, set),
	});
}

const load = (architecture: string) => Model.load(makeFixtures(architecture, `${folder}/${architecture}`)[0]!, { threads: 2 });

describe.skipIf(!hasTools)("a healed model of another architecture", () => {
	it.each([
		["gemma3", "ffn_down", true],
		["gemma2", "ffn_down", true],
		["mamba", "ssm_out", false],
		["llama", "ffn_down", false],
	])("%s is written as it was measured", async (architecture, matrix, behindNorm) => {
		await using model = await load(architecture);
		const windows = randomWindows(model, 3, 2);
		const evaluator = model.createEvaluator();
		const mask = Coalition.ofRemoved(model.facts.blocks, removed);
		const kept = Array.from({ length: model.facts.blocks }, (_, i) => i).filter((block) => !removed.includes(block));
		const { ubatch, threads } = evaluator;
		const site = await findSite(model, 1, { windows, kept, ubatch, threads });
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
		const expected = { windows, losses, threads, ubatch, exact: true, healed: tensors };
		const { verification } = await writePruned(model.file, output, removed, "0".repeat(64), expected, {});
		expect(verification).toMatch(/bit for bit/);
		await using written = await Model.load(output, { threads: 2 });
		const whole = Coalition.full(model.facts.blocks - removed.length);
		const [found] = await written.createEvaluator().evaluate([whole], windows);
		expect(mean(found!.losses)).toBeCloseTo(mean(losses), 10);
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
			expect(reason).toMatch(/not added to the residual stream as it is/);
			expect(done).toBeUndefined();
		}
		expect((await losses()).losses).toEqual(before.losses);
	});
});
