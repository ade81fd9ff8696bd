import { describe, expect, it } from "vitest";
import type { LogEvent, PruneOptions } from "../../../src/api/index.js";
import { applyPlan } from "../../../src/jobs/apply.js";
import { InvalidOptionError } from "../../../src/errors.js";
import { findFrontier } from "../../../src/jobs/frontier/frontier.js";
import {
	forecast,
	forecastAgain,
	type HealWork,
	onlySet,
	overTimeText,
	tokensText,
	tokensWithin,
} from "../../../src/pipeline/healing/time-budget.js";
import { pruneGguf } from "../../../src/jobs/prune.js";
import { fixturePath } from "../../helpers/fixture.js";
import { ownHomes, small } from "../../helpers/home.js";
import { thorough } from "../../helpers/slow.js";

const { out, newHome } = ownHomes();

describe("the time that healing takes", () => {
	const none: HealWork = {
		...{ sets: 0, headSets: 1, raced: 0, cuts: 1, mostCuts: 1, tuning: 0, judged: 0 },
		...{ heads: false, normed: false, kinds: [] },
	};
	const free = Number.POSITIVE_INFINITY;
	const slow = { draw: 3, pass: 2, summing: free, solving: free };
	const sizes = { inputs: 10, width: 4 };
	const of = (work: Partial<HealWork>, speed = slow) => forecast({ ...none, ...work }, speed, sizes);

	it("is that of drawing and running tokens, once whole and with two weightings for each cut", () => {
		expect(of({})).toEqual({ fixed: 0, perToken: 3 });
		expect(of({ sets: 1 })).toEqual({ fixed: 0, perToken: 3 + 2 * (1 + 2) });
		expect(of({ sets: 2, cuts: 3 })).toEqual({ fixed: 0, perToken: 3 + 2 * 2 * (1 + 6) });
		expect(of({ sets: 1, normed: true })).toEqual({ fixed: 0, perToken: 3 + 2 * (1 + 3) });
	});

	it("is that of the text that decides, for each ridge, and of the text that is judged on", () => {
		expect(of({ sets: 1, tuning: 100, judged: 10, kinds: ["refit"] }).fixed).toBe(2 * 4 * 100 * 2 + 2 * 10 * 2);
		expect(of({ sets: 1, tuning: 100, kinds: ["refit", "map"] }).fixed).toBe(2 * 2 * 4 * 100 * 2);
		expect(of({ sets: 3, cuts: 2, tuning: 100, normed: true, kinds: ["map"] }).fixed).toBe(3 * 2 * (2 * 4 + 3) * 100 * 2);
	});

	it("is that of least squares, summed up and solved at rates of their own", () => {
		const alone = { draw: 0, pass: 0, summing: 1, solving: 10 };
		const solution = (n: number) => (n ** 3 / 3 + 4 * n * n * 4) / 10;
		const refit = of({ sets: 1, kinds: ["refit"] }, alone);
		expect(refit.perToken).toBeCloseTo(2 * 10 * (10 + 8), 9);
		expect(refit.fixed).toBeCloseTo(8 * solution(10), 9);
		const map = of({ sets: 1, kinds: ["map"] }, alone);
		expect(map.perToken).toBeCloseTo(2 * 4 * (4 + 8), 9);
		expect(map.fixed).toBeCloseTo(8 * (solution(4) + (2 * 10 * 16) / 10), 9);
		const both = of({ sets: 1, kinds: ["refit", "map"] }, alone);
		expect(both.fixed).toBeCloseTo(refit.fixed + map.fixed, 9);
	});

	it("is that of one fit of each cut where a plan says how", () => {
		expect(forecastAgain({ cuts: 3, kinds: [] }, slow, sizes)).toEqual({ fixed: 0, perToken: 3 + 2 * (1 + 3) });
		const alone = { draw: 0, pass: 0, summing: 1, solving: 10 };
		const { fixed, perToken } = forecastAgain({ cuts: 2, kinds: ["refit"] }, alone, sizes);
		const tried = of({ sets: 1, cuts: 2, kinds: ["refit"] }, alone);
		expect(perToken).toBeCloseTo(tried.perToken / 2, 9);
		expect(fixed).toBeCloseTo(tried.fixed / 8, 9);
	});

	it("is that of a race and of the heads of sets on top", () => {
		expect(of({ raced: 12, tuning: 100 })).toEqual({ fixed: 12 * (6400 * 2 * 2 + 100 * 2), perToken: 3 });
		expect(of({ heads: true }).fixed).toBe(100 * 8192 * 2);
		expect(of({ heads: true, sets: 5, headSets: 5 }).fixed).toBe(5 * 100 * 8192 * 2);
		expect(of({ heads: true, sets: 3 }).fixed).toBe(100 * 8192 * 2);
	});

	it("leaves whole thousands of tokens, at least one", () => {
		const cost = { fixed: 10, perToken: 0.01 };
		expect(tokensWithin(10 + 0.01 * 5000, cost)).toBe(4 * 1024);
		expect(tokensWithin(5, cost)).toBe(1024);
	});

	it("is a warning if the least is longer than allowed, and refused if it is more than twice that", () => {
		expect(overTimeText(170, 180)).toBeUndefined();
		expect(overTimeText(190, 180)).toBe(
			"healing takes about 3 min 10 s even with 1,024 tokens, more than the 3 min 0 s that --heal allows",
		);
		expect(overTimeText(360, 180)).toMatch(/more than the 3 min 0 s that --heal allows$/);
		expect(() => overTimeText(5280, 180)).toThrow(InvalidOptionError);
		expect(() => overTimeText(5280, 180)).toThrow(
			/1 h 28 min even with 1,024 tokens, more than twice the 3 min 0 s that --heal allows\. Give --heal=88m or more, or leave out --heal\. To heal blocks that you name, prune-gguf apply/,
		);
		expect(() => overTimeText(5280, 180, false)).toThrow(/or leave out --heal\.$/);
	});

	it("does not say that a time allows what takes longer", () => {
		expect(tokensText(4096, 180, 170)).toBe("healing uses 4,096 tokens, as many as 3 min 0 s allow");
		expect(tokensText(1024, 180, 170)).toBe("healing uses 1,024 tokens, as many as 3 min 0 s allow");
		expect(tokensText(1024, 180, 300)).toBe("healing uses 1,024 tokens, the fewest that it can use");
	});

	it("is counted for the cuts of a set that is known", () => {
		expect(onlySet([7, 3, 6])).toEqual({ sets: 1, headSets: 1, raced: 0, cuts: 2, mostCuts: 2 });
		expect(onlySet([1, 0])).toMatchObject({ cuts: 0 });
	});
});

describe("--heal=TIME", () => {
	it.runIf(thorough)("finds a number of tokens, once, and says it", async () => {
		newHome();
		const runs: { phases: Set<string>; notes: string[] }[] = [];
		const run = async (healTime: number) => {
			const seen = { phases: new Set<string>(), notes: [] as string[] };
			const onProgress = ({ phase }: { phase: string }) => void seen.phases.add(phase);
			const onLog = ({ level, message }: LogEvent) => void (level === "debug" ? undefined : seen.notes.push(message));
			const options = { ...small, remove: [3, 6, 7], heal: { time: healTime }, dryRun: false, onProgress, onLog } satisfies PruneOptions;
			const { plan } = await pruneGguf(fixturePath, out(), options);
			runs.push(seen);
			return plan!;
		};
		const first = await run(5);
		const { tokens } = first.options.heal as { tokens: number };
		expect(tokens % 1024).toBe(0);
		expect(first.heal!.fit.count * first.heal!.fit.length).toBe(tokens);
		expect(first.options.heal).not.toHaveProperty("time");
		expect(runs[0]!.notes).toContainEqual(
			expect.stringMatching(`^healing uses ${tokens.toLocaleString("en")} tokens, as many as [45].0 s allow$`),
		);
		const again = await run(5);
		expect(again.heal!.fit).toEqual(first.heal!.fit);
		expect(runs[1]!.notes.join("\n")).toMatch(/as many as 5.0 s allow \(cached from an earlier run\)$/m);
		expect(runs.map(({ phases }) => phases.has("timing healing"))).toEqual([true, false]);

		await expect(run(0.001)).rejects.toThrow(
			/even with 1,024 tokens, more than twice the .* that --heal allows\. Give --heal=\d+m or more/,
		);
	});

	it.runIf(thorough)("is kept to by apply too", async () => {
		const lines: string[] = [];
		const onLog = ({ message }: LogEvent) => void lines.push(message);
		const { heal } = await applyPlan(fixturePath, out(), { remove: [3, 6, 7], heal: { time: 20 }, threads: 2, onLog });
		const tokens = heal!.fit.count * heal!.fit.length;
		expect(lines).toContainEqual(expect.stringMatching(`^healing uses ${tokens.toLocaleString("en")} tokens, as many as 20 s allow$`));
	});

	it("is that of all sets of a frontier, before any is searched for", async () => {
		const phases = new Set<string>();
		const onProgress = ({ phase }: { phase: string }) => void phases.add(phase);
		const run = findFrontier(fixturePath, {
			...small,
			quantize: { types: [] },
			maxBlocks: 3,
			heal: { time: 0.01 },
			onProgress,
		});
		await expect(run).rejects.toThrow(/more than twice the .* that --heal allows/);
		const opening = ["loading the model", "generating text", "finding the fastest settings"];
		expect([...phases].filter((phase) => !opening.includes(phase))).toEqual(["timing healing"]);
	});

	it.each([
		[{ heal: { time: 0 } }, /the time of heal must be above 0 seconds/],
		[{ heal: { time: 60, tokens: 2048 } }, /heal takes a time or a number of tokens: give one of them/],
	])("%j is refused", async (options, expected) => {
		const run = pruneGguf(fixturePath, out(), { ...small, remove: [3], ...options });
		await expect(run).rejects.toThrow(InvalidOptionError);
		await expect(run).rejects.toThrow(expected);
	});
});
