import { describe, expect, it } from "vitest";
import { Coalition, MASK } from "../../src/game/coalition.js";
import { keptParts, removedParts, removedPositions, stackWithout } from "../../src/game/parts.js";

/** Every set of 2 x blocks parts whose kept ones alternate. */
function alternating(blocks: number): boolean[][] {
	return Array.from({ length: 4 ** blocks }, (_, bits) =>
		Array.from({ length: 2 * blocks }, (_, part) => ((bits >> part) & 1) === 1),
	).filter((kept) => {
		const left = kept.flatMap((stays, part) => (stays ? [part % 2] : []));
		return left.length % 2 === 0 && left.every((kind, i) => kind === i % 2);
	});
}

describe("parts of blocks", () => {
	it("every alternating set is the removal of positions that share no part, and only one such removal", () => {
		const sets = alternating(5);
		const seen = new Set<string>();
		for (const kept of sets) {
			const positions = removedPositions(kept);
			expect(keptParts(5, positions)).toEqual(kept);
			seen.add(positions.join());
			const stack = stackWithout(5, positions);
			expect(stack.length).toBe(5 - positions.length);
			for (const { attention, feedForward } of stack) {
				expect(kept[2 * attention]).toBe(true);
				expect(kept[2 * feedForward + 1]).toBe(true);
				expect(feedForward).toBeGreaterThanOrEqual(attention);
			}
		}
		// Of the 2n parts in a row, k pairs of neighbors can go in C(2n - k, k) ways.
		expect(seen.size).toBe(sets.length);
		expect(sets.length).toBe(89);
	});

	it("a set that does not alternate is no removal", () => {
		expect(() => removedPositions([true, false, true, true])).toThrow(RangeError);
		expect(() => removedPositions([true, false])).toThrow(RangeError);
	});

	it("positions outside the model, or with a common part, are refused", () => {
		for (const positions of [[-1], [-0.5], [3], [2.5], [0.25], [Number.NaN], [1, 1.5], [1, 1]])
			expect(() => keptParts(3, positions), positions.join()).toThrow(RangeError);
	});

	it("names the blocks that lose a part", () => {
		expect(removedParts([12.5, 3, 13.5])).toEqual({ attention: [3, 13, 14], feedForward: [3, 12, 13] });
	});
});

describe("coalitions with parts of blocks", () => {
	it("12f-15a of 17 blocks", () => {
		const set = Coalition.ofRemoved(17, [12.5, 13.5, 14.5, 3]);
		expect(set.key).toBe("111011111111a00f1");
		expect(set.size).toBe(13);
		expect(set.whole).toBe(false);
		expect(set.removed()).toEqual([3, 12.5, 13.5, 14.5]);
		expect(set.stack().slice(10)).toEqual([
			{ attention: 11, feedForward: 11 },
			{ attention: 12, feedForward: 15 },
			{ attention: 16, feedForward: 16 },
		]);
		expect([...set.toBytes()].slice(12, 16)).toEqual([MASK.attention, 0, 0, MASK.feedForward]);
		expect(Coalition.parse(set.key).equals(set)).toBe(true);
		expect(() => set.kept()).toThrow(RangeError);
		expect(() => set.flip(12)).toThrow(RangeError);
	});

	it("blocks as a whole have the keys that they had", () => {
		expect(Coalition.ofRemoved(4, [1, 2]).key).toBe("1001");
		expect(Coalition.ofRemoved(4, [1, 1]).key).toBe("1011");
		expect(Coalition.parse("1001").kept()).toEqual([0, 3]);
	});

	it("keys whose parts do not alternate are refused", () => {
		for (const key of ["", "1a1", "f1", "1a1f", "aff", "af2", "a"]) expect(() => Coalition.parse(key), key).toThrow(RangeError);
	});
});
