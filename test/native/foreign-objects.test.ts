// The addon is given objects that it did not make, or made for another use: that is an error, and the process survives.
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { encodeEntry } from "../../src/model/gguf/index.js";
import { findAddon } from "../../src/model/runtime/load-addon.js";
import { changedFixture, fixturePath, fixtureWindows, runNode } from "../helpers/fixture.js";
import { tempFolder } from "../helpers/temp-folder.js";

const folder = tempFolder();

/** Runs code with the bare addon in a separate process, which a wrong cast may end. */
async function withAddon(code: string, path = fixturePath): Promise<string[]> {
	const tokens = JSON.stringify([...fixtureWindows(1, 32).tokens]);
	const run = await runNode([
		"--input-type=module",
		"-e",
		`
		import { createRequire } from "node:module";
		const addon = createRequire(import.meta.url)(${JSON.stringify(findAddon())});
		const quiet = () => {};
		const cancel = new addon.CancelToken();
		const model = await addon.NativeModel.load(${JSON.stringify(path)}, { gpuLayers: 0, mmap: true }, cancel, quiet);
		model.setViewRules({ leadingCounts: [], outputs: Array.from({ length: 12 }, () => []), feedForward: [], empty: [] });
		const tokens = Int32Array.from(${tokens});
		const run = { windowLength: 32, ubatch: 512, threads: 1, kept: Int32Array.from({ length: 24 }, (_, i) => i >> 1) };
		const settings = { weight: "blk.2.ffn_down.weight", after: 2, relative: 0, scale: 1, onInputs: true, onOutputs: false, normEpsilon: 0 };
		const sweep = {
			windowLength: 32, ubatch: 512, threads: 1, sharePrefixes: true, stateBytes: 0, stateType: "F32", scoreFrom: 0, batchWindows: 0,
			outputLast: false, perToken: false, digest: false, keepReference: true,
		};
		const all = new Uint8Array(12).fill(1);
		const { reference } = await model.evaluate(all, tokens, sweep, new addon.CancelToken(), quiet);
		const [states] = await model.hiddenStates(tokens, run, Int32Array.of(2), new addon.CancelToken());
		const [{ equations }] = await model.normalEquations(tokens, run, settings, states, new addon.CancelToken());
		const foreign = { undefined, null: null, number: 1, object: {}, array: [], model, cancel, reference, states, equations, proxy: new Proxy(cancel, {}) };
		const attempt = async (name, call) => {
			try { await call(); console.log(name + ": taken"); } catch (error) { console.log(name + ": " + error.name); }
		};
		const attempts = async (own, call) => {
			for (const [name, value] of Object.entries(foreign)) if (!own.includes(name)) await attempt(name, () => call(value));
		};
		${code}
		console.log("alive");
		`,
	]);
	expect(run, run.stderr).toMatchObject({ code: 0, signal: null });
	return run.stdout.trim().split("\n");
}

const others = (...own: string[]) =>
	["undefined", "null", "number", "object", "array", "model", "cancel", "reference", "states", "equations", "proxy"]
		.filter((name) => !own.includes(name))
		.map((name) => `${name}: TypeError`);

describe("a foreign object is a TypeError", () => {
	it.each([
		["load", 'addon.NativeModel.load("x.gguf", { gpuLayers: 0, mmap: true }, value, quiet)'],
		["evaluate", "model.evaluate(all, tokens, sweep, value, quiet)"],
		["similarities", "model.similarities(tokens, run, value)"],
		["sample", "model.sample([Int32Array.of(0)], { length: 2, temperature: 1, seed: 0, threads: 1 }, value, quiet)"],
		["hiddenStates", "model.hiddenStates(tokens, run, Int32Array.of(2), value)"],
		["normalEquations", "model.normalEquations(tokens, run, settings, states, value)"],
		["normSums", "model.normSums(tokens, run, settings, states, value)"],
		["outputPath", "model.outputPath(tokens, run, settings, value)"],
		["quantize", 'addon.quantize("x.gguf", "y.gguf", { fileType: 7, threads: 1, pure: false }, value, quiet)'],
		["solveEquations", "addon.solveEquations(equations, { ridge: 1, threads: 1 }, undefined, value)"],
		["timeLeastSquares", "addon.timeLeastSquares({ inputs: 4, outputs: 4, rows: 4, threads: 1, onOutputs: false }, value)"],
		["quantizeValues", "addon.quantizeValues(new Float32Array(32), 8, 32, value)"],
		["dequantizeBytes", "addon.dequantizeBytes(new Uint8Array(34), 8, 32, value)"],
		[
			"measureSpeed",
			"addon.measureSpeed([{ model, mask: all }], { promptTokens: 1, generatedTokens: 1, repetitions: 1, ubatch: 32, threads: 1, context: 32 }, value, quiet)",
		],
	])("as the cancel token of %s", async (_, call) => {
		expect(await withAddon(`await attempts(["cancel"], (value) => ${call});`)).toEqual([...others("cancel"), "alive"]);
	});

	it.each([
		[
			"the model of measureSpeed",
			"model",
			"addon.measureSpeed([{ model: value, mask: all }], { promptTokens: 1, generatedTokens: 1, repetitions: 1, ubatch: 32, threads: 1, context: 32 }, new addon.CancelToken(), quiet)",
		],
		["the target of normalEquations", "states", "model.normalEquations(tokens, run, settings, value, new addon.CancelToken())"],
		["the target of normSums", "states", "model.normSums(tokens, run, settings, value, new addon.CancelToken())"],
		["the states of stateValues", "states", "addon.stateValues(value)"],
		[
			"the equations of solveEquations",
			"equations",
			"addon.solveEquations(value, { ridge: 1, threads: 1 }, undefined, new addon.CancelToken())",
		],
		["the equations of freeEquations", "equations", "addon.freeEquations(value)"],
		["what a model is made of", "", "new addon.NativeModel(value)"],
	])("as %s", async (_, own, call) => {
		expect(await withAddon(`await attempts([${JSON.stringify(own)}], (value) => ${call});`)).toEqual([...others(own), "alive"]);
	});

	it.each([
		[
			"the states that a run goes on from",
			"states",
			"model.hiddenStates(tokens, { ...run, from: value }, Int32Array.of(2), new addon.CancelToken())",
		],
		[
			"the reference of evaluate",
			"reference",
			"model.evaluate(all, tokens, { ...sweep, reference: value }, new addon.CancelToken(), quiet)",
		],
	])("as %s, where there need be none", async (_, own, call) => {
		expect(await withAddon(`await attempts(["undefined", ${JSON.stringify(own)}], (value) => ${call});`)).toEqual([
			...others("undefined", own),
			"alive",
		]);
	});

	it("as values of another kind or number, by which memory would be read or written beyond its end", async () => {
		const code = `
			await attempt("tokens", () => model.evaluate(all, new Uint8Array(32), sweep, new addon.CancelToken(), quiet));
			await attempt("masks", () => model.evaluate(new Int32Array(12), tokens, sweep, new addon.CancelToken(), quiet));
			await attempt("short mask", () => addon.measureSpeed([{ model, mask: all.subarray(1) }], { promptTokens: 1, generatedTokens: 1, repetitions: 1, ubatch: 32, threads: 1, context: 32 }, new addon.CancelToken(), quiet));
			await attempt("no windows", () => model.evaluate(all, tokens, { ...sweep, windowLength: 0 }, new addon.CancelToken(), quiet));
			await attempt("detokenize", () => model.detokenize(new Uint8Array(4), true));
			await attempt("values", () => addon.quantizeValues(new Uint8Array(32), 8, 32, new addon.CancelToken()));
			await attempt("bytes", () => model.replaceTensor("blk.2.ffn_down.weight", 0, new Float32Array(4)));
			await attempt("empty", () => model.evaluate(all, new Int32Array(0), sweep, new addon.CancelToken(), quiet));
			await attempt("a token beyond the vocabulary", () => model.evaluate(all, tokens.with(31, 1e9), sweep, new addon.CancelToken(), quiet));
			await attempt("token -1", () => model.similarities(tokens.with(31, -1), run, new addon.CancelToken()));
			await attempt("other rules", () => model.setViewRules({ leadingCounts: [], outputs: [], feedForward: [], empty: [] }));
			await attempt("resumable", () => model.evaluate(all, tokens, { ...sweep, resumable: new Uint8Array(1) }, new addon.CancelToken(), quiet));
			await attempt("scored", () => model.evaluate(all, tokens, { ...sweep, scored: new Uint8Array(1) }, new addon.CancelToken(), quiet));
			await attempt("half a mask", () => model.evaluate(all.subarray(1), tokens, sweep, new addon.CancelToken(), quiet));
			await attempt("no block", () => model.hiddenStates(tokens, run, Int32Array.of(), new addon.CancelToken()));
			await attempt("block 99", () => model.hiddenStates(tokens, { ...run, kept: Int32Array.of(99, 99) }, Int32Array.of(99), new addon.CancelToken()));
			await attempt("block -1", () => model.hiddenStates(tokens, { ...run, kept: Int32Array.of(-1, -1) }, Int32Array.of(-1), new addon.CancelToken()));
			await attempt("half a block", () => model.hiddenStates(tokens, { ...run, kept: Int32Array.of(2, 2, 3) }, Int32Array.of(2), new addon.CancelToken()));
			await attempt("parts turned", () => model.hiddenStates(tokens, { ...run, kept: Int32Array.of(2, 1) }, Int32Array.of(1), new addon.CancelToken()));
			await attempt("parts crossed", () => model.hiddenStates(tokens, { ...run, kept: Int32Array.of(0, 2, 1, 3) }, Int32Array.of(3), new addon.CancelToken()));
			await attempt("other windows", () => model.hiddenStates(tokens.slice(0, 16), { ...run, windowLength: 16, from: states }, Int32Array.of(3), new addon.CancelToken()));
			await attempt("part of a row", () => addon.dequantizeBytes(new Uint8Array(6), 0, 1, new addon.CancelToken()));
			await attempt("less than a row", () => addon.dequantizeBytes(new Uint8Array(100), 0, 64, new addon.CancelToken()));
			await attempt("no such type", () => model.replaceTensor("blk.2.ffn_down.weight", 9999, new Uint8Array(4)));
			await attempt("a fraction", () => model.evaluate(all, tokens, { ...sweep, threads: 1.9 }, new addon.CancelToken(), quiet));
			await attempt("no number", () => model.sample([Int32Array.of(0)], { length: 2, temperature: Number.NaN, seed: 0, threads: 1 }, new addon.CancelToken(), quiet));
			await attempt("kept", () => model.hiddenStates(tokens, { ...run, kept: new Uint8Array(12) }, Int32Array.of(2), new addon.CancelToken()));`;
		expect(await withAddon(code)).toEqual([
			"tokens: TypeError",
			"masks: TypeError",
			"short mask: RangeError",
			"no windows: RangeError",
			"detokenize: TypeError",
			"values: TypeError",
			"bytes: TypeError",
			"empty: RangeError",
			"a token beyond the vocabulary: RangeError",
			"token -1: RangeError",
			"other rules: Error",
			"resumable: RangeError",
			"scored: RangeError",
			"half a mask: RangeError",
			"no block: RangeError",
			"block 99: RangeError",
			"block -1: RangeError",
			"half a block: RangeError",
			"parts turned: RangeError",
			"parts crossed: RangeError",
			"other windows: Error",
			"part of a row: Error",
			"less than a row: Error",
			"no such type: Error",
			"a fraction: RangeError",
			"no number: RangeError",
			"kept: TypeError",
			"alive",
		]);
	});
});

describe("an exception of C++ on JavaScript's thread", () => {
	it("is an error with a code: a SentencePiece vocabulary without byte tokens", async () => {
		const path = await changedFixture(join(folder, "spm.gguf"), (content) => ({
			...content,
			entries: content.entries
				.filter(({ key }) => key !== "tokenizer.ggml.merges")
				.map((entry) => (entry.key === "tokenizer.ggml.model" ? encodeEntry(entry.key, "string", "llama") : entry)),
		}));
		const code = `try { model.tokenize("\\u00e9\\u4e00", true, false); console.log("taken"); } catch (error) { console.log(error.code); }`;
		expect(await withAddon(code, path)).toEqual(["EVALUATION_FAILED", "alive"]);
	});
});
