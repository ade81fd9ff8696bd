import { describe, expect, it } from "vitest";
import {
	median,
	orderStatistic95,
	probeWithin,
	ratioOf,
	shapeWithin,
	sideOf,
	usualSpeedShape,
} from "../../../src/pipeline/speed/figures.js";
import { spreadSet } from "../../../src/pipeline/speed/target.js";

describe("the ratio of two speeds", () => {
	it("is the median of the repetitions' own, so that a slow spell of the machine does not count", () => {
		// The third repetition was slow for both.
		const ratio = ratioOf([1, 1, 3, 1, 1.02, 1], [0.8, 0.8, 2.4, 0.81, 0.8, 0.79]);
		expect(ratio.value).toBeCloseTo(1.25, 6);
		expect(ratio.interval!.low).toBeCloseTo(1 / 0.81, 6);
		expect(ratio.interval!.high).toBeCloseTo(1.02 / 0.8, 6);
	});

	it("has an interval from six repetitions on, by order statistics", () => {
		expect(ratioOf([1, 2, 3, 4, 5], [1, 1, 1, 1, 1]).interval).toBeUndefined();
		// Binomial tails: 2 / 2^6, 2 (1 + 9) / 2^9, 2 (1 + 20 + 190 + 1140 + 4845 + 15504) / 2^20.
		expect([5, 6, 8, 9, 20].map(orderStatistic95)).toEqual([undefined, 0, 0, 1, 5]);
	});

	it("has the median of an even number in the middle", () => {
		expect([median([3]), median([1, 4]), median([9, 1, 5]), median([1, 2, 3, 10])]).toEqual([3, 2.5, 5, 2.5]);
	});
});

describe("the figures of a side", () => {
	it("are tokens per second and bytes", () => {
		const figures = {
			...{ promptSeconds: Float64Array.of(2, 1, 4), generationSeconds: Float64Array.of(1, 2, 1) },
			...{ weights: 100, kvCache: 20, compute: 3 },
		};
		expect(sideOf(figures, { promptTokens: 8, generatedTokens: 4, repetitions: 3 }, 130)).toEqual({
			prompt: { median: 4, low: 2, high: 8 },
			generation: { median: 4, low: 2, high: 4 },
			...{ weights: 100, kvCache: 20, compute: 3, memory: 123, file: 130 },
		});
	});
});

describe("the shape of a short measurement", () => {
	/** Time of a probe if one token takes so long, in seconds. */
	const probe = (prompt: number, generated: number, most: number) => {
		const { promptTokens, generatedTokens } = probeWithin(most);
		const seconds = {
			promptSeconds: Float64Array.of(promptTokens * prompt),
			generationSeconds: Float64Array.of(generatedTokens * generated),
		};
		return { ...seconds, weights: 0, kvCache: 0, compute: 0 };
	};

	it("is the usual one where the machine is fast, and takes no more than its time where it is slow", () => {
		expect(shapeWithin(probe(1e-5, 1e-4, 8192), 10, 2, 8192)).toEqual(usualSpeedShape);
		const slow = shapeWithin(probe(1 / 350, 1 / 115, 8192), 16, 2, 8192);
		expect(slow).toEqual({ promptTokens: 128, generatedTokens: 64, repetitions: 6 });
		expect(14 * (slow.promptTokens / 350 + slow.generatedTokens / 115)).toBeLessThan(16);
		// However slow, something is measured.
		expect(shapeWithin(probe(10, 10, 8192), 1, 2, 8192)).toMatchObject({ promptTokens: 16, generatedTokens: 4 });
	});

	it("fits the context", () => {
		for (const most of [2, 8, 100, 256]) {
			const { promptTokens, generatedTokens } = shapeWithin(probe(1e-6, 1e-6, most), 10, 2, most);
			expect(promptTokens).toBeGreaterThanOrEqual(1);
			expect(generatedTokens).toBeGreaterThanOrEqual(1);
			expect(promptTokens + generatedTokens).toBeLessThanOrEqual(most);
		}
	});
});

describe("the blocks that represent a number of them", () => {
	const plan = (blocks: number, frozen: number[], check: (removed: readonly number[]) => string | undefined, units?: number[][]) => ({
		...{ blocks, frozen: new Map(frozen.map((block) => [block, "a rule"])), check },
		...(units ? { units } : {}),
	});

	it("are spread over those that may be removed", () => {
		const free = plan(12, [0, 11], (removed) => (removed.some((block) => block === 0 || block === 11) ? "frozen" : undefined));
		expect(spreadSet(free, 2)).toEqual([3, 8]);
		expect(spreadSet(free, 10)?.length).toBe(10);
		expect(spreadSet(free, 11)).toBeUndefined();
	});

	it("are of each kind by its share of the model, if they may be removed", () => {
		const any = plan(12, [], () => undefined);
		const even = (block: number) => block % 2 === 0;
		expect(spreadSet(any, 6)!.filter(even)).toEqual([]);
		expect(spreadSet(any, 6, even)!.filter(even)).toEqual([2, 6, 10]);
		const odd = plan(12, [], (removed) => (removed.some(even) ? "even" : undefined));
		expect(spreadSet(odd, 6, even)).toEqual([1, 3, 5, 7, 9, 11]);
	});

	it("keep what is tied together", () => {
		const units = [0, 4, 8].map((start) => [start, start + 1, start + 2, start + 3]);
		const whole = (removed: readonly number[]) =>
			units.every((unit) => [0, 4].includes(unit.filter((block) => removed.includes(block)).length)) ? undefined : "torn";
		expect(spreadSet(plan(12, [], whole, units), 8)?.length).toBe(8);
		expect(spreadSet(plan(12, [], whole, units), 6)).toBeUndefined();
	});
});
