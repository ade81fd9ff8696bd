import { describe, expect, it } from "vitest";
import { Coalition } from "../../../src/game/coalition.js";
import type { Measurement } from "../../../src/game/game.js";
import { fewestOf, leastLossOf } from "../../../src/pipeline/pruning/amount.js";
import type { Finalist } from "../../../src/pipeline/race/race.js";

describe("the set that adds the least among those that save a time", () => {
	/** Winners that add so much, seen with an error of so much. */
	const least = (...sets: (readonly [removed: readonly number[], added: number, error?: number])[]) => {
		const winners = new Map<number, Finalist>();
		const onSplit = new Map<number, Measurement>();
		for (const [removed, added, error = 0] of sets) {
			winners.set(removed.length, { removed, method: "auto", loss: 2 + added, added, standardError: undefined });
			const losses = Float64Array.from([1, -1, 1, -1], (sign) => 2 + added + Math.sqrt(3) * sign * error);
			onSplit.set(removed.length, { coalition: Coalition.ofRemoved(6, removed), losses });
		}
		return leastLossOf({ winners, onSplit }).removed;
	};

	it("is that of the lowest mean", () => {
		expect(least([[1.25, 2.25, 3.25], 0.1], [[3, 4], 0.11])).toEqual([1.25, 2.25, 3.25]);
		expect(least([[1.25, 2.25, 3.25], 0.11], [[3, 4], 0.1])).toEqual([3, 4]);
	});

	it("holds a half-block cut only if that is better than those without by more than the error", () => {
		expect(least([[1.25, 2.25, 3.25], 0.1], [[3.5, 5], 0.09, 0.02])).toEqual([1.25, 2.25, 3.25]);
		expect(least([[1.25, 2.25, 3.25], 0.1], [[3.5, 5], 0.07, 0.02])).toEqual([3.5, 5]);
		// The next one in order that may win is taken.
		expect(least([[1.25, 2.25, 3.25], 0.1], [[3.5, 5], 0.08, 0.03], [[2.5], 0.09, 0.001])).toEqual([2.5]);
		expect(least([[3.5, 5], 0.08], [[2.5], 0.09])).toEqual([3.5, 5]);
	});

	it.each([Number.NaN, Number.POSITIVE_INFINITY])("breaks the model only if all do (%d)", (broken) => {
		expect(least([[1.25, 2.25, 3.25], broken], [[3, 4], 0.3], [[2], broken], [[1, 2, 3, 4], 0.2])).toEqual([1, 2, 3, 4]);
		expect(least([[1.25, 2.25, 3.25], broken])).toEqual([1.25, 2.25, 3.25]);
	});
});

describe("the fewest blocks that reach a size", () => {
	const fewest = (...sets: (readonly [removed: readonly number[], added: number])[]) => {
		const finalist = ([removed, added]: (typeof sets)[number]): Finalist => ({
			...{ removed, method: "auto", loss: 2 + added, added, standardError: undefined },
		});
		return fewestOf({ winners: new Map(sets.map((set) => [set[0].length, finalist(set)])) }).removed;
	};

	it("break the model only if all do", () => {
		expect(fewest([[1, 2, 3], 0.1], [[3, 4], 0.2])).toEqual([3, 4]);
		expect(fewest([[1, 2, 3], 0.1], [[3, 4], Number.NaN])).toEqual([1, 2, 3]);
		expect(fewest([[1, 2, 3], Number.NaN], [[3, 4], Number.NaN])).toEqual([3, 4]);
	});
});
