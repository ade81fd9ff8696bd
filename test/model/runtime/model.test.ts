import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { FileError, InvalidGgufError, InvalidOptionError, ModelLoadError } from "../../../src/errors.js";
import { decodeValue, encodeEntry, type GgufContent } from "../../../src/model/gguf/index.js";
import { Model } from "../../../src/model/runtime/model.js";
import { changedFixture, fixturePath, runModule } from "../../helpers/fixture.js";
import { tempFolder } from "../../helpers/temp-folder.js";

const folder = tempFolder();

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

	it("gives a context as long as the file's number can be, which is unsigned", async () => {
		const path = await changedFixture(join(folder, "endless.gguf"), (content) =>
			stated(content, "llama.context_length", "uint32", 2 ** 32 - 1),
		);
		await using model = await Model.load(path);
		expect(model.facts.contextLength).toBe(2 ** 32 - 1);
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
