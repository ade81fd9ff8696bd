import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { LogEvent, PruneOptions } from "../../src/api/index.js";
import { applyPlan } from "../../src/jobs/apply.js";
import { pruneGguf } from "../../src/jobs/prune.js";
import { summaryText } from "../../src/report/summary.js";
import { Model } from "../../src/model/runtime/model.js";
import { readPlan } from "../../src/storage/plan.js";
import { fixturePath } from "../helpers/fixture.js";
import { ownHomes } from "../helpers/home.js";
import { madeUpQuestions, writeQuestions } from "../helpers/questions.js";
import { thorough } from "../helpers/slow.js";

const { out, fresh } = ownHomes();
const plain = { search: { effort: "quick" }, speed: false, samples: 0, report: false } as const satisfies PruneOptions;
const quick = { ...plain, windows: 3, windowLength: 64 } as const satisfies PruneOptions;
const isAttention = (position: number) => position % 1 === 0.25;

describe("a search of attention parts", () => {
	it.runIf(thorough)("writes a model without them, and says what it saw and what is saved at the context", async () => {
		const output = out();
		const notes: LogEvent[] = [];
		const result = await pruneGguf(fixturePath, output, { ...plain, removeAttention: 3, onLog: (event) => notes.push(event) });
		const plan = await readPlan(`${output}.plan.json`);
		expect(plan.removed).toHaveLength(3);
		expect(plan.removed.every(isAttention)).toBe(true);
		expect(plan.removed).not.toContain(0.25);
		expect(plan.options).toMatchObject({ removeAttention: 3, context: 256, search: { granularity: "attention" } });
		expect(plan.calibration.search).toMatchObject({ count: 10, length: 256 });
		const { context } = plan;
		expect(context).toMatchObject({ context: 256, seen: { windows: 10, windowLength: 256, scoreFrom: 128 } });
		// 12 blocks of 2 pairs of heads of 32 values, in F16.
		expect(context?.kvCache).toEqual({ before: 12 * 2 * 2 * 32 * 2 * 256, after: 9 * 2 * 2 * 32 * 2 * 256 });
		const { times, milliseconds } = context!;
		expect(times!.attention).toBeGreaterThan(0);
		expect(milliseconds!.before).toBeCloseTo(1000 * times!.model, 9);
		expect(milliseconds!.after).toBeCloseTo(1000 * (times!.model - 3 * times!.attention), 9);
		expect(result.output?.verification).toContain("bit for bit");
		expect(result.report?.reproduce.granularity).toEqual({ used: "attention", reason: "asked for by --remove-attention" });
		expect(result.report?.context?.kvCache).toEqual(context?.kvCache);
		expect(summaryText(result.report!)).toMatch(/KV cache at 256/);
		expect(plan.command).toContain("--remove-attention 3");
		expect(notes.some(({ message }) => /at a context of 256 an attention part takes \d+ % of a block's time/.test(message))).toBe(true);

		const again = out();
		await applyPlan(fixturePath, again, { plan: result.planPath! });
		expect(readFileSync(again).equals(readFileSync(output))).toBe(true);
	});

	it("says before it measures which adapters no longer load", async () => {
		const notes = async (options: PruneOptions, model = fixturePath) => {
			const told: string[] = [];
			const onLog = ({ message }: LogEvent) => told.push(message);
			await pruneGguf(model, undefined, { ...quick, ...options, dryRun: true, onLog });
			return told.filter((message) => message.startsWith("LoRA adapters"));
		};
		const mismatch = "LoRA adapters made for the architecture llama do not load with the file, which is of llama.cpp's architecture deci";
		expect(await notes({ search: { ...quick.search, granularity: "attention" } })).toEqual([mismatch]);
		expect(await notes({ remove: "3a, 7" })).toEqual([mismatch]);
		expect(await notes({ remove: [3] })).toEqual([]);
		const file = out();
		const applied: string[] = [];
		await applyPlan(fixturePath, file, { remove: "2a", threads: 2, onLog: ({ message }) => applied.push(message) });
		expect(applied).toContain(mismatch);
		expect(await notes({ remove: "3a" }, file)).toEqual([]);
	});

	it.runIf(thorough)("prints commands that measure the same text, and sees no text where questions decide", async () => {
		const search = { ...plain.search, granularity: "attention" } as const;
		const { commands } = await pruneGguf(fixturePath, undefined, { ...plain, search });
		expect(commands.length).toBeGreaterThan(0);
		for (const command of commands) expect(command).toMatch(/--remove [\d,a-]+a .*--context 256/);
		const number = (name: string) => Number(new RegExp(`--${name} (\\d+)`).exec(commands[0]!)?.[1]);
		const windows = { windows: number("windows"), windowLength: number("window-length") };
		const searched = await pruneGguf(fixturePath, undefined, { ...plain, removeAttention: 1 });
		const named = await pruneGguf(fixturePath, undefined, { ...plain, ...windows, remove: searched.plan!.removed, context: 256 });
		expect(named.plan!.calibration).toEqual(searched.plan!.calibration);
		expect(named.plan!.context).toMatchObject({ kvCache: searched.plan!.context!.kvCache });

		const questions = fresh("questions.jsonl");
		await using model = await Model.load(fixturePath, { threads: 2 });
		writeQuestions(questions, madeUpQuestions(model, 24));
		const asked = await pruneGguf(fixturePath, undefined, { ...quick, removeAttention: 1, metric: "accuracy", questions });
		expect(asked.plan!.context!.kvCache.after).toBeLessThan(asked.plan!.context!.kvCache.before);
		expect(asked.plan!.context!.seen).toBeUndefined();
	});

	it("says nothing of options that nobody gave where the parts are named, and counts their KV cache without a context too", async () => {
		const warned: string[] = [];
		const onLog = ({ level, message }: LogEvent) => level === "warning" && warned.push(message);
		const named = await pruneGguf(fixturePath, undefined, { ...quick, remove: "3a, 7", onLog });
		expect(warned.filter((message) => message.includes("granularity"))).toEqual([]);
		const perBlock = 2 * 2 * 32 * 2 * 256;
		expect(named.plan!.context).toEqual({ context: 256, kvCache: { before: 12 * perBlock, after: 10 * perBlock } });
		const blocks = await pruneGguf(fixturePath, undefined, { ...quick, remove: [3, 7] });
		expect(blocks.plan!.context).toBeUndefined();
	});

	it.runIf(thorough)("measures times of a file that has lost attention parts already", async () => {
		const [file, bare] = [out(), out()];
		await applyPlan(fixturePath, file, { remove: "2-6a", threads: 2 });
		const told: string[] = [];
		const dryRun = () => {
			const onLog = ({ message }: LogEvent) => told.push(message);
			return pruneGguf(file, undefined, { ...quick, remove: [3], context: 256, dryRun: true, onLog });
		};
		const shares = () => told.splice(0).filter((message) => message.startsWith("at a context of 256 an attention part takes"));
		await dryRun();
		expect(shares()).toEqual([]);
		const { plan, report } = await pruneGguf(file, undefined, { ...quick, remove: [3], context: 256 });
		// What spares the time to measure says it all the same where it is known.
		await dryRun();
		expect(shares()).toHaveLength(1);
		const { times, milliseconds, kvCache } = plan!.context!;
		expect(kvCache.after).toBe(kvCache.before);
		expect(report!.curve!.context).toBe(256);
		const points = report!.curve!.series[0]!.points.map((point) => [point.kvCache, point.milliseconds]);
		expect(points).toEqual([
			[kvCache.before, expect.closeTo(milliseconds!.before, 9)],
			[kvCache.after, expect.closeTo(milliseconds!.after, 9)],
		]);
		expect(milliseconds!.before - milliseconds!.after).toBeCloseTo(1000 * times!.feedForward, 9);
		// Without attention, but for the first block, which stays, nothing grows that could be measured.
		await applyPlan(fixturePath, bare, { remove: "1-11a", threads: 2 });
		const named = await pruneGguf(bare, undefined, { ...quick, remove: [3], context: 256 });
		expect(named.plan!.context!.times).toBeUndefined();
	});

	it("heals: the feed-forward part behind each attention part is fitted", async () => {
		const output = out();
		const { plan } = await pruneGguf(fixturePath, output, { ...quick, remove: "4a, 7a", heal: { tokens: 1024 } });
		const cuts = plan!.heal!.cuts;
		expect(cuts.map(({ first, last }) => [first, last])).toEqual([
			[4.25, 4.25],
			[7.25, 7.25],
		]);
		for (const cut of cuts) if (cut.tensor !== undefined) expect(cut.tensor).toMatch(/^blk\.[47]\.ffn_down\.weight$/);
		expect(cuts.some(({ tensor }) => tensor !== undefined)).toBe(true);
		expect(plan!.heal!.validation!.difference).toBeLessThan(0.05);
	});

	it.runIf(thorough)("names no blocks where limits are not met, and what asks for less", async () => {
		const attention = { ...quick, search: { ...quick.search, granularity: "attention" } } as const;
		await expect(pruneGguf(fixturePath, out(), { ...attention, limits: { maxPplRatio: 1.0001 } })).rejects.toThrow(
			/The smallest one \(\d+a\): max-ppl-ratio/,
		);
		const stopped = pruneGguf(fixturePath, out(), { ...quick, removeAttention: 3, limits: { maxPplRatio: 1.0001 } });
		const message = await stopped.then(String, (error: Error) => error.message);
		expect(message).toContain("--ignore-limits writes it all the same.");
		expect(message).not.toContain("ask for");
		expect(message).toContain("prune-gguf --granularity attention with these limits and no amount looks for one");
	});

	it("leaves so much of the KV cache, in a file that computes what was measured", async () => {
		const { plan, output } = await pruneGguf(fixturePath, out(), { ...quick, targetKv: 0.7 });
		expect(output?.verification).toContain("bit for bit");
		expect(plan?.removed).toHaveLength(4);
		expect(plan?.removed.every(isAttention)).toBe(true);
		expect(plan?.context?.kvCache.after).toBeLessThanOrEqual(0.7 * plan!.context!.kvCache.before);
	});

	it("goes beside blocks that are removed first", async () => {
		const { plan } = await pruneGguf(fixturePath, undefined, { ...quick, removeAttention: 2, removeBlocks: 1 });
		expect(plan?.removed).toHaveLength(3);
		expect(plan?.removed.filter(isAttention)).toHaveLength(2);
	});

	it("reaches a speed-up at the context with the set that loses least", async () => {
		const { plan } = await pruneGguf(fixturePath, undefined, {
			...quick,
			search: { ...quick.search, granularity: "attention" },
			targetSpeedup: 1.05,
		});
		const { before, after } = plan!.context!.milliseconds!;
		expect(before / after).toBeGreaterThanOrEqual(1.05 - 1e-6);
	});

	it("is refused for what it does not do", async () => {
		const attention = { search: { granularity: "attention" } } as const;
		const refused = (options: PruneOptions) => expect(pruneGguf(fixturePath, undefined, { ...quick, ...options })).rejects;
		await refused({ ...attention, targetSize: 1e6 }).toThrow(/attention parts hold \d+ % of the bytes/);
		await refused({ ...attention, removeBlocks: 2 }).toThrow(/--remove-attention/);
		await refused({ removeAttention: 12 }).toThrow(/at most 11 of 12 attention parts can go/);
		await refused({ removeAttention: 3, context: 4096 }).toThrow(/trained on a context of 256 tokens/);
		await refused({ removeAttention: 3, search: { granularity: "block" } }).toThrow(/leave out --granularity block/);
		await refused({ removeAttention: 3, targetKv: 0.5 }).toThrow(/say the same thing twice/);
		await refused({ removeAttention: 2, removeBlocks: "25%" }).toThrow(/a number of blocks, not a share of them: -n 3 .*removeBlocks: 3/);
		await refused({ targetKv: 0.5, removeBlocks: "25%" }).toThrow(/^removeBlocks and targetKv say the same thing twice/);
		await refused({ removeAttention: 0 }).toThrow(/at least 1, got 0/);
		await refused({ targetKv: 1.5 }).toThrow(/between 0 and 100 %/);
		await refused({ removeBlocks: 2, context: 256 }).toThrow(/belongs to --granularity attention/);
		await refused({ ...attention, targetSpeedup: { prompt: 1.1 } }).toThrow(/leave prompt: out/);
		for (const maxTime of [undefined, 3600])
			await refused({ search: { ...attention.search, maxTime }, targetSpeedup: 1000 }).toThrow(
				/cannot be reached at a context of 256: without all attention parts and blocks that can go .* Give a smaller one/,
			);
	});
});
