import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Model } from "../../../src/model/runtime/model.js";
import { fixturePath, fixtureWindows, fullSet, removing } from "../../helpers/fixture.js";
import { patience } from "../../helpers/patience.js";

const windows = fixtureWindows();
const masks = Array.from({ length: 12 }, (_, i) => [removing(i), removing(i, (i + 1) % 12), removing(i, (i + 5) % 12)]).flat();
// Long enough that a test can act while it runs: some seconds.
const many = [...masks, ...masks.map((mask) => mask.without(0).without(11)), ...masks.map((mask) => mask.without(2).without(7))];

describe("cancelling", () => {
	let model: Model;
	beforeAll(async () => {
		model = await Model.load(fixturePath, { threads: 2 });
	});
	afterAll(() => model.dispose());
	const reason = new Error("the caller's own reason");

	it("before it begins", async () => {
		const signal = AbortSignal.abort(reason);
		await expect(Model.load(fixturePath, { signal })).rejects.toBe(reason);
		await expect(model.createEvaluator().evaluate([fullSet], windows, { signal })).rejects.toBe(reason);
		await expect(model.sample([Int32Array.of(0)], { length: 20, signal })).rejects.toBe(reason);
	});

	const jobs: [string, (signal: AbortSignal) => Promise<unknown>][] = [
		["a batch of masks", (signal) => model.createEvaluator().evaluate(many, windows, { signal })],
		[
			"sampling",
			(signal) =>
				model.sample(
					Array.from({ length: 500 }, () => Int32Array.of(0)),
					{ length: 256, signal },
				),
		],
	];

	it.each(jobs)("%s within a second", async (_, start) => {
		const controller = new AbortController();
		const job = start(controller.signal).catch((error: unknown) => error);
		await new Promise((resolve) => setTimeout(resolve, 150));
		const aborted = performance.now();
		controller.abort(reason);
		expect(await job).toBe(reason);
		expect(performance.now() - aborted).toBeLessThan(1000 * patience);
		expect((await model.createEvaluator().evaluate([fullSet], windows)).length).toBe(1);
	});

	it("inside a ubatch: one mask, all of whose windows run at once", async () => {
		const count = 200;
		const length = 256;
		const tokens = Int32Array.from({ length: count * length }, (_, i) => windows.tokens[i % windows.tokens.length]!);
		const evaluator = model.createEvaluator({ ubatch: count * length });
		const run = (signal?: AbortSignal) => evaluator.evaluate([fullSet], { tokens, count, length }, { signal });
		const started = performance.now();
		await run();
		const whole = performance.now() - started;
		const controller = new AbortController();
		const job = run(controller.signal).catch((error: unknown) => error);
		await new Promise((resolve) => setTimeout(resolve, 0.2 * whole));
		const aborted = performance.now();
		controller.abort(reason);
		expect(await job).toBe(reason);
		expect(performance.now() - aborted).toBeLessThan(0.5 * whole);
	});

	it("a batch that waits for another one, which goes on", async () => {
		const controller = new AbortController();
		let finished = 0;
		const first = model.createEvaluator().evaluate(masks, windows, { onCandidate: () => finished++ });
		const waiting = model
			.createEvaluator()
			.evaluate(masks, windows, { signal: controller.signal })
			.catch((error: unknown) => error);
		const third = model.createEvaluator().evaluate([fullSet], windows);
		await new Promise((resolve) => setTimeout(resolve, 50));
		controller.abort(reason);
		expect(await waiting).toBe(reason);
		expect(finished).toBeLessThan(masks.length);
		expect((await first).length).toBe(masks.length);
		expect((await third).length).toBe(1);
	});

	it("by an error of the caller's callback, which becomes the job's", async () => {
		let calls = 0;
		const failing = () => {
			calls++;
			throw reason;
		};
		await expect(model.createEvaluator().evaluate(masks, windows, { onCandidate: failing })).rejects.toBe(reason);
		expect(calls).toBe(1);
		await expect(model.sample([Int32Array.of(0)], { length: 100, onProgress: failing })).rejects.toBe(reason);
		await expect(Model.load(fixturePath, { onProgress: failing })).rejects.toBe(reason);
	});

	it("leaves the event loop free while it computes", async () => {
		let ticks = 0;
		const timer = setInterval(() => ticks++, 5);
		const started = performance.now();
		await model.createEvaluator().evaluate(masks, windows);
		clearInterval(timer);
		const elapsed = performance.now() - started;
		expect(elapsed).toBeGreaterThan(200);
		// Both cores compute: the loop has only a fraction of its turns, but some.
		expect(ticks).toBeGreaterThan(elapsed / 5 / 5);
	});
});
