import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Coalition } from "../../src/game/coalition.js";
import { pruneGguf } from "../../src/jobs/prune.js";
import { backendOf } from "../../src/model/runtime/backend.js";
import { Model } from "../../src/model/runtime/model.js";
import { readPlan } from "../../src/storage/plan.js";
import { blocks, fixturePath, fixtureWindows, fullSet, removing } from "../helpers/fixture.js";
import { ownHomes, small } from "../helpers/home.js";
import { deviceNames, loadOnDevice, onDevice } from "./device.js";

// Jobs on the device: what a user runs, on the 12-block model.

const { out } = ownHomes();
const windows = fixtureWindows(4);
const masks = [fullSet, removing(4), removing(3, 6, 9), Coalition.ofRemoved(blocks, [2.5])];

/** What is said of a file that computes what was measured. */
const verified = process.env.PRUNE_GGUF_TEST_EXACT === "1" ? /at most 0\.0e\+0 on/ : /computes what was measured/;
/** Nats of KL divergence by which two devices may differ on a candidate. */
const tolerance = 0.01;

describe("on the device", () => {
	let model: Model;
	beforeAll(async () => {
		await deviceNames();
		model = await loadOnDevice(fixturePath);
	});
	afterAll(() => model.dispose());

	it("KL divergence is that of the CPU, nearly, and 0 for the original model", async () => {
		await using onCpu = await Model.load(fixturePath, { threads: 2, gpuLayers: 0 });
		const [here, there] = await Promise.all(
			[onCpu, model].map(async (one) => {
				const evaluator = one.createEvaluator();
				const reference = await evaluator.createReference(fullSet, windows);
				return evaluator.evaluate(masks, windows, { reference });
			}),
		);
		for (const [i] of masks.entries()) {
			const differences = here![i]!.divergences!.map((value, w) => Math.abs(value - there![i]!.divergences![w]!));
			expect(Math.max(...differences), `candidate ${i}`).toBeLessThan(tolerance);
		}
		expect(Math.max(...there![0]!.divergences!)).toBeLessThan(1e-6);
		expect(Math.min(...there![0]!.agreements!)).toBe(1);
	});

	it("counts what a candidate takes over the bus: tokens there, logits back, and nothing on the CPU", async () => {
		await using onCpu = await Model.load(fixturePath, { threads: 2, gpuLayers: 0 });
		const moved = async (one: Model) => {
			const { bytesMoved: before } = await one.backendNow();
			await one.createEvaluator({ sharePrefixes: false }).evaluate([removing(4)], windows);
			return (await one.backendNow()).bytesMoved - before;
		};
		const { count, length } = windows;
		const logits = (scored: number) => 4 * count * (length + scored * model.facts.vocabulary);
		expect([logits(length), logits(length - 1)]).toContain(await moved(model));
		expect(await moved(onCpu)).toBe(0);
	});

	it("a batch is canceled within seconds, and the model computes on", async () => {
		const all = Array.from({ length: 12 }, (_, i) => [removing(i), removing(i, (i + 1) % 12), removing(i, (i + 5) % 12)]).flat();
		const many = [...all, ...all.map((mask) => mask.without(0).without(11)), ...all.map((mask) => mask.without(2).without(7))];
		const controller = new AbortController();
		const reason = new Error("the caller's own reason");
		let done = 0;
		const job = model
			.createEvaluator()
			.evaluate(many, fixtureWindows(), {
				signal: controller.signal,
				onCandidate: () => {
					if (++done === 2) controller.abort(reason);
				},
			})
			.catch((error: unknown) => error);
		expect(await job).toBe(reason);
		expect(done).toBeLessThan(many.length);
		expect((await model.createEvaluator().evaluate([fullSet], windows)).length).toBe(1);
	});

	it("the main job verifies what it writes on the device that measured, and its plan names it", async () => {
		const output = out();
		const search = { method: "leave-one-out" } as const;
		const result = await pruneGguf(fixturePath, output, { ...small, ...onDevice, search, removeBlocks: 3 });
		expect(result.output?.verification).toMatch(verified);
		const plan = await readPlan(`${output}.plan.json`);
		expect(plan.removed.length).toBe(3);
		expect(plan.backend).toBe(backendOf(model));
		expect(plan.backend).not.toBe("CPU");
	});

	// 19 minutes on lavapipe with one busy core.
	it("healing lowers the loss of the pruned model", { timeout: 1_800_000 }, async () => {
		const output = out();
		const result = await pruneGguf(fixturePath, output, {
			...{ ...small, ...onDevice, windowLength: 64, remove: [3, 7, 8] },
			heal: { tokens: 4096 },
		});
		expect(result.output?.verification).toMatch(verified);
		const { before, after } = (await readPlan(`${output}.plan.json`)).heal!.heldOut!;
		expect(after).toBeLessThan(before!);
	});
});
