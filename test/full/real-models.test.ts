import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import type { BlockPlan } from "../../src/model/architectures/index.js";
import { Random } from "../../src/game/random.js";
import { type Examined, type ExamineOptions, examine } from "../conformance/examine.js";
import { hasTools, QUANTIZE } from "../conformance/fixtures.js";
import { REAL } from "../conformance/markdown.js";
import { FIXTURE_TOOL, hasFixtureTool } from "../conformance/own-fixtures.js";
import { faultsOf, record } from "../conformance/record.js";
import { hasHalves, type RemovalSet } from "../conformance/sets.js";
import { tempFolder } from "../helpers/temp-folder.js";

// Random sets of real files, and some with halves of blocks: zeroed original, layer view and written file give the same logits, bit for bit, readers that
// are not ours find the written files as they should be, and llama-quantize removes the same sets beside. CONFORMANCE_RECORD=1 puts
// what was measured into docs/research/conformance.json and docs/research/conformance.md.

const folder = tempFolder();
const root = fileURLToPath(new URL("../../", import.meta.url));
const SMOLLM = join(root, "..", "shared", "models", "SmolLM2-135M-Instruct.Q4_1.gguf");
const GEMMA = join(root, ".cache", "gemma-3-270m.Q4_K_M.gguf");

/** How many sets of a file are measured. */
interface Counts {
	readonly whole: number;
	readonly halves: number;
}

/** Different sets of 1 to half of the blocks, the same ones each time. */
function randomSets(plan: BlockPlan, count: number): RemovalSet[] {
	const random = new Random(7);
	const blocks = Array.from({ length: plan.blocks }, (_, i) => i);
	const sets = new Map<string, RemovalSet>();
	while (sets.size < count) {
		const size = 1 + random.integer(Math.floor(plan.blocks / 2));
		const removed = random.sample(blocks, size).sort((a, b) => a - b);
		if (plan.check(removed) === undefined) sets.set(removed.join(","), { kind: "random", removed });
	}
	return [...sets.values()];
}

/** Sets with halves of blocks, of about two fifths of the parts, the same ones each time. */
function randomHalves(plan: BlockPlan, count: number): RemovalSet[] {
	const random = new Random(8);
	const sets: RemovalSet[] = [];
	while (sets.length < count) {
		const removed: number[] = [];
		for (let part = random.integer(4); part + 1 < 2 * plan.blocks; part += 2 + random.integer(6)) removed.push(part / 2);
		if (hasHalves(removed) && plan.check(removed) === undefined) sets.push({ kind: "random halves", removed });
	}
	return sets;
}

const results = new Map<string, Examined>();

async function expectExact(
	path: string,
	options: Partial<ExamineOptions>,
	{ whole, halves }: Counts = { whole: 10, halves: 3 },
): Promise<void> {
	const examined = await examine(path, {
		folder: join(folder, "work"),
		sets: (plan) => [...randomSets(plan, whole), ...randomHalves(plan, halves)],
		timeout: 1_500_000,
		quantize: hasTools ? QUANTIZE : undefined,
		reader: hasFixtureTool ? FIXTURE_TOOL : undefined,
		...options,
	});
	results.set(`${REAL}${basename(path, ".gguf")}`, examined);
	expect(faultsOf(examined)).toEqual([]);
	expect(examined.logits).toBe(true);
	expect(examined.findings.map(({ verdict, idle }) => [verdict, idle])).toEqual(Array(whole + halves).fill(["exact", undefined]));
	expect(examined.readers).toEqual({ huggingface: whole + halves, ...(hasFixtureTool ? { llama: whole + halves } : {}) });
	expect(examined.quantize.length).toBe(hasTools ? whole : 0);
	const counts = examined.quantize.map(({ removed, verdict }) => `${removed.join(",")}: ${verdict}`);
	process.stdout.write(`${basename(path)} by llama-quantize: ${counts.join("; ")}\n`);
}

afterAll(() => {
	if (process.env.CONFORMANCE_RECORD === "1") record(results);
});

test("the 12-block model", async () => {
	await expectExact(join(root, "fixture", "fixture-12l.gguf"), { length: 128, windows: 4 });
}, 300_000);

test("SmolLM2-135M", async (context) => {
	if (!existsSync(SMOLLM)) context.skip("../shared/models does not hold SmolLM2-135M-Instruct.Q4_1.gguf");
	await expectExact(SMOLLM, { length: 128, windows: 2 });
}, 900_000);

test("gemma-3-270m, whose file lacks the sliding-window pattern, with a prompt longer than its window of 512", async (context) => {
	const fetched = spawnSync(process.execPath, [join(root, "scripts", "fetch-gemma.mjs")], { encoding: "utf8" });
	if (fetched.status !== 0) context.skip(`gemma-3-270m cannot be fetched: ${fetched.stderr.trim().split("\n").at(-1)}`);
	// Fewer sets, for the time: it has 262,144 logits at each position.
	await expectExact(GEMMA, { length: 640, windows: 1 }, { whole: 5, halves: 2 });
}, 1_800_000);
