import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DisposedError, FileError, InvalidGgufError, InvalidOptionError, ModelLoadError } from "../../src/errors.js";
import { decodeValue, encodeEntry, type GgufContent } from "../../src/gguf/index.js";
import { Model } from "../../src/runtime/model.js";
import { changedFixture, entryUrl, fixturePath, fixtureWindows, fullSet, removing, runModule } from "../helpers/fixture.js";
import { tempFolder } from "../helpers/temp-folder.js";

const folder = tempFolder();
const windows = fixtureWindows();
const windowsCode = `api.makeWindows(Int32Array.from(${JSON.stringify([...windows.tokens])}), 128)`;
const masks = Array.from({ length: 12 }, (_, i) => [removing(i), removing(i, (i + 1) % 12), removing(i, (i + 5) % 12)]).flat();
// Long enough that a test can act while it runs: some seconds.
const many = [...masks, ...masks.map((mask) => mask.without(0).without(11)), ...masks.map((mask) => mask.without(2).without(7))];

function stated(content: GgufContent, key: string, type: "uint32" | "string", value: number | string): GgufContent {
	return { ...content, entries: [...content.entries.filter((entry) => entry.key !== key), encodeEntry(key, type, value)] };
}

/** Changes a list of strings. */
function changed(content: GgufContent, key: string, change: (values: readonly string[]) => readonly string[]): GgufContent {
	const entries = content.entries.map((entry) =>
		entry.key === key ? encodeEntry(key, "array", change((decodeValue(entry) as string[]).map(String)), "string") : entry,
	);
	return { ...content, entries };
}

describe("Model.load", () => {
	it("gives the facts of the file", async () => {
		const fractions: number[] = [];
		await using model = await Model.load(fixturePath, { onProgress: (fraction) => fractions.push(fraction) });
		expect(model.facts).toMatchObject({
			architecture: "llama",
			blocks: 12,
			tailBlocks: 0,
			vocabulary: 1024,
			contextLength: 256,
			width: 128,
			parameters: 2493568,
			bos: 0,
			eos: 0,
			addBos: true,
			addEos: false,
			chatTemplate: undefined,
		});
		expect(model.blocks).toMatchObject({ support: "exact", maxRemovable: 11 });
		expect(fractions.at(-1)).toBe(1);
		expect(fractions).toEqual([...fractions].sort((a, b) => a - b));
	});

	it("tokenizes and back", async () => {
		await using model = await Model.load(fixturePath);
		const text = "The whale — it's 3 metres \u{1F40B} long.\n\tEnd";
		const tokens = model.tokenize(text);
		expect(tokens[0]).toBe(0);
		expect(model.detokenize(tokens, { special: false })).toBe(text);
		expect([...model.tokenize(text, { addSpecial: false })]).toEqual([...tokens.subarray(1)]);
		expect(model.tokenize("").length).toBe(1);
		expect(model.applyChatTemplate([{ role: "user", content: "hello" }])).toBeUndefined();
		expect(() => model.detokenize(Int32Array.of(5000))).toThrow(/5000/);
	});

	it("says that a file is missing", async () => {
		await expect(Model.load(join(folder, "nowhere.gguf"))).rejects.toThrow(FileError);
		await expect(Model.load(folder)).rejects.toThrow(FileError);
		await expect(Model.load(join(folder, "nowhere.gguf"))).rejects.toThrow("nowhere.gguf");
	});

	it.each([0, 1.5, 513, Number.NaN])("refuses %d threads", async (threads) => {
		await expect(Model.load(fixturePath, { threads })).rejects.toThrow(InvalidOptionError);
	});

	it("gives llama.cpp's own words where tensors are missing", async () => {
		const path = await changedFixture(join(folder, "lacking.gguf"), (content) => ({
			...content,
			tensors: content.tensors.filter(({ name }) => name !== "blk.3.ffn_down.weight"),
		}));
		const error = await Model.load(path).then(
			() => undefined,
			(problem: unknown) => problem as ModelLoadError,
		);
		expect(error).toBeInstanceOf(ModelLoadError);
		expect(error).toMatchObject({ code: "MODEL_LOAD_FAILED" });
		expect(error!.message).toContain(path);
		expect((error!.cause as Error).message).toContain("blk.3.ffn_down.weight");
	});

	it("gives the same for a tensor of another shape", async () => {
		const path = await changedFixture(join(folder, "shape.gguf"), (content) => ({
			...content,
			tensors: content.tensors.map((tensor) => (tensor.name === "blk.0.attn_norm.weight" ? { ...tensor, dims: [64, 2] } : tensor)),
		}));
		await expect(Model.load(path)).rejects.toThrow(ModelLoadError);
	});

	it("survives files cut short and headers of garbage (in a process of its own)", async () => {
		const cuts = [0, 3, 4, 24, 1000, 20000, 30000, 100_000, 2_600_000, 2_692_351];
		writeFileSync(join(folder, "garbage.gguf"), Buffer.alloc(5000, 0xa5));
		const run = await runModule(
			`
			import { readFileSync, writeFileSync } from "node:fs";
			const whole = readFileSync(${JSON.stringify(fixturePath)});
			const report = async (name, path) => {
				console.log(name, await api.Model.load(path).then(async (model) => { await model.dispose(); return "loaded"; }, (error) => error instanceof api.PruneGgufError ? error.code : String(error.stack)));
			};
			await report("garbage", ${JSON.stringify(join(folder, "garbage.gguf"))});
			for (const cut of ${JSON.stringify(cuts)}) {
				writeFileSync("cut.gguf", whole.subarray(0, cut));
				await report(cut, "cut.gguf");
			}
			// Random bytes of the header overwritten: any typed error will do, or a model that still loads.
			let state = 1;
			const next = () => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) / 2 ** 32;
			for (let i = 0; i < 60; i++) {
				const bytes = Buffer.from(whole);
				for (let k = 0; k < 1 + (i % 3); k++) bytes[Math.floor(next() * 1500)] = Math.floor(next() * 256);
				writeFileSync("hurt.gguf", bytes);
				await report("hurt " + i, "hurt.gguf");
			}
			`,
			{ cwd: folder },
		);
		expect(run, run.stdout + run.stderr).toMatchObject({ code: 0, signal: null });
		const lines = run.stdout.trim().split("\n");
		expect(lines.slice(0, 1 + cuts.length)).toEqual(["garbage INVALID_GGUF", ...cuts.map((cut) => `${cut} INVALID_GGUF`)]);
		const hurt = lines.slice(1 + cuts.length);
		expect(hurt.length).toBe(60);
		for (const line of hurt) expect(line).toMatch(/ (loaded|INVALID_GGUF|MODEL_LOAD_FAILED|UNSUPPORTED_ARCHITECTURE|NOT_ENOUGH_MEMORY)$/);
	});

	it.each<[string, (content: GgufContent) => GgufContent, RegExp]>([
		[
			"a token twice",
			(content) => changed(content, "tokenizer.ggml.tokens", (tokens) => tokens.map((token, i) => (i === 9 ? tokens[8]! : token))),
			/twice/,
		],
		["no blocks", (content) => stated(content, "llama.block_count", "uint32", 0), /block_count/],
		["too many blocks", (content) => stated(content, "llama.block_count", "uint32", 513), /block_count/],
		["more experts used than there are", (content) => stated(content, "llama.expert_used_count", "uint32", 2), /experts/],
		["a scaling that nobody knows", (content) => stated(content, "llama.rope.scaling.type", "string", "square"), /square/],
	])("refuses what llama.cpp would end the process for: %s", async (name, change, message) => {
		const path = await changedFixture(join(folder, `${name.replaceAll(" ", "-")}.gguf`), change);
		const run = await runModule(`await api.Model.load(${JSON.stringify(path)}).catch((error) => console.log(error.code, error.message));`);
		expect(run, run.stderr).toMatchObject({ code: 0, signal: null });
		expect(run.stdout).toMatch(/^INVALID_GGUF/);
		expect(run.stdout).toMatch(message);
	});

	it("is refused by the file's header before anything is loaded", async () => {
		const path = join(folder, "text.gguf");
		writeFileSync(path, "this is no model");
		await expect(Model.load(path)).rejects.toThrow(InvalidGgufError);
	});
});

describe("sampling", () => {
	let model: Model;
	const start = Int32Array.of(0);
	beforeAll(async () => {
		model = await Model.load(fixturePath, { threads: 2 });
	});
	afterAll(() => model.dispose());

	it("is reproducible by its seed, and each sequence has a stream of its own", async () => {
		const prompts = Array.from({ length: 5 }, () => start);
		const [a, b, c] = [
			await model.sample(prompts, { length: 40, seed: 3 }),
			await model.sample(prompts, { length: 40, seed: 3 }),
			await model.sample(prompts, { length: 40, seed: 4 }),
		];
		expect(a).toEqual(b);
		expect(a).not.toEqual(c);
		expect(new Set(a!.map(String)).size).toBe(5);
		for (const sequence of a!) {
			expect(sequence.length).toBe(40);
			expect(sequence[0]).toBe(0);
		}
	});

	it("goes on from its prompt, up to the whole context", async () => {
		const prompt = model.tokenize("Call me");
		const [sequence] = await model.sample([prompt], { length: 256 });
		expect([...sequence!.subarray(0, prompt.length)]).toEqual([...prompt]);
		expect(sequence!.length).toBe(256);
		const [whole] = await model.sample([prompt], { length: prompt.length });
		expect(whole).toEqual(prompt);
		expect(await model.sample([], { length: 8 })).toEqual([]);
	});

	it("stops at the end where asked to", async () => {
		const sequences = await model.sample(
			Array.from({ length: 40 }, () => start),
			{ length: 200, stopAtEog: true, seed: 1 },
		);
		for (const sequence of sequences) {
			const end = sequence.indexOf(0, 1);
			expect(end === -1 ? sequence.length : end).toBe(end === -1 ? 200 : sequence.length - 1);
		}
	});

	it.each([
		{ length: 0 },
		{ length: -1 },
		{ length: 257 },
		{ length: 8, temperature: 0 },
		{ length: 8, temperature: -1 },
		{ length: 8, temperature: Number.NaN },
		{ length: 8, seed: -5 },
		{ length: 8, seed: 1.5 },
	])("refuses %o", async (options) => {
		await expect(model.sample([start], options)).rejects.toThrow(InvalidOptionError);
	});

	it("refuses prompts that are empty, too long or of another vocabulary", async () => {
		for (const prompt of [Int32Array.of(), new Int32Array(9), Int32Array.of(0, 1024), Int32Array.of(-1)]) {
			await expect(model.sample([start, prompt], { length: 8 })).rejects.toThrow(InvalidOptionError);
		}
	});
});

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
		expect(performance.now() - aborted).toBeLessThan(1000);
		expect((await model.createEvaluator().evaluate([fullSet], windows)).length).toBe(1);
	});

	it("a batch that waits for another one, which goes on", async () => {
		const controller = new AbortController();
		let finished = 0;
		const first = model.createEvaluator().evaluate(masks, windows, { onMask: () => finished++ });
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
		await expect(model.createEvaluator().evaluate(masks, windows, { onMask: failing })).rejects.toBe(reason);
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
		// Both cores compute: the loop gets a fraction of its turns, but never none.
		expect(ticks).toBeGreaterThan(elapsed / 5 / 5);
	});
});

describe("disposing", () => {
	it("during an evaluation stops it with DisposedError; twice does nothing more", async () => {
		const model = await Model.load(fixturePath);
		const evaluator = model.createEvaluator();
		const running = evaluator.evaluate(many, windows).catch((error: unknown) => error);
		const waiting = evaluator.evaluate(many, windows).catch((error: unknown) => error);
		await new Promise((resolve) => setTimeout(resolve, 100));
		const started = performance.now();
		await Promise.all([model.dispose(), model.dispose()]);
		expect(performance.now() - started).toBeLessThan(1000);
		expect(await running).toBeInstanceOf(DisposedError);
		expect(await waiting).toBeInstanceOf(DisposedError);
		await model.dispose();
		await expect(evaluator.evaluate([fullSet], windows)).rejects.toThrow(DisposedError);
		await expect(model.sample([Int32Array.of(0)], { length: 8 })).rejects.toThrow(DisposedError);
		expect(() => model.tokenize("a")).toThrow(DisposedError);
		expect(() => model.applyChatTemplate([])).toThrow(DisposedError);
		expect(model.facts.blocks).toBe(12);
	});

	it("is not needed: garbage is collected, idle or not; and in the same turn it stops a job (in a process of its own)", async () => {
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
				evaluate: () => model.createEvaluator().evaluate(masks, ${windowsCode}, { onMask: begun }),
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
			model.createEvaluator().evaluate(masks, ${windowsCode}, { onMask: (i) => { if (i) process.exit(7); } });
		`);
		expect(run, run.stderr).toMatchObject({ code: 7, signal: null });
	});
});
