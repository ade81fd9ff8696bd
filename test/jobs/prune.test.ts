import { fileURLToPath } from "node:url";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { describe, expect, it } from "vitest";
import type { LogEvent, PruneOptions } from "../../src/api/index.js";
import { applyPlan } from "../../src/jobs/apply.js";
import { blocksOption } from "../../src/cli/coerce.js";
import { GgufFile } from "../../src/model/gguf/index.js";
import { inspectModel } from "../../src/jobs/inspect.js";
import { formatBlocks } from "../../src/notation.js";
import { pruneGguf } from "../../src/jobs/prune.js";
import { rankBlocks } from "../../src/jobs/rank.js";
import { Ledger } from "../../src/storage/ledger.js";
import { readPlan } from "../../src/storage/plan.js";
import { listRuns } from "../../src/storage/runs.js";
import { countingEvaluations } from "../helpers/progress.js";
import { fixturePath } from "../helpers/fixture.js";
import { ownHomes, small } from "../helpers/home.js";
import { firstOf, thorough } from "../helpers/slow.js";

// Each test measures by itself, unless it says otherwise.
const { folder, home, newHome, out } = ownHomes();

const parseBlocks = blocksOption("remove");
/** Steps of a run that measures neither speed nor texts. */
const usualSteps = ["Preparing text", "Searching", "Comparing finalists", "Writing and verifying"];

/** All measurements in the cache: `<ledger> <mask>` to losses. */
async function measured(): Promise<Map<string, string>> {
	const all = new Map<string, string>();
	for (const { ledgers } of await listRuns({ cache: home() })) {
		for (const { path } of ledgers) {
			for (const { coalition, losses } of (await Ledger.read(path)).measurements)
				all.set(`${basename(path)} ${coalition.key}`, [...losses].join());
		}
	}
	return all;
}

describe("pruneGguf", () => {
	it.each(
		firstOf<[string, PruneOptions, number]>(3, [
			["auto", { removeBlocks: 3 }, 3],
			["the paper's method", { search: { method: "paper", maxEvaluations: 60, attributionSamples: 500, epochs: 20 }, removeBlocks: 2 }, 2],
			["a given list", { remove: [9, 3, 9] }, 2],
			["a fraction", { search: { method: "leave-one-out" }, removeBlocks: "25%" }, 3],
			["greedy", { search: { method: "greedy" }, removeBlocks: 3 }, 3],
			["leave-one-out", { search: { method: "leave-one-out" }, removeBlocks: 2 }, 2],
		]),
	)("by %s writes a model that computes what was measured, and a plan", async (_, options, count) => {
		const output = out();
		const phases = new Set<string>();
		const result = await pruneGguf(fixturePath, output, { ...small, ...options, onProgress: ({ phase }) => phases.add(phase) });
		const plan = await readPlan(`${output}.plan.json`);
		expect(result.planPath).toBe(`${output}.plan.json`);
		expect(plan.removed.length).toBe(count);
		expect(plan.kept).toBe(12 - count);
		if (options.remove) expect(plan.removed).toEqual([3, 9]);
		expect(plan.model).toMatchObject({ name: "fixture-12l.gguf", architecture: "llama", blocks: 12 });
		expect(result.output?.verification).toContain("bit for bit");
		expect(result.output?.size).toBe(readFileSync(output).length);
		expect(phases).toContain("verifying the written file");

		const file = await GgufFile.read(output);
		expect(file.number("llama.block_count")).toBe(12 - count);
		expect(file.string("prune_gguf.removed")).toBe(formatBlocks(plan.removed));
		expect(file.number("prune_gguf.source_block_count")).toBe(12);
		expect(file.string("prune_gguf.source_sha256")).toBe(plan.model.sha256);
		expect(file.string("prune_gguf.version")).toMatch(/^\d+\.\d+\.\d+/);
		expect((await inspectModel(output)).pruned).toContain(formatBlocks(plan.removed));

		const again = out();
		await applyPlan(fixturePath, again, { plan: result.planPath! });
		expect(readFileSync(again).equals(readFileSync(output))).toBe(true);
		const listed = out();
		await applyPlan(fixturePath, listed, { remove: [...plan.removed].reverse() });
		expect(readFileSync(listed).equals(readFileSync(output))).toBe(true);
	});

	it("finds the block whose removal costs least on the search text, with its cost on the validation text", async () => {
		const output = out();
		const { plan } = await pruneGguf(fixturePath, output, {
			...{ ...small, calibration: [fileURLToPath(new URL("../../docs/limits.md", import.meta.url))] },
			search: { method: "greedy", granularity: "block" },
			removeBlocks: 1,
		});
		const cheapest = [...plan!.importance!].sort((a, b) => a.value - b.value)[0]!.block;
		expect(plan!.removed).toEqual([cheapest]);
		const { search } = plan!.losses as Record<string, { difference: number }>;
		expect(search!.difference).toBeCloseTo(plan!.importance!.find(({ block }) => block === cheapest)!.value, 9);
	});

	it("without an amount shows the curve, writes nothing, and its commands measure no set again", async () => {
		const before = readdirSync(folder).filter((name) => name.endsWith(".gguf")).length;
		const result = await pruneGguf(fixturePath, undefined, small);
		expect(result.plan).toBeUndefined();
		expect(result.output).toBeUndefined();
		expect(readdirSync(folder).filter((name) => name.endsWith(".gguf")).length).toBe(before);
		expect(result.curve.map((point) => point.removed.length)).toEqual([0, 1, 2, 3, 4]);
		expect(result.curve[0]!.added).toBe(0);
		expect(result.suggestion?.reason).toBeTruthy();
		expect(result.commands.length).toBeGreaterThan(0);
		const curve = await measured();

		for (const command of result.commands) {
			const remove = parseBlocks(/--remove (\S+)/.exec(command)![1]!)!;
			expect(command).toContain(`--windows 3 --window-length 32`);
			expect(remove).toEqual(result.curve[remove.length]!.removed);
			const written = await pruneGguf(fixturePath, out(), { ...small, remove });
			expect(written.plan!.losses.validation!.difference).toBeCloseTo(result.curve[remove.length]!.added!, 12);
			const now = await measured();
			for (const [key, losses] of curve) expect(now.get(key)).toBe(losses);
			// The held-out split is for the final figures only: the original model (once) and the chosen set.
			const fresh = [...now.keys()].filter((key) => !curve.has(key));
			const ledgers = new Set(fresh.map((key) => key.split(" ")[0]));
			expect(ledgers.size).toBe(1);
			expect(fresh.length).toBeLessThanOrEqual(1 + result.commands.length);
		}
		const all = (await measured()).size;
		await pruneGguf(fixturePath, out(), { ...small, remove: parseBlocks(/--remove (\S+)/.exec(result.commands[0]!)![1]!)! });
		expect((await measured()).size).toBe(all);
	});

	it("as a dry run writes no model, plan or report and says what it would measure; the cache keeps text and empty ledgers", async () => {
		const output = out();
		const result = await pruneGguf(fixturePath, output, { ...small, removeBlocks: 2, dryRun: true });
		expect(existsSync(output)).toBe(false);
		expect(readdirSync(folder).filter((name) => name.startsWith(basename(output)))).toEqual([]);
		const kept = readdirSync(home(), { recursive: true, encoding: "utf8" }).filter(
			(name) => name.endsWith("json") || name.endsWith("jsonl"),
		);
		expect(kept.filter((name) => name.endsWith(".windows.json"))).toHaveLength(1);
		expect(kept.filter((name) => !/\.(windows\.json|ledger\.jsonl)$/.test(name))).toEqual([]);
		expect(result.estimate!.evaluations).toBeGreaterThan(12);
		const { steps, seconds } = result.estimate!;
		expect(steps.map(({ name }) => name)).toEqual(usualSteps);
		for (const step of steps) expect(step.seconds).toBeGreaterThan(0);
		// A prompt is read at some hundred tokens a second at least.
		expect(result.estimate!.promptTokens! / seconds).toBeGreaterThan(100);
		expect(seconds).toBeCloseTo(
			steps.reduce((sum, step) => sum + step.seconds!, 0),
			9,
		);
		expect((await measured()).size).toBeLessThanOrEqual(1);
	});

	it("says what is cached, what is left and how long that takes, on a resumed run too", async () => {
		const notes: string[] = [];
		const onLog = ({ level, message }: { level: string; message: string }) => level === "note" && notes.push(message);
		const dry = { ...small, removeBlocks: 2, dryRun: true, onLog };
		const fresh = (await pruneGguf(fixturePath, undefined, dry)).estimate!;
		await pruneGguf(fixturePath, undefined, { ...small, removeBlocks: 2 });
		const { candidates: known } = (await listRuns({ cache: home() }))[0]!.ledgers.reduce((a, b) => (a.candidates > b.candidates ? a : b));
		notes.length = 0;
		const resumed = (await pruneGguf(fixturePath, undefined, dry)).estimate!;
		expect(resumed.known).toBe(known);
		expect(resumed.evaluations).toBe(fresh.evaluations + fresh.known - known);
		expect(resumed.tokens).toBeLessThan(fresh.tokens);
		expect(resumed.seconds).toBeGreaterThan(0);
		expect(resumed.seconds).toBeLessThan(30);
		expect(resumed.steps.map(({ name }) => name)).toEqual(usualSteps.slice(0, 3));
		// How long a run takes is said as its progress says it, once.
		expect(notes.join("\n")).toMatch(new RegExp(`up to \\d+ candidates on 96 tokens each .*, ${known} of them cached$`, "m"));
		const given = await pruneGguf(fixturePath, undefined, { ...small, remove: [5], dryRun: true });
		expect(given.estimate).toMatchObject({ evaluations: 0, known: 1 });
		const other = await pruneGguf(fixturePath, undefined, { ...small, remove: [1, 5, 7], dryRun: true });
		expect(other.estimate).toMatchObject({ evaluations: 1, known: 0 });
	});

	it.runIf(thorough)("gives the same plan for the same seed", async () => {
		const first = await pruneGguf(fixturePath, undefined, { ...small, removeBlocks: 2, search: { seed: 4 } });
		process.env.PRUNE_GGUF_HOME = `${home()}-other`;
		const second = await pruneGguf(fixturePath, undefined, { ...small, removeBlocks: 2, search: { seed: 4 } });
		expect(second.plan?.removed).toEqual(first.plan?.removed);
		expect(second.plan?.losses).toEqual(first.plan?.losses);
		expect(second.plan?.calibration).toEqual(first.plan?.calibration);
	});

	it("continues where it was aborted, measures nothing twice, and ends as an uninterrupted run does", async () => {
		const straight = await pruneGguf(fixturePath, undefined, { ...small, removeBlocks: 3 });
		const whole = await measured();
		for (const stopAfter of firstOf(2, [5, 20, 1, 14])) {
			newHome();
			const controller = new AbortController();
			const reason = new Error("stopped");
			const job = pruneGguf(fixturePath, undefined, {
				...small,
				removeBlocks: 3,
				signal: controller.signal,
				onProgress: countingEvaluations((count) => count === stopAfter && controller.abort(reason)),
			});
			await expect(job).rejects.toBe(reason);
			const kept = await measured();
			expect(kept.size).toBeGreaterThanOrEqual(stopAfter);
			const resumed = await pruneGguf(fixturePath, undefined, { ...small, removeBlocks: 3 });
			expect(resumed.plan?.removed).toEqual(straight.plan?.removed);
			expect(resumed.plan?.losses).toEqual(straight.plan?.losses);
			expect(await measured()).toEqual(whole);
			for (const [key, losses] of kept) expect(whole.get(key)).toBe(losses);
		}
	});
});

it.each<[string, PruneOptions]>([
	["the automatic method", { removeBlocks: 3 }],
	["greedy", { search: { method: "greedy" }, removeBlocks: 3 }],
	["contiguous", { search: { method: "contiguous" } }],
	["leave-one-out in rounds", { search: { method: "leave-one-out", rounds: 2 }, removeBlocks: 4 }],
	["random sets", { search: { method: "random", maxEvaluations: 60 } }],
	["the paper's method", { search: { method: "paper", maxEvaluations: 60, strata: [11, 10] } }],
])("an interrupted search by %s says which sets it has found so far", async (_, options) => {
	const controller = new AbortController();
	const reason = new Error("stopped");
	const notes: LogEvent[] = [];
	const run = pruneGguf(fixturePath, undefined, {
		...small,
		...options,
		signal: controller.signal,
		onLog: (event) => notes.push(event),
		// After the original model and twelve single removals.
		onProgress: countingEvaluations((count) => count === 16 && controller.abort(reason)),
	});
	await expect(run).rejects.toBe(reason);
	const best = notes.find(({ message }) => message.startsWith("Best candidates so far"))!;
	expect(best.message).toMatch(/^ {2}\d: [\d, -]+ \([+-]\d+\.\d{3}\)$/m);
	expect(best.message).toMatch(/take one of them, such as the last: prune-gguf \S*fixture-12l\.gguf .*--remove [\d,-]+( |$)/);
	expect(best.sets!.length).toBeGreaterThan(0);
});

it("a run that is interrupted while it writes names the set that was chosen", async () => {
	const controller = new AbortController();
	const reason = new Error("stopped");
	const notes: LogEvent[] = [];
	const options = { ...small, removeBlocks: 3 };
	const run = pruneGguf(fixturePath, out(), {
		...options,
		signal: controller.signal,
		onLog: (event) => notes.push(event),
		onProgress: ({ name }) => name === "Writing and verifying" && controller.abort(reason),
	});
	await expect(run).rejects.toBe(reason);
	const told = notes.filter(({ sets }) => sets !== undefined);
	const { plan } = await pruneGguf(fixturePath, undefined, options);
	expect(told.map(({ sets }) => sets)).toEqual([[{ removed: plan!.removed, added: expect.any(Number), chosen: true }]]);
	expect(told[0]!.message).toContain(`The final comparison chose ${formatBlocks(plan!.removed)}: `);
});

it("rankBlocks says what each block's removal adds", async () => {
	const { importance, loss, model } = await rankBlocks(fixturePath, small);
	expect(model.blocks).toBe(12);
	expect(importance.map(({ block }) => block)).toEqual(Array.from({ length: 12 }, (_, i) => i));
	expect(loss).toBeGreaterThan(1);
	const values = importance.map(({ value }) => value);
	expect(values.indexOf(Math.max(...values))).toBe(0);
});
