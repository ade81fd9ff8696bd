import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Coalition } from "../../../src/game/coalition.js";
import { adjacentPairs, removalsOf, withoutPair } from "../../../src/game/pairs.js";
import type { LossFunction } from "../../../src/game/predictor.js";
import { Random } from "../../../src/game/random.js";
import {
	coalitionOfParts,
	pairsGone,
	partDescent,
	partFlagsOf,
	partNeighbors,
	type PartSpace,
} from "../../../src/game/search/part-exchanges.js";

const spaceOf = (players: number, options: { fixed?: readonly number[]; allows?: (set: Coalition) => boolean } = {}): PartSpace => {
	const fixed = new Uint8Array(2 * players);
	for (const block of options.fixed ?? []) fixed.fill(1, 2 * block, 2 * block + 2);
	return { players, fixed, allows: (flags) => options.allows?.(coalitionOfParts(flags)) ?? true };
};
const flags = (players: number, removed: readonly number[]) => partFlagsOf(Coalition.ofRemoved(players, removed));
const text = (set: Uint8Array) => coalitionOfParts(set).removed().join(" ");
const oneLess = (players: number, removed: readonly number[]) =>
	adjacentPairs(players, removed).map((pair) => withoutPair(players, removed, pair).join(" "));

/** A quadratic loss over parts. */
function quadratic(parts: number, seed: number): LossFunction {
	const random = new Random(seed);
	const own = Array.from({ length: parts }, () => random.uniform());
	const both = Array.from({ length: parts }, () => Array.from({ length: parts }, () => 0.4 * random.normal()));
	const of = (removed: Uint8Array) => {
		let sum = 0;
		for (let i = 0; i < parts; i++) {
			if (removed[i] === 0) continue;
			sum += own[i]!;
			for (let j = 0; j < i; j++) if (removed[j] === 1) sum += both[i]![j]!;
		}
		return sum;
	};
	const flip = (removed: Uint8Array, part: number) => {
		const next = removed.slice();
		next[part] = 1 - next[part]!;
		return of(next) - of(removed);
	};
	return { of, flip };
}

describe("exchanges of pairs of parts", () => {
	it("flags are one byte a part, and read back", () => {
		expect([...flags(4, [0, 1.5])]).toEqual([1, 1, 0, 1, 1, 0, 0, 0]);
		for (const set of removalsOf(5, 3)) expect(coalitionOfParts(flags(5, set)).removed()).toEqual(set);
		expect(() => coalitionOfParts(Uint8Array.of(0, 1, 0, 0))).toThrow(/a feed-forward part must follow/);
	});

	it("what comes back is every pair that may have gone last, whatever was merged", () => {
		for (const set of removalsOf(5, 3)) {
			const before = removalsOf(5, 2).filter((smaller) => oneLess(5, smaller).includes(set.join(" ")));
			const back = pairsGone(flags(5, set)).map(({ first, second }) => {
				const next = flags(5, set);
				next[first] = 0;
				next[second] = 0;
				return text(next);
			});
			expect(back.sort()).toEqual(before.map((smaller) => smaller.join(" ")).sort());
		}
	});

	it("neighbors are what one pair back and another one out give", () => {
		for (const set of removalsOf(5, 2)) {
			const smaller = removalsOf(5, 1).filter((one) => oneLess(5, one).includes(set.join(" ")));
			const expected = new Set(smaller.flatMap((one) => oneLess(5, one)));
			expected.delete(set.join(" "));
			expect(partNeighbors(flags(5, set), spaceOf(5)).map(text).sort()).toEqual([...expected].sort());
		}
		// A run moves by half a block in one exchange.
		expect(partNeighbors(flags(6, [2, 3]), spaceOf(6)).map(text)).toContain("2.5 3.5");
	});

	it("no part of a fixed block goes, and nothing that is refused", () => {
		const space = spaceOf(5, { fixed: [2], allows: (set) => !set.removed().includes(0) });
		const found = partNeighbors(flags(5, [1, 4]), space).map(text);
		expect(found.length).toBeGreaterThan(2);
		expect(found.filter((set) => /\b(1\.5|2|2\.5|0)( |$)/.test(set))).toEqual([]);
	});

	it("a descent keeps the size and the rules, never ends above its start, and with every exchange ends in a local optimum", () => {
		fc.assert(
			fc.property(fc.integer({ min: 0, max: 9999 }), fc.integer({ min: 1, max: 4 }), (seed, count) => {
				const [loss, random] = [quadratic(14, seed), new Random(seed)];
				const all = removalsOf(7, count).filter((set) => !set.some((position) => position <= 0.5));
				const start = all[random.integer(all.length)]!;
				const space = spaceOf(7, { fixed: [0] });
				const [quick, every] = [flags(7, start), flags(7, start)];
				expect(partDescent(loss, quick, space, 3)).toBeLessThanOrEqual(loss.of(flags(7, start)) + 1e-9);
				const end = partDescent(loss, every, space, Number.POSITIVE_INFINITY);
				expect(end).toBeCloseTo(loss.of(every), 9);
				for (const next of partNeighbors(every, space)) expect(loss.of(next)).toBeGreaterThan(end - 1e-6);
				for (const set of [quick, every]) {
					expect(coalitionOfParts(set).removed()).toHaveLength(count);
					expect([set[0], set[1]]).toEqual([0, 0]);
				}
			}),
			{ numRuns: 40 },
		);
	});
});
