import { describe, expect, it } from "vitest";
import { Coalition, MASK } from "../../src/game/coalition.js";
import { canRun, keptParts, originOf, removedParts, removedPositions, stackWithout } from "../../src/game/parts.js";

/** Every set of 2 x blocks parts. */
function everySet(blocks: number): boolean[][] {
	return Array.from({ length: 4 ** blocks }, (_, bits) => Array.from({ length: 2 * blocks }, (_, part) => ((bits >> part) & 1) === 1));
}

/** Those whose kept ones alternate. */
function alternating(blocks: number): boolean[][] {
	return everySet(blocks).filter((kept) => {
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
				expect(kept[2 * attention!]).toBe(true);
				expect(kept[2 * feedForward + 1]).toBe(true);
				expect(feedForward).toBeGreaterThanOrEqual(attention!);
			}
		}
		// In a row of 2n parts, k pairs of neighbors can go in C(2n - k, k) ways.
		expect(seen.size).toBe(sets.length);
		expect(sets.length).toBe(89);
	});

	it("every set in which a feed-forward part follows each attention part is one removal, one key and one stack", () => {
		const all = everySet(5);
		const sets = all.filter((kept) => !/11/.test(`${kept.flatMap((stays, part) => (stays ? [part % 2 ? 0 : 1] : [])).join("")}1`));
		const [removals, keys] = [new Set<string>(), new Set<string>()];
		for (const kept of all) expect(canRun(kept)).toBe(sets.includes(kept));
		for (const kept of sets) {
			const positions = removedPositions(kept);
			expect(keptParts(5, positions)).toEqual(kept);
			const set = Coalition.ofRemoved(5, positions);
			expect(Coalition.parse(set.key).removed()).toEqual(positions);
			removals.add(positions.join());
			keys.add(set.key);
			const stack = set.stack();
			expect(set.size).toBe(stack.length);
			expect([set.removals, set.isFull]).toEqual([positions.length, positions.length === 0]);
			const parts = stack.flatMap(({ attention, feedForward }) => [
				...(attention === undefined ? [] : [2 * attention]),
				2 * feedForward + 1,
			]);
			expect(parts).toEqual(kept.flatMap((stays, part) => (stays ? [part] : [])));
			for (const [i, block] of stack.entries()) if (i > 0) expect(originOf(block)).toBeGreaterThan(originOf(stack[i - 1]!));
		}
		expect([removals.size, keys.size]).toEqual([sets.length, sets.length]);
		expect(sets.length).toBeGreaterThan(89);
	});

	it("a set in which an attention part has no feed-forward part is no removal", () => {
		expect(() => removedPositions([true, false, true, true])).toThrow(RangeError);
		expect(() => removedPositions([true, false])).toThrow(RangeError);
	});

	it("in a row of removed parts a block is read before a shifted pair", () => {
		expect(Coalition.ofRemoved(6, [3.25, 3.5]).removed()).toEqual([3, 4.25]);
		expect(Coalition.ofRemoved(6, [1.25, 1.5, 2.5, 4.25]).removed()).toEqual([1, 2, 3.25, 4.25]);
		expect(Coalition.ofRemoved(6, [2.5, 4.25]).removed()).toEqual([2.5, 4.25]);
	});

	it("positions outside the model, or with a common part, are refused", () => {
		for (const positions of [[-1], [-0.5], [3], [2.5], [0.75], [3.25], [-0.75], [Number.NaN], [1, 1.5], [1, 1], [1, 1.25], [0.5, 1.25]])
			expect(() => keptParts(3, positions), positions.join()).toThrow(RangeError);
	});

	it("names the blocks that lose a part", () => {
		expect(removedParts([12.5, 3, 13.5, 16.25])).toEqual({ attention: [3, 13, 14, 16], feedForward: [3, 12, 13] });
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

	it("3, 6-8a, 12f-14a of 17 blocks", () => {
		const set = Coalition.ofRemoved(17, [3, 6.25, 7.25, 8.25, 12.5, 13.5]);
		expect(set.key).toBe("111011fff111a0f11");
		expect(set.size).toBe(14);
		expect(set.whole).toBe(false);
		expect(set.stack().slice(5, 7)).toEqual([
			{ attention: undefined, feedForward: 6 },
			{ attention: undefined, feedForward: 7 },
		]);
		expect([...set.toBytes()].slice(5, 10)).toEqual([MASK.kept, MASK.feedForward, MASK.feedForward, MASK.feedForward, MASK.kept]);
	});

	it("keys in which an attention part has no feed-forward part are refused", () => {
		for (const key of ["", "1a1", "1a1f", "aa0f", "af2", "a"]) expect(() => Coalition.parse(key), key).toThrow(RangeError);
	});
});
