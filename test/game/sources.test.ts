import { describe, expect, it } from "vitest";
import { Coalition } from "../../src/game/coalition.js";
import { meanLoss } from "../../src/game/game.js";
import { bySource, mixedError, mixedMean } from "../../src/game/sources.js";
import { tiedSets } from "../../src/game/search/tied.js";
import { meanAndError, studentT95 } from "../../src/game/statistics.js";

const sources = [
	{ name: "a", count: 2, weight: 3 },
	{ name: "b", count: 3, weight: 1 },
];
// Means 2 and 10; variances 2 and 9.
const values = Float64Array.of(1, 3, 7, 10, 13);

describe("several sources", () => {
	it("mix by their weights, whatever their windows", () => {
		expect(bySource(values, sources).map((part) => [...part])).toEqual([
			[1, 3],
			[7, 10, 13],
		]);
		expect(mixedMean(values, sources)).toBe(0.75 * 2 + 0.25 * 10);
		expect(mixedError(values, sources)).toBeCloseTo(Math.sqrt(0.75 ** 2 * (2 / 2) + 0.25 ** 2 * (9 / 3)), 12);
		expect(meanAndError(values, sources)).toEqual({ mean: 4, standardError: mixedError(values, sources) });
	});

	it("leave the error unknown where one has a single window", () => {
		expect(mixedError(Float64Array.of(1, 2, 3), [sources[0]!, { ...sources[1]!, count: 1 }])).toBeUndefined();
	});

	it("decide the loss of a measurement, and are broken where one window is", () => {
		const coalition = Coalition.full(4);
		expect(meanLoss({ coalition, losses: values, sources })).toBe(4);
		expect(meanLoss({ coalition, losses: values })).toBe(34 / 5);
		expect(meanLoss({ coalition, losses: Float64Array.of(1, 3, 7, Number.NaN, 13), sources })).toBe(Number.POSITIVE_INFINITY);
	});

	it("decide which sets are tied", () => {
		const of = (removed: number, ...losses: number[]) => ({
			coalition: Coalition.ofRemoved(4, [removed]),
			losses: Float64Array.from(losses),
		});
		const sets = [of(0, 1, 1, 4, 4, 4), of(1, 2, 2, 0, 0, 0)];
		const best = (weighted: boolean) => tiedSets(sets.map((set) => (weighted ? { ...set, sources } : set))).get(1)![0]!.removed;
		expect(best(false)).toEqual([1]);
		expect(best(true)).toEqual([1]);
		const heavy = [{ ...sources[0]!, weight: 9 }, sources[1]!];
		expect(tiedSets(sets.map((set) => ({ ...set, sources: heavy }))).get(1)![0]!.removed).toEqual([0]);
	});
});

it("quantiles of Student's t are those of the tables", () => {
	expect([1, 4, 10].map(studentT95)).toEqual([12.706, 2.776, 2.228]);
	expect(studentT95(20)).toBeCloseTo(2.086, 2);
	expect(studentT95(1000)).toBeCloseTo(1.962, 3);
});
