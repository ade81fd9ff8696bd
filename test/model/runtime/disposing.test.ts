import { describe, expect, it } from "vitest";
import { DisposedError } from "../../../src/errors.js";
import { Model } from "../../../src/model/runtime/model.js";
import { patience } from "../../helpers/patience.js";
import { entryUrl, fixturePath, fixtureWindows, fullSet, removing, runModule } from "../../helpers/fixture.js";

const windows = fixtureWindows();
const masks = Array.from({ length: 12 }, (_, i) => [removing(i), removing(i, (i + 1) % 12), removing(i, (i + 5) % 12)]).flat();
// Long enough that a test can act while it runs: some seconds.
const many = [...masks, ...masks.map((mask) => mask.without(0).without(11)), ...masks.map((mask) => mask.without(2).without(7))];
const windowsCode = `api.makeWindows(Int32Array.from(${JSON.stringify([...windows.tokens])}), 128)`;

describe("disposing", () => {
	it("during an evaluation stops it with DisposedError; twice does nothing more", async () => {
		const model = await Model.load(fixturePath);
		const evaluator = model.createEvaluator();
		const running = evaluator.evaluate(many, windows).catch((error: unknown) => error);
		const waiting = evaluator.evaluate(many, windows).catch((error: unknown) => error);
		await new Promise((resolve) => setTimeout(resolve, 100));
		const started = performance.now();
		await Promise.all([model.dispose(), model.dispose()]);
		expect(performance.now() - started).toBeLessThan(1000 * patience);
		expect(await running).toBeInstanceOf(DisposedError);
		expect(await waiting).toBeInstanceOf(DisposedError);
		await model.dispose();
		await expect(evaluator.evaluate([fullSet], windows)).rejects.toThrow(DisposedError);
		await expect(model.sample([Int32Array.of(0)], { length: 8 })).rejects.toThrow(DisposedError);
		expect(() => model.tokenize("a")).toThrow(DisposedError);
		expect(() => model.applyChatTemplate([])).toThrow(DisposedError);
		expect(model.facts.blocks).toBe(12);
	});

	// That their memory is freed: kept-results.test.ts.
	it("is not needed: models are collected as garbage, idle or not; and in the same turn it stops a job (in a process of its own)", async () => {
		const run = await runModule(
			`
			import { setFlagsFromString } from "node:v8";
			import { runInNewContext } from "node:vm";
			setFlagsFromString("--expose-gc");
			const gc = runInNewContext("gc");
			const path = ${JSON.stringify(fixturePath)};
			const windows = ${windowsCode};
			const masks = Array.from({ length: 200 }, (_, i) => api.Coalition.parse((i + 1000).toString(2).padStart(12, "0")));
			const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

			// Forgotten without dispose(), idle.
			for (let i = 0; i < 5; i++) { await api.Model.load(path); }
			for (let i = 0; i < 5; i++) { gc(); await pause(5); }
			console.log("collected");

			// Forgotten while it computes: the job holds what it needs.
			let job = (await api.Model.load(path)).createEvaluator().evaluate(masks.slice(0, 8), windows);
			for (let i = 0; i < 10; i++) { gc(); await pause(10); }
			console.log("finished", (await job).length);

			// Disposed at once, in the same turn.
			const model = await api.Model.load(path);
			job = model.createEvaluator().evaluate(masks, windows);
			model.dispose();
			console.log(await job.catch((error) => error.code));
			`,
		);
		expect(run.stdout.trim().split("\n"), run.stderr).toEqual(["collected", "finished 8", "DISPOSED"]);
		expect(run).toMatchObject({ code: 0, signal: null });
	});

	it.each(["evaluate", "sample", "load"])("is not needed where a worker is ended midway: %s (in a process of its own)", async (mode) => {
		const worker = `
			import { parentPort } from "node:worker_threads";
			const api = await import(${JSON.stringify(entryUrl)});
			const path = ${JSON.stringify(fixturePath)};
			const model = await api.Model.load(path);
			const masks = Array.from({ length: 400 }, (_, i) => api.Coalition.parse((i + 1000).toString(2).padStart(12, "0")));
			const begun = () => parentPort.postMessage("begun");
			const modes = {
				evaluate: () => model.createEvaluator().evaluate(masks, ${windowsCode}, { onCandidate: begun }),
				sample: () => model.sample(Array.from({ length: 500 }, () => Int32Array.of(0)), { length: 256, onProgress: begun }),
				load: async () => { for (;;) await (await api.Model.load(path, { onProgress: begun })).dispose(); },
			};
			await modes[${JSON.stringify(mode)}]();
		`;
		const run = await runModule(`
			import { Worker } from "node:worker_threads";
			const source = new URL("data:text/javascript," + encodeURIComponent(${JSON.stringify(worker)}));
			for (let i = 0; i < 6; i++) {
				const worker = new Worker(source);
				await new Promise((resolve, reject) => { worker.once("message", resolve); worker.once("error", reject); });
				await new Promise((resolve) => setTimeout(resolve, 7 * i));
				const started = performance.now();
				const exit = await worker.terminate();
				if (performance.now() - started > 1500) console.log("slow");
				console.log("ended", exit);
			}
			const model = await api.Model.load(${JSON.stringify(fixturePath)});
			console.log("alive", (await model.createEvaluator().evaluate([api.Coalition.full(12)], ${windowsCode})).length);
		`);
		expect(run.stdout.trim().split("\n"), run.stderr).toEqual([...Array.from({ length: 6 }, () => "ended 1"), "alive 1"]);
		expect(run).toMatchObject({ code: 0, signal: null });
	});

	it("is not needed for the process to end by process.exit() during an evaluation", async () => {
		const run = await runModule(`
			const model = await api.Model.load(${JSON.stringify(fixturePath)});
			const masks = Array.from({ length: 400 }, (_, i) => api.Coalition.parse((i + 1000).toString(2).padStart(12, "0")));
			model.createEvaluator().evaluate(masks, ${windowsCode}, { onCandidate: (i) => { if (i) process.exit(7); } });
		`);
		expect(run, run.stderr).toMatchObject({ code: 7, signal: null });
	});
});
