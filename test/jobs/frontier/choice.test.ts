import { describe, expect, it } from "vitest";
import type { FrontierCell } from "../../../src/api/index.js";
import {
	bestOf,
	blocksFor,
	type Cell,
	fits,
	type Goal,
	kindOf,
	markDominated,
	sorted,
	frontierVerdict,
} from "../../../src/jobs/frontier/choice.js";

const cell = (type: Cell["type"], removed: number, bytes: number, added: number, goal: Goal = {}): Cell => {
	const figures = {
		loss: { mean: 3 + added, standardError: 0.1 },
		added: { mean: added, standardError: 0.01 },
		divergence: null,
		agreement: null,
	};
	// Types run at the speed of their bytes, blocks at that of their number.
	const speedup = { value: (10 / (10 - removed)) * (type === "own" ? 1 : type === "Q8_0" ? 1.2 : 1.1) };
	const measured = goal.targetSpeedup === undefined ? {} : { speedup };
	const size = { blocks: 10 - removed, bytes, compute: (10 - removed) / 10, ...measured };
	return {
		type,
		removed: Array.from({ length: removed }, (_, i) => i + 1),
		...size,
		...figures,
		fits: fits(goal, { ...size, ...figures }),
	};
};

const grid = (goal: Goal) =>
	markDominated([
		cell("own", 0, 1000, 0, goal),
		cell("own", 2, 800, 0.3, goal),
		cell("Q8_0", 0, 530, 0.001, goal),
		cell("Q8_0", 2, 430, 0.302, goal),
		cell("Q4_K_M", 0, 300, 0.05, goal),
		cell("Q4_K_M", 2, 250, 0.36, goal),
		cell("Q2_K", 0, 200, 0.9, goal),
		cell("Q2_K", 2, 170, 1.4, goal),
	]);

const judge = (goal: Goal, sourceQuantized = false) => {
	const cells = grid(goal);
	const best = bestOf(goal, cells);
	const difference = (a: FrontierCell, b: FrontierCell) => ({ mean: b.loss.mean! - a.loss.mean!, standardError: 0.01 });
	return { best, cells, verdict: frontierVerdict({ goal, cells, best, sourceQuantized }, difference, 10) };
};

describe("the best choice", () => {
	it("is the lowest loss that meets the size", () => {
		expect(judge({ targetSize: 600 }).best).toMatchObject({ type: "Q8_0", removed: [] });
		expect(judge({ targetSize: 299 }).best).toMatchObject({ type: "Q4_K_M", removed: [1, 2] });
		expect(judge({ targetSize: 100 }).best).toBeUndefined();
	});

	it("is the smallest file that loses little where there is no target", () => {
		expect(judge({ maxAdded: 0.1 }).best).toMatchObject({ type: "Q4_K_M", removed: [] });
	});

	it("keeps to fewer blocks", () => {
		expect(judge({ targetCompute: 1.25 }).best).toMatchObject({ type: "own", removed: [1, 2] });
		expect(judge({ targetCompute: 1.25, targetSize: 500 }).best).toMatchObject({ type: "Q8_0", removed: [1, 2] });
		expect([blocksFor(30, 1.3), blocksFor(10, 1.25), blocksFor(10, 2)]).toEqual([7, 2, 5]);
	});

	it("reaches a measured speed, by type or by fewer blocks", () => {
		expect(judge({ targetSpeedup: 1.15, speedupOf: "generation" }).best).toMatchObject({ type: "Q8_0", removed: [] });
		expect(judge({ targetSpeedup: 1.22, speedupOf: "generation" }).best).toMatchObject({ type: "own", removed: [1, 2] });
		expect(judge({ targetSpeedup: 1.4, speedupOf: "prompt" }).best).toMatchObject({ type: "Q8_0", removed: [1, 2] });
		expect(judge({ targetSpeedup: 2, speedupOf: "prompt" }).best).toBeUndefined();
		expect(fits({ targetSpeedup: 1.2 }, { ...cell("own", 2, 1, 0) })).toBe(false);
	});

	it("comes first, then what fits", () => {
		const goal = { targetSize: 500 };
		const { cells, best } = judge(goal);
		const order = sorted(cells, best).map(({ type, removed }) => `${type}-${removed.length}`);
		expect(order.slice(0, 3)).toEqual(["Q4_K_M-0", "Q8_0-2", "Q4_K_M-2"]);
		expect(order.at(-1)).toBe("own-2");
	});
});

describe("dominated", () => {
	it("distinguishes the axes", () => {
		const find = (type: string, removed: number) => grid({}).find((one) => one.type === type && one.removed.length === removed)!.dominated;
		// Q8_0 with all blocks is smaller and better than the own weights without two blocks, which run fewer blocks.
		expect(find("own", 2)).toEqual({ bytes: true, compute: false, both: false });
		expect(find("Q8_0", 0)).toEqual({ bytes: false, compute: true, both: false });
		expect(find("own", 0)).toEqual({ bytes: false, compute: false, both: false });
		const broken = markDominated([{ ...cell("own", 0, 10, 0), loss: { mean: null, standardError: null } }, cell("Q8_0", 0, 9, 0)]);
		expect(broken[0]!.dominated.both).toBe(true);
		// Measured speed replaces compute: a fast type beats the same blocks in a slow one.
		const goal = { targetSpeedup: 1.1 };
		const [own, quick] = markDominated([cell("own", 2, 10, 0.3, goal), cell("Q8_0", 2, 10, 0.3, goal)]);
		expect([own!.dominated.compute, quick!.dominated.compute]).toEqual([true, false]);
	});
});

describe("with attention parts", () => {
	const part = (type: Cell["type"], count: number, milliseconds: number, added: number, goal: Goal): Cell => ({
		...cell(type, 0, type === "own" ? 1000 - count : 600, added, goal),
		removed: Array.from({ length: count }, (_, i) => i + 3.25),
		...{ milliseconds, kvCache: 100 - 10 * count },
	});
	const cellsFor = (goal: Goal) =>
		markDominated([
			part("own", 0, 20, 0, goal),
			part("own", 2, 15, 0.08, goal),
			part("Q8_0", 0, 18, 0.001, goal),
			part("Q8_0", 2, 16, 0.09, goal),
		]);
	const context = { context: 4096, seen: { windows: 5, windowLength: 512, scoreFrom: 256 } };
	const judged = (goal: Goal, cells: readonly FrontierCell[] = cellsFor(goal)) => {
		const best = bestOf(goal, cells);
		const difference = () => ({ mean: 0.1, standardError: 0.01 });
		return { best, text: frontierVerdict({ goal, cells, best, sourceQuantized: false, context }, difference, 10).text };
	};

	it("the best choice is the fastest at the context, or has the smallest KV cache, and is told without blocks", () => {
		const fastest = judged({ maxAdded: 0.1, least: "time" });
		expect(fastest.best).toMatchObject({ type: "own", removed: [3.25, 4.25] });
		expect(fastest.text).toContain(
			"the fastest at the context that adds no more than 0.1 nats per token): the original weights without 3-4a (998 B, 15.0 ms per token, KV cache 80 B).",
		);
		expect(fastest.text).toContain("The fastest with all attention parts is Q8_0 (600 B, 18.0 ms per token, KV cache 100 B)");
		const { best, text } = judged({ maxAdded: 0.05, least: "kvCache" });
		expect(best).toMatchObject({ type: "own", removed: [] });
		expect(text).toContain("Nothing with attention parts removed meets it. Only removing attention parts also saves compute");
	});

	it("says at which context, and of which positions, the figures are", () => {
		const losses = "Losses on the validation and held-out splits are of positions from 256 on of windows of 512 tokens.";
		expect(
			judged({ maxAdded: 0.1, least: "time" }).text.endsWith(` Time and KV cache are those at a context of 4,096 tokens. ${losses}`),
		).toBe(true);
		const untimed = cellsFor({}).map(({ milliseconds: _, ...one }) => one);
		expect(judged({ maxAdded: 0.1, least: "kvCache" }, untimed).text).toContain(
			` The KV cache is that at a context of 4,096 tokens. ${losses}`,
		);
		expect(judge({ maxAdded: 0.1 }).verdict.text).not.toContain("context");
	});

	it("time and KV cache are axes", () => {
		expect(cellsFor({}).map(({ dominated }) => dominated)).toEqual([
			{ bytes: false, compute: false, kvCache: false, both: false },
			{ bytes: true, compute: false, kvCache: false, both: false },
			{ bytes: false, compute: false, kvCache: true, both: false },
			{ bytes: true, compute: true, kvCache: true, both: false },
		]);
		const untimed = cellsFor({}).map(({ milliseconds: _, ...one }) => one);
		expect(markDominated(untimed).map(({ dominated }) => dominated.compute)).toEqual([false, false, true, true]);
	});
});

describe("the verdict", () => {
	it("says where the held-out split does not confirm the choice", () => {
		const goal = { targetSize: 500 };
		const cells = grid(goal);
		const best = bestOf(goal, cells);
		const verdict = (mean: number) =>
			frontierVerdict({ goal, cells, best, sourceQuantized: false }, () => ({ mean, standardError: 0.01 }), 10);
		expect([0.2, 0, -0.2].map((mean) => verdict(mean).confirmed)).toEqual([true, false, false]);
		const reported = { ...cell("Q4_K_M", 0, 300, 0.05, { maxAdded: 0.1 }), heldOut: cell("Q4_K_M", 0, 300, 0.13) };
		const [only] = markDominated([reported]);
		const judged = { goal: { maxAdded: 0.1 }, cells: [only!], best: only, sourceQuantized: false };
		expect(frontierVerdict(judged, () => ({ mean: 0, standardError: 0 }), 9).text).toContain(
			"0.130 ± 0.010 nats per token on the held-out split. That is above the limit",
		);
	});

	it("says where pruning is the worse choice", () => {
		const { verdict } = judge({ targetSize: 500 });
		expect(verdict.confirmed).toBe(true);
		expect(verdict.better).toBe("quantizing");
		expect(verdict.text).toMatch(/Best for the goal \(at most 500 B\): Q4_K_M \(300 B\)\. It adds 0\.050 ± 0\.010/);
		expect(verdict.text).toMatch(/Removing blocks is the worse choice for this goal: Q8_0 without blocks 1-2 \(430 B\) adds 0\.252/);
	});

	it("says what the loss is in percent, in the words of a run, and which other cell it names", () => {
		const { verdict } = judge({ targetSize: 299 });
		expect(verdict.text).toContain(
			"It adds 0.360 ± 0.010 nats per token. Costly: perplexity rises by 43 %. Up to 10.5 % counts as small. ",
		);
		expect(verdict.beside).toMatchObject({ type: "Q2_K", removed: [] });
		expect(judge({ targetSize: 180 }).verdict.text).toContain("Damaged: perplexity more than doubled (x 4.06 ± 0.04). ");
		expect(judge({ targetSize: 180 }).verdict.beside).toMatchObject({ type: "Q2_K", removed: [] });
		expect(judge({ targetSize: 500 }).verdict.beside).toMatchObject({ type: "Q8_0", removed: [1, 2] });
		expect(judge({ targetSize: 1000 }).verdict.text).not.toMatch(/perplexity|Sensible/);
		expect(judge({ targetCompute: 1.25 }).verdict.beside).toBeUndefined();
	});

	it("says what quantizing alone would cost, or that it does not fit", () => {
		expect(judge({ targetSize: 299 }).verdict).toMatchObject({
			better: "both",
			text: expect.stringMatching(/Quantizing alone costs more: Q2_K \(200 B\) adds 0\.540/),
		});
		expect(judge({ targetSize: 180 }).verdict.text).toMatch(/Quantizing alone does not meet it: the smallest is Q2_K \(200 B\)\./);
		expect(judge({ targetCompute: 1.25 }).verdict).toMatchObject({ better: "pruning", text: expect.stringContaining("runs all blocks") });
		expect(judge({ maxAdded: 0.1 }).verdict.text).toMatch(/Nothing with blocks removed meets it/);
	});

	it("names what comes nearest if nothing fits, and a quantized source", () => {
		expect(judge({ targetSize: 100 }).verdict).toEqual({
			text: expect.stringMatching(/^No combination .*The nearest is Q2_K without blocks 1-2 \(170 B\)/),
			beside: expect.objectContaining({ type: "Q2_K", removed: [1, 2] }),
		});
		expect(judge({ targetSize: 500 }, true).verdict.text).toContain("--quantize-from ORIGINAL");
		expect(judge({ targetSize: 500 }).verdict.text).not.toContain("--quantize-from");
		const cells = grid({ targetSize: 500 }).map((one) => ({ ...one, healed: true }));
		const healed = frontierVerdict({ goal: {}, cells, best: cells[0], sourceQuantized: true }, () => ({ mean: 0, standardError: 0 }), 9);
		expect(healed.text).toContain("the original file in its place compares fairly.");
	});

	it("says how fast the alternatives are where speed is asked for", () => {
		const { verdict } = judge({ targetSpeedup: 1.22, speedupOf: "generation" });
		expect(verdict.text).toMatch(
			/Best for the goal \(generation 1\.22 times as fast\): the original weights without blocks 1-2 \(800 B, 1\.25 times as fast\)/,
		);
		expect(verdict.text).toContain("Quantizing alone does not meet it: the fastest is Q8_0 (530 B, 1.20 times as fast).");
		const small = judge({ targetSpeedup: 1.3, speedupOf: "generation", targetSize: 500 }).verdict;
		expect(small.text).toContain("Quantizing alone does not meet it: the fastest of that size is Q2_K (200 B, 1.10 times as fast).");
		// If all miss one of two targets, the one that misses by less is taken, not the smallest.
		expect(judge({ targetSpeedup: 1.48, speedupOf: "generation", targetSize: 420 }).verdict.text).toMatch(
			/The nearest is Q8_0 without blocks 1-2 \(430 B, 1\.50 times/,
		);
		const wide = { ...cell("own", 2, 800, 0.3, { targetSpeedup: 1.2 }), speedup: { value: 1.25, interval: { low: 1.1, high: 1.4 } } };
		const [only] = markDominated([wide]);
		const judged = { goal: { targetSpeedup: 1.2, speedupOf: "prompt" } as const, cells: [only!], best: only, sourceQuantized: false };
		const text = frontierVerdict(judged, () => ({ mean: 0, standardError: 0 }), 9).text;
		expect(text).toContain(
			"1.25 times as fast (1.10 to 1.40)). It adds 0.300 ± 0.010 nats per token. The interval of its speed-up reaches below",
		);
		expect(judge({ targetSpeedup: 2, speedupOf: "prompt" }).verdict.text).toMatch(
			/^No combination meets the goal \(prompts 2 times as fast\)\. The nearest is Q8_0 without blocks 1-2 \(430 B, 1\.50 times as fast\)/,
		);
	});

	it("names the kinds", () => {
		expect([cell("own", 0, 1, 0), cell("own", 1, 1, 0), cell("Q8_0", 0, 1, 0), cell("Q8_0", 1, 1, 0)].map(kindOf)).toEqual([
			"neither",
			"pruning",
			"quantizing",
			"both",
		]);
	});
});
