import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { ARCHITECTURES } from "../../../src/model/architectures/index.js";
import { TAIL_ALONE } from "../../../src/model/runtime/loadable.js";
import {
	type IndexRecord,
	indexExpressions,
	indexProblems,
	indexRecord,
	NAMES_SOURCE,
	servedBy,
	statelessProblems,
	SHARED_SOURCES,
	type Sources,
} from "./block-index.js";

// Rules by a block's index in llama.cpp's code, compared with the audited ones. RECORD_BLOCK_INDEX=1 writes the record again.

const HERE = dirname(fileURLToPath(import.meta.url));
const SRC = join(HERE, "../../../vendor/llama.cpp/src");
const RECORD = join(HERE, "block-index.json");

function readSources(): Sources {
	if (!existsSync(SRC)) throw new Error("vendor/llama.cpp/src is missing: run `npm run fetch` to get the sources of llama.cpp");
	const models = readdirSync(join(SRC, "models")).map((name) => `models/${name}`);
	const shared = readdirSync(SRC).filter((name) => SHARED_SOURCES.test(name));
	const read = (path: string) => readFileSync(join(SRC, path), "utf8");
	return new Map([...models, ...shared, NAMES_SOURCE].filter((path) => /\.(cpp|h)$/.test(path)).map((path) => [path, read(path)]));
}

const sources = readSources();

if (process.env.RECORD_BLOCK_INDEX === "1") {
	const lines = Object.entries(indexRecord(sources)).map(
		([path, found]) => `${JSON.stringify(path)}: ${JSON.stringify(found).replace(",", ", ")}`,
	);
	writeFileSync(RECORD, `{\n${lines.map((line) => `\t${line}`).join(",\n")}\n}\n`);
}
const record = JSON.parse(readFileSync(RECORD, "utf8")) as IndexRecord;

/** The problems of the pinned sources after one of them was altered. */
function problemsOf(path: string, change: (text: string) => string): string[] {
	const before = sources.get(path)!;
	const after = change(before);
	expect(after, "the alteration altered nothing").not.toBe(before);
	return indexProblems(new Map([...sources, [path, after]]), record);
}

describe("the pinned llama.cpp", () => {
	it("tests block indices and numbers of blocks where it was seen to", () => {
		expect(indexProblems(sources, record)).toEqual([]);
	});

	it("is read: the known rules are among the expressions", () => {
		const found = (path: string) => indexExpressions(path, sources.get(path)!).join("\n");
		expect(found("models/llama4.cpp")).toMatch(/\(il \+ 1\) % hparams\.n_no_rope_layer_step != 0/);
		expect(found("models/smallthinker.cpp")).toMatch(/n_no_rope_layer_step == n_layer/);
		expect(found("models/gemma2.cpp")).toMatch(/case 46: type = LLM_TYPE_27B/);
		expect(found("models/command-r.cpp")).toMatch(/n_layer >= 64/);
		expect(found("models/minicpm3.cpp")).toMatch(/n_layer/);
		expect(found("models/rwkv6.cpp")).toMatch(/rescale_every_n_layers/);
		expect(found("models/granite.cpp")).toMatch(/deepstack_mapping_arr\[il\]/);
		expect(found("llama-hparams.cpp")).toMatch(/il % n_pattern/);
		// A plain model: its loops, and the choice of outputs in the last block.
		expect(indexExpressions("models/phi2.cpp", sources.get("models/phi2.cpp")!).length).toBeLessThan(8);
	});

	it("serves every architecture that can be loaded by files that are found", () => {
		const served = servedBy(sources);
		const all = new Set([...served.values()].flat());
		expect([...ARCHITECTURES.keys()].filter((name) => !all.has(name))).toEqual(["gptj"]);
		expect(served.get("models/deepseek2.cpp")).toEqual(expect.arrayContaining(["deepseek2", "mistral4"]));
		expect(served.get("models/granite.cpp")).toContain("minicpm");
		expect(served.get("models/mamba-base.cpp")).toEqual(expect.arrayContaining(["mamba", "mamba2", "jamba"]));
		expect(served.get("models/gemma2.cpp")).toEqual(["gemma2"]);
	});
});

describe("what the pinned graphs give", () => {
	const resuming = [...ARCHITECTURES.values()]
		.filter(({ refused, resume = "yes" }) => !refused && (resume === "yes" || resume.when !== undefined))
		.map(({ name }) => name);

	it("is the hidden state after a block, of every architecture that resumes", () => {
		expect(statelessProblems(sources, resuming)).toEqual([]);
	});

	it("is not that of some, which are known", () => {
		expect(statelessProblems(sources, ["llama", "nemotron_h", "nemotron_h_moe", "plamo2", "lfm2moe"])).toEqual([
			expect.stringMatching(/^nemotron_h resumes, but none .* give the entry a `resume` with the reason/),
			expect.stringMatching(/^nemotron_h_moe resumes/),
			expect.stringMatching(/^plamo2 resumes/),
		]);
		const renamed = new Map([...sources, ["models/phi2.cpp", sources.get("models/phi2.cpp")!.replace('"l_out"', '"block_out"')]]);
		expect(statelessProblems(renamed, ["phi2"]).length).toBe(1);
	});

	it("a model's multi-token-prediction blocks alone pass for a model where TAIL_ALONE (src/model/runtime/loadable.ts) says so", () => {
		const tests = (path: string) => /\bmtp_only\b[^;]*get_weight\("blk\.0\.attn_norm\.weight"\) == nullptr/.test(sources.get(path)!);
		const found = [...servedBy(sources)].flatMap(([path, names]) => (tests(path) ? names : []));
		// These take a graph from there, not the loader.
		const loaded = found.filter((name) => !["deepseek2-ocr", "dflash"].includes(name));
		expect([...new Set(loaded)].sort()).toEqual(TAIL_ALONE);
	});

	it("only plamo2 reads the size of a head again, and so loads without heads in its first block", () => {
		const again = [...sources].filter(([, text]) => /LLM_KV_ATTENTION_KEY_LENGTH,\s*hparams\.n_embd_head_k_full/.test(text));
		expect(again.map(([path]) => path).sort()).toEqual(["llama-model.cpp", "models/plamo2.cpp"]);
	});
});

describe("another llama.cpp", () => {
	const loop = /for \(int il = 0; il < n_layer; \+\+il\) \{/;

	it.each([
		["a block without rotary positions by its index", "models/qwen3.cpp", "qwen3", "if (il % 3 == 2) { continue; }"],
		["another scale in the first block", "models/llama.cpp", "llama", "const float kq_first = il == 0 ? 1.0f : 2.0f;"],
		["a window by what hparams says of the block", "models/phi2.cpp", "phi2", "const bool slides = hparams.is_swa(il);"],
		["a scale by the number of blocks", "models/olmo.cpp", "olmo", "const float deep = 1.0f/sqrtf(float(2*n_layer));"],
		["a block that reads another", "models/starcoder2.cpp", "starcoder2", "auto * donor = model.layers[il - 1].wk;"],
	])("with %s is noticed, with what to do", (_, path, architecture, rule) => {
		const problems = problemsOf(path, (text) => text.replace(loop, (head) => `${head}\n${rule}`));
		expect(problems.length).toBe(1);
		expect(problems[0]).toMatch(new RegExp(`^src/${path.replace(".", "\\.")} \\((.*, )?${architecture}(, .*)?\\): `));
		expect(problems[0]).toMatch(
			/other ones than the \d+ that were audited\. Compare .*src\/model\/architectures\/table\/.*`npm run test:conformance`/,
		);
		expect(problems[0]).toMatch(
			/update the record by `RECORD_BLOCK_INDEX=1 node scripts\/test\.mjs test\/model\/architectures\/block-index\.test\.ts`$/,
		);
	});

	it("with another number of blocks in a known rule, or without a rule, is noticed", () => {
		expect(problemsOf("models/gemma2.cpp", (text) => text.replace("case 46:", "case 48:"))).toEqual([
			expect.stringMatching(/^src\/models\/gemma2\.cpp \(gemma2\): /),
		]);
		expect(problemsOf("models/smollm3.cpp", (text) => text.replace(/\(il \+ 1\) % hparams\.n_no_rope_layer_step != 0/, "true"))).toEqual([
			expect.stringContaining("(smollm3)"),
		]);
	});

	it("with a rule in the shared parts concerns all architectures", () => {
		const shared = problemsOf("llama-hparams.cpp", (text) => `${text}\nbool gated(uint32_t il) { return il % 5 == 0; }`);
		expect(shared).toEqual([expect.stringMatching(/^src\/llama-hparams\.cpp \(all architectures\): /)]);
	});

	it("with a new file, or without one, is noticed", () => {
		const more = new Map([...sources, ["models/llama5.cpp", "void f(int il) { if (il % 2 == 0) { g(); } }"]]);
		expect(indexProblems(more, record)).toEqual([
			expect.stringMatching(/^src\/models\/llama5\.cpp \(no architecture.*it is new, and 1 of/),
		]);
		const fewer = new Map(sources);
		fewer.delete("models/phi2.cpp");
		expect(indexProblems(fewer, record)).toEqual([expect.stringMatching(/^src\/models\/phi2\.cpp no longer exists/)]);
	});

	it("of the same rules is not: other comments, spaces, order, and code without indices", () => {
		const path = "models/smollm3.cpp";
		expect(
			problemsOf(
				path,
				(text) => `${text.replaceAll("il + 1", "il  +\n1")}\n// if (il % 7 == 0)\n/* n_layer == 3 */ static int unrelated = 1;`,
			),
		).toEqual([]);
	});
});
