import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { Coalition } from "../../src/game/coalition.js";
import { Random } from "../../src/game/random.js";
import { type BlockPlan, keptProblem, removeBlocks, zeroedBlocks } from "../../src/model/architectures/index.js";
import { type GgufContent, GgufFile, writeGguf } from "../../src/model/gguf/index.js";
import { Model } from "../../src/model/runtime/model.js";
import { makeWindows } from "../../src/model/runtime/windows.js";
import { ATTENTION_MODELS, NO_ATTENTION_MODELS } from "../conformance/attention-models.js";
import { examine } from "../conformance/examine.js";
import { hasTools, QUANTIZE } from "../conformance/fixtures.js";
import { CONTINUE_TOOL, FIXTURE_TOOL, makeOwnModel, type OwnModel } from "../conformance/own-fixtures.js";
import { faultsOf } from "../conformance/record.js";
import { type LoadedTensor, rewrite } from "../conformance/rewrite.js";
import { attentionSets, type RemovalSet } from "../conformance/sets.js";
import { fixturePath, perplexityTool } from "../helpers/fixture.js";
import { tempFolder } from "../helpers/temp-folder.js";

// Files without some attention parts: zeroed original, layer view and written file agree bit for bit, in every kind of file that allows it
// and in random sets of a real one. llama-quantize makes files of them that run.

const folder = tempFolder();
const SMOLLM = fileURLToPath(new URL("../../../shared/models/SmolLM2-135M-Instruct.Q4_1.gguf", import.meta.url));

/** Sets of attention parts, blocks and half-block cuts, the same ones each time. */
function randomSets(plan: BlockPlan, count: number): RemovalSet[] {
	const random = new Random(30);
	const sets: RemovalSet[] = [];
	while (sets.length < count) {
		const removed: number[] = [];
		for (let part = 2; part + 1 < 2 * plan.blocks; part += 2 + random.integer(4)) {
			const alone = part % 2 === 0 && random.integer(3) > 0;
			removed.push(part / 2 + (alone ? 0.25 : 0));
		}
		const some = removed.filter(() => random.integer(3) > 0);
		const canonical = Coalition.ofRemoved(plan.blocks, some).removed();
		if (canonical.some((position) => position % 1 === 0.25) && plan.check(canonical) === undefined)
			sets.push({ kind: "random attentions", removed: canonical });
	}
	return sets;
}

/** Values of an attention head in models made here. */
const HEAD = 32;

/** qwen2 rotates the values i and i + HEAD / 2 of a head together, deci the values 2 i and 2 i + 1. */
function inOrderOfDeci(tensor: LoadedTensor): LoadedTensor {
	if (!/attn_[qk]\.(weight|bias)$/.test(tensor.name)) return tensor;
	const rows = tensor.dims.at(-1)!;
	const width = tensor.bytes.length / rows;
	const bytes = new Uint8Array(tensor.bytes.length);
	for (let row = 0; row < rows; row++) {
		const at = row % HEAD;
		const from = row - at + (at % 2 === 0 ? at / 2 : (at - 1) / 2 + HEAD / 2);
		bytes.set(tensor.bytes.subarray(from * width, (from + 1) * width), row * width);
	}
	return { ...tensor, bytes };
}

async function written(content: GgufContent, target: string): Promise<string> {
	const handle = await open(target, "w");
	try {
		await writeGguf(handle, content);
	} finally {
		await handle.close();
	}
	return target;
}

async function evaluated(path: string) {
	await using model = await Model.load(path, { threads: 2 });
	const windows = makeWindows(
		Int32Array.from({ length: 256 }, (_, i) => (i * 37) % model.facts.vocabulary),
		128,
	);
	const [one] = await model.createEvaluator().evaluate([Coalition.full(model.facts.blocks)], windows, { digest: true, perToken: true });
	return one!;
}

/** A removal that each of the models made here allows; two blocks of one have no attention. */
const someOf = ({ architecture }: OwnModel) => (architecture === "deci" ? [1.25, 3.25, 7] : [1.25, 2.25, 4.5, 7]);
const SOME_OF_SMOLLM = [6.25, 7.25, 8.25, 14, 18.25];
const noSmollm = "../shared/models does not hold SmolLM2-135M-Instruct.Q4_1.gguf";

/** That llama-quantize makes the same of the file without these parts and of the original with their outputs zeroed, as far as it can. */
async function expectQuantized(path: string, name: string, removed: readonly number[], type: string): Promise<void> {
	const source = await GgufFile.read(path);
	const quantized = async (of: string, content: GgufContent) => {
		const made = await written(content, join(folder, `${name}-${of}.gguf`));
		const target = join(folder, `${name}-${of}-${type}.gguf`);
		const run = spawnSync(QUANTIZE, ["--allow-requantize", made, target, type], { encoding: "utf8", timeout: 300_000 });
		expect(run.status, run.stderr.slice(-1000)).toBe(0);
		return target;
	};
	const pruned = await quantized("pruned", removeBlocks(source, removed, { version: "0.0.0" }));
	expect(keptProblem(source, removed, await GgufFile.read(pruned), { quantized: true })).toBeUndefined();
	const zeroed = zeroedBlocks(source, removed);
	const [before, after] = [await evaluated(await quantized("zeroed", zeroed)), await evaluated(pruned)];
	// Q8_0 gives every matrix the same type, so that the same is left of both files.
	if (type === "Q8_0") return expect(after.digests).toEqual(before.digests);
	// Q4_K_M goes by the number of matrices, so that types differ: up to 2.1 times what quantizing changes was seen, with one key/value head.
	const exact = await evaluated(await written(zeroed, join(folder, `${name}-exact.gguf`)));
	const apart = (one: typeof before, other: typeof before) => Math.hypot(...one.losses.map((loss, i) => loss - other.losses[i]!));
	expect(apart(after, before)).toBeLessThan(3 * apart(before, exact));
}

/** That what llama-perplexity keeps of all logits is the same of the file without these parts and of the original with their outputs zeroed. */
async function expectSameWithoutFlash(path: string, name: string, removed: readonly number[]): Promise<void> {
	const source = await GgufFile.read(path);
	const text = join(folder, "flash.txt");
	writeFileSync(text, "It was a dark and stormy night; the rain fell in torrents. ".repeat(120));
	const logits = async (of: string, content: GgufContent, flash: "on" | "off") => {
		const made = await written(content, join(folder, `${name}-${of}-flash.gguf`));
		const target = join(folder, `${name}-${of}-${flash}.logits`);
		const shape = ["-c", "256", "--chunks", "3", "-t", "2", "-fa", flash];
		const run = spawnSync(perplexityTool, ["-m", made, "-f", text, "--save-all-logits", target, ...shape], {
			...{ encoding: "utf8", timeout: 600_000, maxBuffer: 2 ** 27 },
		});
		expect(run.status, run.stderr.slice(-1000)).toBe(0);
		return createHash("sha256").update(readFileSync(target)).digest("hex");
	};
	const pruned = removeBlocks(source, removed, { version: "0.0.0" });
	const without = await logits("pruned", pruned, "off");
	expect(without).toBe(await logits("zeroed", zeroedBlocks(source, removed), "off"));
	// Attention is summed in another order there: the option was read, and another bit would be seen.
	expect(without).not.toBe(await logits("pruned", pruned, "on"));
}

/** Hashes of the logits of a model behind a text, behind the same from a saved state, and in a shifted context (continue_text.cpp). */
function continued(model: string, tokens: string, flash: "on" | "off") {
	expect(existsSync(CONTINUE_TOOL), "build/cpu/continue-text is missing: run node scripts/build-native.mjs --reference-tools").toBe(true);
	const run = spawnSync(CONTINUE_TOOL, [model, tokens, "2", flash], { encoding: "utf8", timeout: 600_000 });
	expect(run.status, run.stderr).toBe(0);
	return JSON.parse(run.stdout) as Record<"straight" | "restored" | "shifted" | "dropped", string> & { stateBytes: number };
}

/**
 * That a saved state and a shifted context give the same logits of the file without these parts and of the original with their outputs zeroed. The
 * state lacks their keys and values.
 */
async function expectSameContinued(path: string, name: string, removed: readonly number[], vocabulary: number): Promise<void> {
	const source = await GgufFile.read(path);
	const random = new Random("continued");
	const tokens = join(folder, `${name}-continued.i32`);
	writeFileSync(
		tokens,
		Int32Array.from({ length: 160 }, () => random.integer(vocabulary)),
	);
	const zeroed = await written(zeroedBlocks(source, removed), join(folder, `${name}-zeroed-continued.gguf`));
	const pruned = await written(removeBlocks(source, removed, { version: "0.0.0" }), join(folder, `${name}-pruned-continued.gguf`));
	const texts = (["on", "off"] as const).map((flash) => {
		const [before, after] = [continued(zeroed, tokens, flash), continued(pruned, tokens, flash)];
		expect(after.straight).toBe(after.restored);
		const { stateBytes, ...logits } = after;
		expect(before).toMatchObject(logits);
		expect(stateBytes).toBeLessThan(before.stateBytes);
		// The shift is read: without it the same tokens have other logits.
		expect(after.shifted).not.toBe(after.dropped);
		return after.straight;
	});
	// So is the option: attention is summed in another order.
	expect(texts[0]).not.toBe(texts[1]);
}

describe.skipIf(!hasTools)("without some attention parts", () => {
	it.each(ATTENTION_MODELS)("$name: every set is exact", async (model) => {
		const path = await makeOwnModel(model, join(folder, model.name));
		const examined = await examine(path, { folder: join(folder, `work-${model.name}`), sets: attentionSets, reader: FIXTURE_TOOL });
		expect(faultsOf(examined)).toEqual([]);
		const kinds = (wanted: boolean) =>
			examined.findings.filter(({ verdict, idle }) => (verdict === "exact" && !idle) === wanted).map(({ kind }) => kind);
		const first = ["attention of the first block", "attention of the new first block"];
		expect(kinds(false)).toEqual(model.architecture === "deci" ? [...first, "attention that is not there"] : first);
		expect(kinds(true).filter((kind) => kind !== "attention").length).toBeGreaterThanOrEqual(5);
		expect(examined.readers.llama).toBe(examined.findings.filter(({ verdict }) => verdict === "exact").length);
	});

	it.each(ATTENTION_MODELS.filter(({ architecture }) => architecture === "llama"))(
		"$name: the name deci alone changes no bit",
		async (model) => {
			const path = await makeOwnModel(model, join(folder, `${model.name}-named`));
			const renamed = await rewrite(path, join(folder, `${model.name}-deci.gguf`), { architecture: "deci" });
			expect((await GgufFile.read(renamed)).architecture).toBe("deci");
			expect((await evaluated(renamed)).digests).toEqual((await evaluated(path)).digests);
		},
	);

	it("a qwen2 file with the rows of queries and keys in the order of deci computes nearly the same, but not the same bits", async () => {
		const model = NO_ATTENTION_MODELS.find(([{ architecture }]) => architecture === "qwen2")![0];
		const path = await makeOwnModel(model, join(folder, "qwen2"));
		const as = (name: string, tensor?: (one: LoadedTensor) => LoadedTensor) =>
			rewrite(path, join(folder, `${name}.gguf`), { architecture: "deci", ...(tensor ? { tensor } : {}) });
		const [before, reordered, unordered] = [
			await evaluated(path),
			await evaluated(await as("reordered", inOrderOfDeci)),
			await evaluated(await as("unordered")),
		];
		const far = ({ losses }: typeof before) => Math.max(...Array.from(losses, (loss, i) => Math.abs(loss - before.losses[i]!)));
		expect(reordered.digests).not.toEqual(before.digests);
		expect(far(reordered)).toBeLessThan(1e-4);
		expect(far(unordered)).toBeGreaterThan(1e-2);
		// Up to 0.00017 nats were seen (docs/research/attention-parts.md).
		const ofTokens = Math.max(...Array.from(reordered.tokenLosses!, (loss, i) => Math.abs(loss - before.tokenLosses![i]!)));
		expect(ofTokens).toBeGreaterThan(0);
		expect(ofTokens).toBeLessThan(5e-4);
	});

	describe.each(["Q8_0", "Q4_K_M"])("llama-quantize makes a %s that runs", (type) => {
		it.each(ATTENTION_MODELS)("of $name", async (model) => {
			const path = await makeOwnModel(model, join(folder, `quantized-${type}-${model.name}`));
			await expectQuantized(path, model.name, someOf(model), type);
		});

		it("of SmolLM2", async (context) => {
			if (!existsSync(SMOLLM)) context.skip(noSmollm);
			await expectQuantized(SMOLLM, "smollm", SOME_OF_SMOLLM, type);
		});
	});

	// The tests above compute with flash attention, which llama.cpp chooses on a CPU.
	describe("llama-perplexity without flash attention computes the same", () => {
		it("of the fixture", () => expectSameWithoutFlash(fixturePath, "fixture", [2.25, 5.25, 6.25, 9]));

		it("of SmolLM2", async (context) => {
			if (!existsSync(SMOLLM)) context.skip(noSmollm);
			await expectSameWithoutFlash(SMOLLM, "smollm", SOME_OF_SMOLLM);
		});
	});

	describe("a saved state and a shifted context compute the same", () => {
		it("of the fixture", () => expectSameContinued(fixturePath, "fixture", [2.25, 5.25, 6.25, 9], 1024));

		it("of SmolLM2", async (context) => {
			if (!existsSync(SMOLLM)) context.skip(noSmollm);
			await expectSameContinued(SMOLLM, "smollm", SOME_OF_SMOLLM, 49_000);
		});
	});

	it("16 random sets of SmolLM2-135M are exact", async (context) => {
		if (!existsSync(SMOLLM)) context.skip(noSmollm);
		const examined = await examine(SMOLLM, {
			folder: join(folder, "work-smollm"),
			sets: (plan) => randomSets(plan, 16),
			windows: 1,
			length: 64,
			timeout: 1_500_000,
		});
		expect(faultsOf(examined)).toEqual([]);
		expect(examined.findings.map(({ verdict, idle }) => [verdict, idle])).toEqual(Array(16).fill(["exact", undefined]));
	});
});
