import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { EvaluationError } from "../../src/errors.js";
import { pruneGguf } from "../../src/jobs/prune.js";
import { Evaluator } from "../../src/model/runtime/evaluator.js";
import * as timePlan from "../../src/pipeline/pruning/time-plan.js";
import * as racing from "../../src/pipeline/race/race.js";
import * as smaller from "../../src/pipeline/race/smaller.js";
import * as textLimit from "../../src/pipeline/session/text-limit.js";
import { f16Fixture } from "../helpers/f16.js";
import { fixturePath } from "../helpers/fixture.js";
import { ownHomes, small } from "../helpers/home.js";
import { thorough } from "../helpers/slow.js";

vi.mock("../../src/pipeline/pruning/time-plan.js", { spy: true });
vi.mock("../../src/pipeline/race/race.js", { spy: true });
vi.mock("../../src/pipeline/race/smaller.js", { spy: true });
vi.mock("../../src/pipeline/session/text-limit.js", { spy: true });
const { folder, home, out } = ownHomes();
afterEach(() => {
	vi.mocked(timePlan.planTime).mockReset();
	vi.mocked(timePlan.leftOutLate).mockReset();
	vi.mocked(timePlan.finalistsLate).mockReset();
});
const asked = { ...small, speed: true, samples: 1, removeBlocks: 2 } as const;

async function run(maxTime: number) {
	const notes: string[] = [];
	const output = out();
	const result = await pruneGguf(fixturePath, output, {
		...asked,
		search: { maxTime, effort: "quick" },
		onLog: ({ message }) => notes.push(message),
	});
	return { ...result, output, notes: notes.join("\n") };
}

/** What a dry run of the same says, and its notes. */
async function dryRun(maxTime: number) {
	const notes: string[] = [];
	const search = { maxTime, effort: "quick" } as const;
	const { estimate } = await pruneGguf(fixturePath, out(), { ...asked, search, dryRun: true, onLog: ({ message }) => notes.push(message) });
	return { ...estimate!, notes: notes.join("\n") };
}

describe("a run that is limited in time", () => {
	it.runIf(thorough)("leaves out nothing where there is time for all", async () => {
		const { plan, notes } = await run(3600);
		expect(plan!.removed.length).toBe(2);
		expect(plan!.speed).toBeDefined();
		expect(notes).not.toContain("leaves out");
		// By estimates of its own: all parts have a time, and the search as its effort has it.
		const [left, parts] = vi.mocked(timePlan.planTime).mock.calls[0]!;
		expect(left).toBeGreaterThan(3500);
		expect(left).toBeLessThan(3600);
		expect(parts.fixed).toBeGreaterThan(0);
		expect(parts.optional.samples).toBeGreaterThan(0);
		expect(parts.optional.speed).toBeGreaterThan(10);
		expect(parts.optional["further text"]).toBeGreaterThan(0);
		expect(parts.usual).toBeGreaterThan(parts.singles);
		expect(parts.singles).toBeGreaterThan(parts.unsearched);
	});

	it("is told of by a dry run as it would be: its limit, its steps, what is left out", async () => {
		const whole = await dryRun(3600);
		const [left] = vi.mocked(timePlan.planTime).mock.calls[0]!;
		// The text is drawn and the original model measured: of what has passed the run that follows only loads the model again.
		expect(left).toBeCloseTo(3600 - whole.steps[0]!.seconds!, 1);
		expect(whole.leftOut).toBeUndefined();
		expect(whole.steps.map(({ name }) => name)).toContain("Measuring");
		vi.mocked(timePlan.planTime).mockReturnValueOnce({ search: 0.001, finalists: 1e6, leftOut: ["samples", "speed", "further text"] });
		const short = await dryRun(100);
		expect(short.leftOut).toEqual(["samples", "speed", "further text"]);
		// Once, with what is estimated.
		expect(short.notes).not.toContain("leaves out");
		const secondsOf = ({ steps }: typeof whole, step: string) => steps.find(({ name }) => name === step)?.seconds;
		expect(secondsOf(short, "Measuring")).toBeUndefined();
		// Nothing but the single removals.
		expect(short.evaluations).toBe(whole.evaluations - (40 - 13) - 10);
		// Each run measures its own speed, so seconds do not compare.
		expect(short.tokens).toBeLessThan(whole.tokens);
		vi.mocked(timePlan.planTime).mockReturnValueOnce({ search: undefined, finalists: 1e6, leftOut: ["samples", "speed", "further text"] });
		const unsearched = await dryRun(100);
		expect(unsearched.leftOut).toEqual(["samples", "speed", "further text", "search"]);
		expect(unsearched.evaluations).toBe(2);
		expect(unsearched.tokens).toBeLessThan(short.tokens);
	});

	it("is refused by a dry run too where it is too short", async () => {
		vi.mocked(timePlan.planTime).mockReturnValueOnce(undefined);
		await expect(dryRun(100)).rejects.toThrow(/max-time 100s is too short: .* Give --max-time \d+s or more/);
	});

	it("counts both rounds of single removals where blocks go beside attention parts", async () => {
		const stop = new Error("the estimates are made");
		vi.mocked(timePlan.planTime).mockImplementationOnce(() => {
			throw stop;
		});
		const search = { maxTime: 3600, effort: "quick" } as const;
		const task = { ...small, removeBlocks: 1, removeAttention: 2 };
		await expect(pruneGguf(fixturePath, undefined, { ...task, search })).rejects.toBe(stop);
		const [, { singles, unsearched }] = vi.mocked(timePlan.planTime).mock.calls[0]!;
		// A third of the time must hold 13 evaluations of twelve blocks. Leave-one-out measures these twice, with 1 and 2 sets beside them.
		expect(unsearched / singles).toBeCloseTo(29 / 39, 6);
	});

	it("says how long it takes where not even one candidate can be measured", async () => {
		await expect(run(0.2)).rejects.toThrow(
			/max-time 0.2s is too short: .* one candidate that is measured, written and verified takes about \d+s in all. Give --max-time \d+s or more/,
		);
	});

	it("leaves out samples and speed where they do not fit, and says so", async () => {
		vi.mocked(timePlan.planTime).mockReturnValueOnce({ search: 60, finalists: 1e6, leftOut: ["samples", "speed"] });
		const { plan, report, output, notes } = await run(100);
		expect(existsSync(output)).toBe(true);
		expect(plan!.speed).toBeUndefined();
		expect(report!.samples).toBeUndefined();
		expect(notes).toContain("--max-time 100s leaves out: samples, speed");
		// After the search they are no longer counted: nothing is left out twice.
		const [, { optional }] = vi.mocked(timePlan.leftOutLate).mock.calls[0]!;
		expect(optional).toMatchObject({ samples: 0, speed: 0 });
		expect(optional["further text"]).toBeGreaterThan(0);
		expect(notes.match(/leaves out/g)).toHaveLength(1);
		// What was asked for stands in the plan.
		expect(plan!.options).toMatchObject({ search: { maxTime: 100 } });
	});

	it("chooses without a search where single removals do not fit, measures and verifies", async () => {
		vi.mocked(timePlan.planTime).mockReturnValueOnce({ search: undefined, finalists: 1e6, leftOut: ["samples", "speed", "further text"] });
		const { plan, output, notes, granularity } = await run(100);
		expect(existsSync(output)).toBe(true);
		expect(plan!.removed.length).toBe(2);
		expect(notes).toContain(
			"leaves out: samples, speed, further text, search; the blocks are ranked by how little they change the hidden state",
		);
		expect(plan!.losses.heldOut!.difference).toBeGreaterThan(0);
		// Whole blocks were ranked, whatever the default of the method that was asked for.
		expect(plan!.options.search).toMatchObject({ granularity: "block" });
		expect(granularity).toEqual({ used: "block", reason: "--max-time left no time to search" });
	});

	it("takes the last blocks where the graph gives no hidden state to rank by", async () => {
		vi.mocked(timePlan.planTime).mockReturnValueOnce({ search: undefined, finalists: 1e6, leftOut: ["samples", "speed", "further text"] });
		const none = vi.spyOn(Evaluator.prototype, "similarities").mockRejectedValueOnce(new EvaluationError("no hidden state after block 0"));
		const { plan } = await run(100);
		expect(none).toHaveBeenCalledOnce();
		expect(plan!.removed).toEqual([9, 10]);
	});

	it.runIf(thorough)("draws less text where that takes too much of the time, and goes on so", async () => {
		const notes: string[] = [];
		const slow = () =>
			vi.mocked(textLimit.watchDrawing).mockImplementationOnce((limit) => {
				expect(limit.most).toBe(600);
				return { signal: AbortSignal.abort(new textLimit.SlowTextError()), onProgress: () => {} };
			});
		const search = { maxTime: 3600, effort: "quick" } as const;
		const prune = (dryRun = false) =>
			pruneGguf(fixturePath, undefined, {
				dryRun,
				removeBlocks: 2,
				windowLength: 32,
				speed: false,
				samples: 0,
				search,
				onLog: ({ message }) => notes.push(message),
			});
		slow();
		// A dry run tells of the same job.
		const { estimate } = await prune(true);
		expect(estimate).toBeDefined();
		slow();
		const { plan } = await prune();
		expect(notes.join("\n").match(/the run has --windows 5/g)).toHaveLength(2);
		expect(plan!.calibration).toMatchObject({ search: { count: 5 }, validation: { count: 5 }, heldOut: { count: 8 } });
		expect(notes.join("\n")).toContain("the run has --windows 5");
		// In another cache, and on another machine, it is the same text.
		expect(plan!.command).toContain("--windows 5");
		// As if it had been drawn on busy cores; the usual text would be drawn in no time now.
		const drawnIn = (seconds: number) => {
			const runs = join(home(), "runs");
			const names = readdirSync(runs, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".windows.json"));
			const texts = names.map((name) => [name, readFileSync(join(runs, name), "utf8")] as const);
			const [path, text] = texts.find(([, content]) => content.includes('"splits"'))!;
			const kept = JSON.parse(text) as { drawn: { seconds: number; by: string } };
			writeFileSync(join(runs, path), JSON.stringify({ ...kept, drawn: { ...kept.drawn, seconds } }));
		};
		drawnIn(400);
		const again = await prune();
		expect(again.plan!.removed).toEqual(plan!.removed);
		expect(notes.join("\n")).toContain("candidates are cached from an earlier run");
		expect(notes.join("\n").match(/the run has --windows 5/g)).toHaveLength(3);
		// A limit that the usual text fits into is not bound by it.
		drawnIn(20);
		expect((await prune()).plan!.calibration).toMatchObject({ search: { count: 5 }, validation: { count: 10 }, heldOut: { count: 15 } });
	});

	it("leaves out late what no longer fits, also further text for ties", async () => {
		vi.mocked(timePlan.leftOutLate).mockReturnValueOnce(["samples", "speed", "further text"]);
		const { plan, notes } = await run(3600);
		expect(plan!.speed).toBeUndefined();
		expect(notes).toContain("leaves out: samples, speed, further text");
		expect(notes).not.toContain("times the text");
		// Fewer blocks are measured for the verdict as far as there is time.
		const { fits } = vi.mocked(smaller.withSmaller).mock.calls.at(-1)![3];
		expect([1, 1e9].map((sets) => fits!(sets))).toEqual([true, false]);
	});

	it("compares the finalists that fit, and measures the speed only if there is time left after that", async () => {
		vi.mocked(timePlan.finalistsLate).mockReturnValueOnce(0);
		vi.mocked(timePlan.leftOutLate).mockReturnValueOnce([]).mockReturnValueOnce(["speed"]);
		const { plan, report, notes } = await run(3600);
		const [, field] = vi.mocked(racing.race).mock.calls.at(-1)!;
		expect(new Set(field.map(({ removed }) => removed.join())).size).toBe(1);
		expect(notes).toContain("leaves out: further finalists");
		expect(plan!.tied ?? []).toEqual([]);
		expect(plan!.speed).toBeUndefined();
		expect(report!.samples).toBeDefined();
		expect(notes).toContain("leaves out: speed");
	});

	it("counts what a run heals before limits say how much to remove, and says that they may heal more", async () => {
		const notes: string[] = [];
		vi.mocked(timePlan.planTime).mockReturnValueOnce(undefined);
		const options = { ...small, heal: { tokens: 1024 }, limits: { maxKl: 1 }, search: { maxTime: 3600, effort: "quick" } } as const;
		await expect(pruneGguf(fixturePath, out(), { ...options, onLog: ({ message }) => notes.push(message) })).rejects.toThrow(
			"max-time 60m is too short",
		);
		const [, { fixed }] = vi.mocked(timePlan.planTime).mock.calls[0]!;
		vi.mocked(timePlan.planTime).mockReset();
		vi.mocked(timePlan.planTime).mockReturnValueOnce(undefined);
		await expect(pruneGguf(fixturePath, out(), { ...options, heal: false })).rejects.toThrow("too short");
		const [, unhealed] = vi.mocked(timePlan.planTime).mock.calls[0]!;
		expect(fixed).toBeGreaterThan(1.2 * unhealed.fixed);
		expect(notes).toContain("--max-time 60m covers healing one choice: if limits make the run heal further candidates, it takes longer");
	});

	it("says what it does not cover where that cannot be estimated", async () => {
		const notes: string[] = [];
		vi.mocked(timePlan.planTime).mockReturnValueOnce(undefined);
		const options = {
			...small,
			removeBlocks: 2,
			quantize: { type: "Q8_0", from: await f16Fixture(folder) },
			quantizedAlternatives: true,
		} as const;
		await expect(
			pruneGguf(fixturePath, out(), { ...options, search: { maxTime: 3600 }, onLog: ({ message }) => notes.push(message) }),
		).rejects.toThrow("too short");
		expect(notes).toContain(
			'--max-time 60m does not cover "Writing and verifying" and "Measuring": how long that takes cannot be estimated',
		);
	});
});
