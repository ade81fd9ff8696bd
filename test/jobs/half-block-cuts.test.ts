import { readFileSync, writeFileSync } from "node:fs";
import { expect, it } from "vitest";
import { applyPlan } from "../../src/jobs/apply.js";
import { evaluateModel } from "../../src/jobs/evaluate.js";
import { inspectModel } from "../../src/jobs/inspect.js";
import { pruneGguf } from "../../src/jobs/prune.js";
import { measureSpeed } from "../../src/pipeline/speed/speed.js";
import { fixturePath } from "../helpers/fixture.js";
import { ownHomes, small } from "../helpers/home.js";

// A half-block cut from the options to the file: `3, 7f-9a` leaves nine of the fixture's twelve blocks.

const { out, fresh } = ownHomes();
const removed = [3, 7.5, 8.5];
const text = "It was a dark and stormy night; the rain fell in torrents. ".repeat(40);
const textFile = () => {
	const path = fresh("text");
	writeFileSync(path, text);
	return path;
};

it("a file without `3, 7f-9a` computes what is measured in memory, and says what it lost", async () => {
	const output = out();
	const applied = await applyPlan(fixturePath, output, { remove: "3, 7f-9a", threads: 2 });
	expect(applied.removed).toEqual(removed);
	expect(applied.output.verification).toContain("bit for bit");
	expect(applied.commands).toEqual([`llama-cli -m ${output}`, `prune-gguf evaluate ${output} --text FILE --against ${fixturePath}`]);
	const inspected = await inspectModel(output);
	expect(inspected).toMatchObject({ blocks: 9, pruned: expect.stringMatching(/^blocks 3, 7f-9a of 12 removed by prune-gguf/) });
	const whole = out();
	await applyPlan(fixturePath, whole, { remove: [3, 7, 8], threads: 2 });
	expect(inspected.parameters).toBe((await inspectModel(whole)).parameters);

	const options = { text: textFile(), windowLength: 64, threads: 2 };
	const inMemory = await evaluateModel(fixturePath, { ...options, remove: "3,7f-9a" });
	expect(inMemory).toMatchObject({ removed, against: { model: fixturePath } });
	const { loss } = await evaluateModel(output, options);
	expect(inMemory.loss).toBe(loss);
	expect(loss).not.toBe((await evaluateModel(whole, options)).loss);
});

it("a plan names it as text, and is carried out with the same bytes, or quantized", async () => {
	const output = out();
	const result = await pruneGguf(fixturePath, output, { ...small, remove: removed, report: `${output}.html` });
	expect(result.plan).toMatchObject({ removed, kept: 9, method: "given" });
	expect(readFileSync(result.planPath!, "utf8")).toContain('\t"removed": "3, 7f-9a",\n');
	expect(result.plan!.command).toContain("--remove 3,7f-9a");
	const states = result.report!.blocks.list.map(({ state }) => state);
	expect([states[3], states[7], states[8], states[9]]).toEqual(["removed", "attention", "removed", "feed-forward"]);
	expect(result.report!.verdict.headline).toBe("Removed 3 of 12 blocks: 3, 7f-9a.");
	expect(readFileSync(result.reportPath!, "utf8")).toContain("7f-9a is a half-block cut");

	const [again, quantized] = [out(), out()];
	await applyPlan(fixturePath, again, { plan: result.planPath!, threads: 2 });
	expect(readFileSync(again).equals(readFileSync(output))).toBe(true);
	const smaller = await applyPlan(fixturePath, quantized, { plan: result.planPath!, quantize: "Q4_0", threads: 2 });
	expect(smaller.quantized).toMatchObject({ type: "Q4_0" });
	expect(await inspectModel(quantized)).toMatchObject({ blocks: 9, pruned: expect.stringContaining("blocks 3, 7f-9a of 12") });
});

it("its speed is measured in memory, with the size of as many whole blocks", async () => {
	const shape = { promptTokens: 16, generatedTokens: 4, repetitions: 2, threads: 2 };
	const half = await measureSpeed(fixturePath, { remove: "7f-9a", ...shape });
	const whole = await measureSpeed(fixturePath, { remove: [7, 8], ...shape });
	expect(half.removed).toEqual([7.5, 8.5]);
	expect(half.speed.after!.file).toBe(whole.speed.after!.file);
	expect(half.speed.after!.kvCache).toBe(whole.speed.after!.kvCache);
});

it("is refused beyond the end of the model", async () => {
	const beyond = evaluateModel(fixturePath, { text: textFile(), remove: "9f-13a", threads: 2 });
	await expect(beyond).rejects.toThrow("there is no block 12: the blocks are 0 to 11; the nearest range is 9f-11a");
});
