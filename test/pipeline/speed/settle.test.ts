import { describe, expect, it } from "vitest";
import { InvalidOptionError } from "../../../src/errors.js";
import { fewest, isOpen, type MeasureCounts, mostFurther, rangeOf, settleCount } from "../../../src/pipeline/speed/settle.js";

describe("the fewest blocks for a speed-up", () => {
	const goal = (target: number) => ({ target, of: "generation", blocks: { blocks: 30 } }) as const;
	/** A block takes 1 part of the time, everything else 6. */
	const speedup = (count: number) => 36 / (36 - count);
	const counts = Array.from({ length: 29 }, (_, i) => i + 1);

	it("are found with few measurements", async () => {
		for (const target of [1.01, 1.05, 1.3, 2, 4, 5.1]) {
			const asked: number[] = [];
			const found = await fewest(counts, goal(target), async (some) => {
				asked.push(...some);
				return some.map(speedup);
			});
			expect(found).toBe(counts.find((count) => speedup(count) >= target));
			expect(asked.length).toBeLessThanOrEqual(7);
		}
	});

	it("are found if the time of a block is uneven, and only some numbers can be removed", async () => {
		const odd = (count: number) => (count < 12 ? 1 + count / 100 : 2);
		const some = [4, 8, 12, 16, 20, 24];
		expect(await fewest(some, goal(1.5), async (asked) => asked.map(odd))).toBe(12);
		expect(await fewest(some, goal(1.02), async (asked) => asked.map(odd))).toBe(4);
		expect(await fewest([5], goal(1.04), async (asked) => asked.map(odd))).toBe(5);
	});

	it("are refused where no number reaches it, with the most that was measured", async () => {
		const job = fewest(counts, goal(6), async (some) => some.map(speedup));
		await expect(job).rejects.toThrow(InvalidOptionError);
		await expect(job).rejects.toThrow(/target-speedup 6 cannot be reached: without 29 of 30 blocks generation is 5\.14 times as fast/);
	});
});

describe("how sure the number is", () => {
	const counts = Array.from({ length: 29 }, (_, i) => i + 1);
	const goal = { target: 1.2, of: "generation", blocks: { blocks: 30 } } as const;
	/** A block takes 1 part of the time, everything else 6: six blocks make it 1.2 times as fast. */
	const seconds = (count: number) => (36 - count) / 36;
	/** Six repetitions, which a disturbance makes slower on the one side or the other. */
	function machine(disturbance: (call: number) => number) {
		const calls: number[][] = [];
		const measure: MeasureCounts = async (some) => {
			const by = disturbance(calls.push([...some]));
			const turns = [1, -1, 1, -1, 1, -1];
			return some.map((count) => ({
				before: turns.map((side) => 1 + Math.max(0, side * by)),
				after: turns.map((side) => seconds(count) * (1 - 1e-6 + Math.max(0, -side * by))),
			}));
		};
		return { calls, measure };
	}

	it("is not asked again on a quiet machine", async () => {
		const { calls, measure } = machine(() => 0.002);
		const { count, range, ratios } = await settleCount(counts, goal, measure);
		expect(count).toBe(6);
		expect(isOpen(counts, range)).toBe(false);
		expect(calls).toEqual([[29], [5, 6, 7]]);
		expect([...ratios.keys()]).toEqual([5, 6, 7, 29]);
		expect(ratios.get(29)!.value).toBeCloseTo(36 / 7, 1);
	});

	it("is measured again after a disturbance, and all repetitions count", async () => {
		// The second comparison is disturbed.
		const { calls, measure } = machine((call) => (call === 2 ? 0.5 : 0.002));
		const { count, range, ratios } = await settleCount(counts, goal, measure);
		expect(count).toBe(6);
		expect(isOpen(counts, range)).toBe(false);
		expect(calls.slice(-2)).toEqual([
			[5, 6, 7],
			[5, 6, 7],
		]);
		expect(ratios.get(6)!.value).toBeCloseTo(1.2, 2);
	});

	it("stays open where the machine is never quiet, after a bounded number of comparisons", async () => {
		const { calls, measure } = machine(() => 0.8);
		const { range } = await settleCount(counts, goal, measure);
		expect(range!.least).toBeLessThan(range!.most - 2);
		expect(isOpen(counts, range)).toBe(true);
		const first = calls.findIndex((some, i) => i > 0 && calls.slice(0, i).some((other) => other.join() === some.join()));
		expect(first).toBeGreaterThan(0);
		const again = calls.slice(first).filter((some) => calls.slice(0, first).some((other) => other.join() === some.join()));
		expect(again.length).toBeLessThanOrEqual(mostFurther);
	});

	it("is told by the interval: any number if that holds 1", () => {
		const at = (low: number, high: number) => rangeOf(counts, 1.1, { count: 2, ratio: { value: 1.36, interval: { low, high } } });
		expect(at(0.818, 2.42)).toEqual({ least: 1, most: 29 });
		// A block takes 1/22 of the time: two of them make it 1.1 times as fast.
		expect(at(1.0999, 1.1001)).toEqual({ least: 2, most: 3 });
		expect(rangeOf(counts, 1.1, { count: 2, ratio: { value: 1.36 } })).toBeUndefined();
		expect(isOpen([4, 8, 12, 16], { least: 4, most: 12 })).toBe(false);
		expect(isOpen([4, 8, 12, 16], { least: 4, most: 16 })).toBe(true);
	});
});
