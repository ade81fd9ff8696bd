import { readFileSync, writeFileSync } from "node:fs";
import { expect, it } from "vitest";
import type { LogEvent } from "../../src/api/index.js";
import { Coalition } from "../../src/game/coalition.js";
import { applyPlan } from "../../src/jobs/apply.js";
import { evaluateModel } from "../../src/jobs/evaluate.js";
import { inspectModel } from "../../src/jobs/inspect.js";
import { pruneGguf } from "../../src/jobs/prune.js";
import { loadModel } from "../../src/model/runtime/load-model.js";
import { runSpeed } from "../../src/model/runtime/speed.js";
import { contextOfPlan } from "../../src/pipeline/planning/context.js";
import { readModelHeader } from "../../src/pipeline/preflight/model-header.js";
import { kvBytes } from "../../src/pipeline/speed/at-context.js";
import { measureSpeed } from "../../src/pipeline/speed/speed.js";
import { fixturePath } from "../helpers/fixture.js";
import { ownHomes, small } from "../helpers/home.js";
import { thorough } from "../helpers/slow.js";

// Attention parts alone from the options to the file: `2a, 5-6a, 9` leaves eleven of the fixture's twelve blocks, three of them without
// attention.

const { out, fresh } = ownHomes();
const removed = [2.25, 5.25, 6.25, 9];
const text = "It was a dark and stormy night; the rain fell in torrents. ".repeat(40);
const textFile = () => {
	const path = fresh("text");
	writeFileSync(path, text);
	return path;
};

it("a file without them computes what is measured in memory, says what it lost, and can be pruned again", async () => {
	const output = out();
	const applied = await applyPlan(fixturePath, output, { remove: "2a, 5-6a, 9", threads: 2 });
	expect(applied.removed).toEqual(removed);
	expect(applied.output.verification).toContain("bit for bit");
	expect(await inspectModel(output)).toMatchObject({
		...{ architecture: "deci", blocks: 11, withoutAttention: [2, 5, 6] },
		pruned: expect.stringMatching(/^blocks 2a, 5-6a, 9 of 12 removed by prune-gguf/),
	});

	const options = { text: textFile(), windowLength: 64, threads: 2 };
	const inMemory = await evaluateModel(fixturePath, { ...options, remove: "2a,5-6a,9" });
	const { loss } = await evaluateModel(output, options);
	expect(inMemory.loss).toBe(loss);
	expect(loss).not.toBe((await evaluateModel(fixturePath, { ...options, remove: [9] })).loss);

	const again = out();
	await applyPlan(output, again, { remove: "3, 4a, 7f-8a", threads: 2 });
	expect(await inspectModel(again)).toMatchObject({ architecture: "deci", blocks: 9, withoutAttention: [2, 3, 4, 5] });
	await expect(applyPlan(output, again, { remove: "5a", threads: 2, overwrite: true })).rejects.toThrow(
		"block 5 has no attention of its own",
	);
});

it("a plan names them as text, and is carried out with the same bytes, or quantized", async () => {
	const output = out();
	const result = await pruneGguf(fixturePath, output, { ...small, remove: removed, report: `${output}.html` });
	expect(result.plan).toMatchObject({ removed, kept: 11, method: "given" });
	expect(readFileSync(result.planPath!, "utf8")).toContain('\t"removed": "2a, 5-6a, 9",\n');
	expect(result.plan!.command).toContain("--remove 2a,5-6a,9");
	expect(result.report!.removal!.architecture).toBe("deci");
	const states = result.report!.blocks.list.map(({ state }) => state);
	expect([states[2], states[5], states[9]]).toEqual(["feed-forward", "feed-forward", "removed"]);
	expect(result.report!.verdict.headline).toBe("Removed 1 of 12 blocks and the attention of 3 others: 2a, 5-6a, 9.");
	expect(readFileSync(result.reportPath!, "utf8")).toContain("2a is the attention part of block 2 alone");

	const [again, quantized] = [out(), out()];
	await applyPlan(fixturePath, again, { plan: result.planPath!, threads: 2 });
	expect(readFileSync(again).equals(readFileSync(output))).toBe(true);
	const smaller = await applyPlan(fixturePath, quantized, { plan: result.planPath!, quantize: "Q4_0", threads: 2 });
	expect(smaller.quantized).toMatchObject({ type: "Q4_0" });
	expect(await inspectModel(quantized)).toMatchObject({ blocks: 11, withoutAttention: [2, 5, 6] });
});

it("memory in memory is that of the file; time is not, so the speed is measured with the file only", async () => {
	const shape = { promptTokens: 16, generatedTokens: 4, repetitions: 2, threads: 2 };
	const output = out();
	await applyPlan(fixturePath, output, { remove: removed, threads: 2 });
	await using model = await loadModel(fixturePath, { threads: 2 });
	const mask = Coalition.ofRemoved(12, removed);
	const [inMemory] = await runSpeed([{ model, mask }], { ...shape, context: 256 });
	const { speed } = await measureSpeed(fixturePath, { against: output, ...shape });
	const { kvCache, weights } = speed.after!;
	expect({ kvCache: inMemory!.kvCache, weights: inMemory!.weights }).toEqual({ kvCache, weights });
	// Eight of twelve blocks keep their attention.
	expect(kvCache / speed.before.kvCache).toBeCloseTo(8 / 12, 5);
	// What is counted from the header is what llama.cpp takes.
	const all = kvBytes(await readModelHeader(fixturePath, {}), 256);
	expect(contextOfPlan({ context: 256, kv: all }, removed).kvCache).toEqual({ before: speed.before.kvCache, after: kvCache });
	await expect(measureSpeed(fixturePath, { remove: [1.25], ...shape })).rejects.toThrow(
		/^the speed without 1a cannot be measured in memory: .* prune-gguf apply \S+ OUTPUT\.gguf --remove 1a, then prune-gguf speed \S+ OUTPUT\.gguf$/,
	);
	await expect(measureSpeed(fixturePath, { remove: [1, 2], ...shape })).resolves.toMatchObject({ speed: { through: "memory" } });
});

it.runIf(thorough)("without an output the speed is left out, and texts are drawn", async () => {
	const notes: string[] = [];
	const asked = { ...small, speed: true, samples: 1, onLog: ({ message }: LogEvent) => notes.push(message) };
	const { plan } = await pruneGguf(fixturePath, undefined, { ...asked, remove: "5a" });
	expect(plan!.speed).toBeUndefined();
	expect(notes.filter((note) => note.startsWith("the speed was not measured: it needs the written file"))).toHaveLength(1);
	expect(notes.filter((note) => note.startsWith("samples were not measured"))).toEqual([]);
	expect((await pruneGguf(fixturePath, out(), { ...asked, remove: "5a" })).plan!.speed).toMatchObject({ through: "file" });
});

it("is refused where the first block would have no attention", async () => {
	const refused = (remove: string) => evaluateModel(fixturePath, { text: textFile(), remove, threads: 2 });
	await expect(refused("0a")).rejects.toThrow("block 0 would be the first of what is left, and it must keep its attention");
	await expect(refused("0-11a")).rejects.toThrow("block 0 would be the first of what is left");
	await expect(refused("0, 1-2a")).rejects.toThrow("block 1 would be the first of what is left");
	await expect(refused("11-12a")).rejects.toThrow("there is no block 12: the blocks are 0 to 11; the nearest range is 11a");
});
