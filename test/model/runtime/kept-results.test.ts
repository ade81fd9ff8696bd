import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Model } from "../../../src/model/runtime/model.js";
import { removeBlocks } from "../../../src/model/architectures/index.js";
import { GgufFile } from "../../../src/model/gguf/index.js";
import { changedFixture, entryUrl, fixturePath, fixtureWindows, runModule } from "../../helpers/fixture.js";
import { tempFolder } from "../../helpers/temp-folder.js";
import { firstOf, thorough } from "../../helpers/slow.js";

// A job's result must last no longer than its caller keeps it. Most of it is the addon's memory, which V8's heap does not show. So a
// separate process watches how much of it is resident.

const folder = tempFolder();
/** Few blocks: the test watches memory over many jobs. */
const blocks = 3;
let model: Model;
beforeAll(async () => {
	const file = await GgufFile.read(fixturePath);
	const path = await changedFixture(join(folder, "short.gguf"), () =>
		removeBlocks(file, [1, 2, 3, 4, 5, 6, 8, 9, 10], { version: "0", sourceSha256: "0" }),
	);
	model = await Model.load(path, { threads: 2 });
});
afterAll(() => model.dispose());

const { tokens } = fixtureWindows(1);
/** A forced collection, and the resident memory after it; handles of the addon are freed in a later turn. */
const watch = `
	import { setFlagsFromString } from "node:v8";
	import { runInNewContext } from "node:vm";
	setFlagsFromString("--expose-gc");
	const gc = runInNewContext("gc");
	const pause = () => new Promise((resolve) => setTimeout(resolve, 2));
	async function resident() {
		for (let i = 0; i < 3; i++) { gc(); await pause(); }
		return process.memoryUsage.rss();
	}
`;

/** Jobs by name: what runs one, and bytes that the addon holds of its result. */
const kinds: Readonly<Record<string, readonly [job: string, bytes: number]>> = {
	"evaluated sets": ["evaluator.evaluate([full, full.without(1)], windows, { perToken: true, reference })", 0],
	"the model's distributions": ["evaluator.createReference(full, windows)", 2 * 127 * 1024],
	"hidden states": ["hiddenStates(model, run, kept)", blocks * 128 * 128 * 4],
	"normal equations": [
		"normalEquations(model, run, { weight: 'blk.1.ffn_down.weight', after: 1, target }, ['inputs'])",
		8 * 384 * (384 + 128),
	],
	"sampled text": ["model.sample([Int32Array.of(5)], { length: 3 })", 0],
	similarities: ["evaluator.similarities(windows)", 0],
	"any result": ["model.runJob(undefined, async () => new Uint8Array(2 ** 19).fill(1))", 2 ** 19],
};

it.each(firstOf(3, Object.entries(kinds)))(
	"200 jobs leave nothing of what they gave: %s (in a process of its own)",
	async (_, [job, bytes]) => {
		const run = await runModule(`
		import { hiddenStates, normalEquations } from ${JSON.stringify(new URL("model/runtime/states.js", entryUrl).href)};
		${watch}
		const model = await api.Model.load(${JSON.stringify(model.path)}, { threads: 2 });
		const windows = api.makeWindows(Int32Array.from(${JSON.stringify([...tokens])}), 128);
		const evaluator = model.createEvaluator();
		const kept = Array.from({ length: ${blocks} }, (_, block) => block);
		const full = api.Coalition.full(${blocks});
		const run = { windows, kept, ubatch: 256, threads: 2 };
		const [target] = await hiddenStates(model, run, [1]);
		const reference = await evaluator.createReference(full, windows);
		const results = [];
		const jobs = async (count) => {
			for (let i = 0; i < count; i++) {
				results.push(new WeakRef(await (async () => ${job})()));
				if (i % 20 === 19) await resident();
			}
			return resident();
		};
		const before = await jobs(20);
		const grown = (await jobs(200)) - before;
		console.log(JSON.stringify({ grown, alive: results.filter((result) => result.deref()).length }));
	`);
		expect(run, run.stderr).toMatchObject({ code: 0, signal: null });
		const { grown, alive } = JSON.parse(run.stdout) as { grown: number; alive: number };
		expect(alive).toBeLessThan(5);
		expect(grown).toBeLessThan(Math.max(0.25 * 200 * bytes, 2 ** 24));
	},
);

it("40 models that are loaded and forgotten without dispose() leave nothing (in a process of its own)", async () => {
	const run = await runModule(`
		${watch}
		const windows = api.makeWindows(Int32Array.from(${JSON.stringify([...tokens.slice(0, 16)])}), 16);
		const loads = async (count) => {
			for (let i = 0; i < count; i++) {
				const model = await api.Model.load(${JSON.stringify(fixturePath)}, { threads: 1 });
				if (i % 2) await model.createEvaluator().evaluate([api.Coalition.full(12)], windows);
				if (i % 5 === 4) await resident();
			}
			return resident();
		};
		const before = await loads(10);
		console.log((await loads(40)) - before);
	`);
	expect(run, run.stderr).toMatchObject({ code: 0, signal: null });
	// One that stays takes 3 MB.
	expect(Number(run.stdout)).toBeLessThan(3e7);
});

it.runIf(thorough)("a long text is compared with a reference in the memory of a few parts (in a process of its own)", async () => {
	const parts = 40;
	const text = join(folder, "long.txt");
	const window = model.detokenize(fixtureWindows().tokens, { special: false });
	writeFileSync(text, window.repeat(Math.ceil(((parts + 1) * 4096) / model.tokenize(window).length)));
	const run = await runModule(
		`
		${watch}
		const seen = [];
		const onProgress = () => { gc(); seen.push(process.memoryUsage.rss()); };
		await api.evaluateModel(${JSON.stringify(model.path)}, { text: ${JSON.stringify(text)}, remove: [1], preset: "full", windowLength: 256, threads: 2, onProgress });
		console.log(JSON.stringify(seen));
		`,
		{ env: { PRUNE_GGUF_HOME: join(folder, "home") } },
	);
	expect(run, run.stderr).toMatchObject({ code: 0, signal: null });
	const seen = (JSON.parse(run.stdout) as number[]).slice(-parts);
	expect(seen).toHaveLength(parts);
	const part = 2 * 16 * 255 * 1024;
	expect(seen.at(-1)! - seen[5]!).toBeLessThan(5 * part);
});
