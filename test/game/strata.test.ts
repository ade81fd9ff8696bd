import fc from "fast-check";
import { expect, test } from "vitest";
import type { Coalition } from "../../src/game/coalition.js";
import { FunctionGame } from "../../src/game/function-game.js";
import { Random } from "../../src/game/random.js";
import {
	binomial,
	drawStrata,
	drawStrataInSlices,
	STRATA_PRESETS,
	strataSizes,
	subsets,
	UnreachableSizeError,
} from "../../src/game/strata.js";

const game = (players: number, options: Partial<ConstructorParameters<typeof FunctionGame>[0]> = {}) =>
	new FunctionGame({ players, loss: () => 0, ...options });

test("the presets are the published numbers at the published sizes", () => {
	for (const preset of Object.values(STRATA_PRESETS)) expect(strataSizes(preset.of, preset)).toEqual(preset.kept);
});

test("other sizes are rounded to the nearest, halves up, repeats dropped", () => {
	expect(strataSizes(12)).toEqual([11, 10, 9, 8, 7]);
	expect(strataSizes(30)).toEqual([28, 25, 23, 20, 17]);
	// 30/32 of 8 is 7.5 (up to 8, the original model: no stratum), 27/32 is 6.75, 24/32 is 6, 21/32 is 5.25, 18/32 is 4.5.
	expect(strataSizes(8)).toEqual([7, 6, 5]);
	expect(strataSizes(4, { of: 8, kept: [7, 6, 5] })).toEqual([3]);
});

test("with replacement: equal counts, repeats at a small stratum", () => {
	const masks = drawStrata(game(12), { sizes: strataSizes(12), count: 502, random: new Random(1) });
	const counts = [11, 10, 9, 8, 7].map((size) => masks.filter((mask) => mask.size === size).length);
	expect(counts).toEqual([101, 101, 100, 100, 100]);
	expect(new Set(masks.filter((mask) => mask.size === 11).map((mask) => mask.key)).size).toBeLessThanOrEqual(12);
});

test("masks are uniform inside a stratum", () => {
	const masks = drawStrata(game(6), { sizes: [4], count: 30_000, random: new Random(2) });
	const counts = new Map<string, number>();
	for (const mask of masks) counts.set(mask.key, (counts.get(mask.key) ?? 0) + 1);
	expect(counts.size).toBe(15);
	for (const count of counts.values()) expect(Math.abs(count - 2000)).toBeLessThan(200);
});

test("distinct: no repeats, a spent stratum passes its share on, all together give what they have", () => {
	const sizes = strataSizes(12);
	const some = drawStrata(game(12), { sizes, count: 500, random: new Random(3), distinct: true });
	expect(new Set(some.map((mask) => mask.key)).size).toBe(500);
	expect(some.filter((mask) => mask.size === 11)).toHaveLength(12);
	expect(some.filter((mask) => mask.size === 10)).toHaveLength(66);
	const rest = drawStrata(game(12), {
		sizes,
		count: 5000,
		random: new Random(4),
		distinct: true,
		exclude: new Set(some.map((mask) => mask.key)),
	});
	expect(rest).toHaveLength(1585 - 500);
	expect(new Set([...rest, ...some].map((mask) => mask.key)).size).toBe(1585);
});

test("distinct in a large stratum", () => {
	const masks = drawStrata(game(40), { sizes: [30], count: 3000, random: new Random(5), distinct: true });
	expect(new Set(masks.map((mask) => mask.key)).size).toBe(3000);
	expect(masks.every((mask) => mask.size === 30)).toBe(true);
});

test("frozen blocks are kept and refused coalitions are not drawn", () => {
	fc.assert(
		fc.property(fc.integer(), fc.boolean(), (seed, distinct) => {
			const frozen = new Map([[0, "first"]]);
			const tied = game(10, { frozen, allows: (mask) => mask.has(4) === mask.has(5) });
			for (const mask of drawStrata(tied, { sizes: [8, 6], count: 20, random: new Random(seed), distinct })) {
				expect(mask.has(0) && mask.has(4) === mask.has(5)).toBe(true);
			}
		}),
		{ numRuns: 30 },
	);
});

test("impossible sizes are refused", () => {
	const random = new Random(1);
	expect(() =>
		drawStrata(
			game(4, {
				frozen: new Map([
					[0, "x"],
					[1, "y"],
				]),
			}),
			{ sizes: [1], count: 1, random },
		),
	).toThrow(/keeps 2\.\.4/);
	expect(() => drawStrata(game(4), { sizes: [], count: 1, random })).toThrow(RangeError);
	expect(() => drawStrata(game(4), { sizes: [3], count: -1, random })).toThrow(RangeError);
	expect(() => drawStrata(game(40, { allows: () => false }), { sizes: [20], count: 1, random })).toThrow(/refused/);
});

test("binomials and subsets agree", () => {
	for (let n = 0; n <= 8; n++) {
		const items = Array.from({ length: n }, (_, i) => i);
		for (let k = 0; k <= n; k++) expect(new Set(subsets(items, k).map(String)).size).toBe(binomial(n, k));
	}
	expect(binomial(64, 32)).toBeCloseTo(1.8326241409425e18, -8);
	expect(binomial(3, 4)).toBe(0);
});

test("sizes that a rule forbids, or hardly allows, hold nothing: distinct masks come from the others", () => {
	const forbidden = new Set([26, 27]);
	const counted = { players: 47, frozen: new Map<number, string>(), allows: (set: Coalition) => !forbidden.has(set.size) };
	const sizes = Array.from({ length: 22 }, (_, i) => 46 - i);
	const masks = drawStrata(counted, { sizes, count: 100, random: new Random(1), distinct: true });
	expect(masks).toHaveLength(100);
	expect(masks.some(({ size }) => forbidden.has(size))).toBe(false);
	expect(() => drawStrata(counted, { sizes: [26], count: 1, random: new Random(1) })).toThrow(UnreachableSizeError);
});

test("drawn in slices: the same masks, and others get their turn", async () => {
	const game = { players: 12, frozen: new Map([[0, "stays"]]), allows: (set: Coalition) => set.has(3) || set.has(4) };
	const options = () => ({ sizes: [10, 8], count: 3500, random: new Random(3) });
	let pauses = 0;
	const slices = await drawStrataInSlices(game, options(), async () => void pauses++);
	expect(slices.map(({ key }) => key)).toEqual(drawStrata(game, options()).map(({ key }) => key));
	expect(pauses).toBe(3);
});
