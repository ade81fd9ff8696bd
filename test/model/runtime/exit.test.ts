import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { entryUrl, fixturePath, fixtureWindows, runModule } from "../../helpers/fixture.js";
import { tempFolder } from "../../helpers/temp-folder.js";

// A process that ends itself while the addon works: that is no crash, whatever runs. (Evaluating: disposing.test.ts.)

const folder = tempFolder();
const output = join(folder, "out.gguf");
const windowsCode = `api.makeWindows(Int32Array.from(${JSON.stringify([...fixtureWindows(2).tokens])}), 128)`;

/** What runs; `end` ends the process as soon as it is called. */
const works: Record<string, string> = {
	sampling: "(await api.Model.load(path)).sample(Array.from({ length: 500 }, () => Int32Array.of(0)), { length: 200, onProgress: end })",
	loading: "(async () => { for (;;) await (await api.Model.load(path, { onProgress: (share) => share > 0.6 && end() })).dispose(); })()",
	quantizing: `(async () => { setTimeout(end, 20); for (;;) await api.quantizeFile(path, ${JSON.stringify(output)}, "Q2_K", { overwrite: true }); })()`,
	"a whole run with healing": `api.pruneGguf(path, ${JSON.stringify(join(folder, "healed.gguf"))}, { remove: [3], heal: { tokens: 1024 }, windows: 2, windowLength: 32, onProgress: (event) => { if (/heal/i.test(event.phase)) end(); } })`,
};

describe("process.exit() during", () => {
	it.each(Object.keys(works))("%s ends the process with its code", async (name) => {
		const run = await runModule(
			`const path = ${JSON.stringify(fixturePath)};
			const end = () => process.exit(7);
			${works[name]}.catch((error) => { console.error(error); process.exit(1); });`,
			{ env: { PRUNE_GGUF_HOME: join(folder, "home") } },
		);
		expect(run, run.stderr).toMatchObject({ code: 7, signal: null });
	});

	it("an evaluation in a worker ends only that worker", async () => {
		const worker = `
			const api = await import(${JSON.stringify(entryUrl)});
			const model = await api.Model.load(${JSON.stringify(fixturePath)});
			const masks = Array.from({ length: 400 }, (_, i) => api.Coalition.parse((i + 1000).toString(2).padStart(12, "0")));
			await model.createEvaluator().evaluate(masks, ${windowsCode}, { onCandidate: (i) => { if (i > 1) process.exit(3); } });`;
		const run = await runModule(`
			import { Worker } from "node:worker_threads";
			const worker = new Worker(new URL("data:text/javascript," + encodeURIComponent(${JSON.stringify(worker)})));
			console.log("ended", await new Promise((resolve, reject) => { worker.once("exit", resolve); worker.once("error", reject); }));
			const model = await api.Model.load(${JSON.stringify(fixturePath)});
			console.log("alive", (await model.createEvaluator().evaluate([api.Coalition.full(12)], ${windowsCode})).length);
		`);
		expect(run.stdout.trim().split("\n"), run.stderr).toEqual(["ended 3", "alive 1"]);
		expect(run).toMatchObject({ code: 0, signal: null });
	});
});
