import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
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
import { FIXTURE_TOOL, makeOwnModel } from "../conformance/own-fixtures.js";
import { faultsOf } from "../conformance/record.js";
import { type LoadedTensor, rewrite } from "../conformance/rewrite.js";
import { attentionSets, type RemovalSet } from "../conformance/sets.js";
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
	const [one] = await model.createEvaluator().evaluate([Coalition.full(model.facts.blocks)], windows, { digest: true });
	return one!;
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
	});

	it.each(["Q8_0", "Q4_K_M"])("llama-quantize makes a %s of it that runs", async (type) => {
		for (const { name, path, removed } of [
			{ name: "small", path: await makeOwnModel(ATTENTION_MODELS[0]!, join(folder, `quantized-${type}`)), removed: [1.25, 2.25, 4.5, 7] },
			...(existsSync(SMOLLM) ? [{ name: "smollm", path: SMOLLM, removed: [6.25, 7.25, 8.25, 14, 18.25] }] : []),
		]) {
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
			// Q8_0 gives every matrix the same type, so that the same is left of both files; Q4_K_M goes by the number of matrices.
			const [before, after] = [await evaluated(await quantized("zeroed", zeroedBlocks(source, removed))), await evaluated(pruned)];
			if (type === "Q8_0") expect(after.digests).toEqual(before.digests);
			const mean = ({ losses }: typeof before) => losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
			expect(Math.abs(mean(after) - mean(before))).toBeLessThan(0.05);
		}
	});

	it("16 random sets of SmolLM2-135M are exact", async (context) => {
		if (!existsSync(SMOLLM)) context.skip("../shared/models does not hold SmolLM2-135M-Instruct.Q4_1.gguf");
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
