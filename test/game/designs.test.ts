import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Coalition } from "../../src/game/coalition.js";
import {
	balancedDesign,
	bernoulliDesign,
	type DesignOptions,
	flipDesign,
	pairDesign,
	permutationDesign,
	swapDesign,
	tiltedDesign,
	windowDesign,
} from "../../src/game/designs.js";
import { FunctionGame } from "../../src/game/function-game.js";
import { Random } from "../../src/game/random.js";
import { SubGame } from "../../src/game/sub-game.js";
import { quadraticGame } from "../helpers/games.js";

const board = (players: number, frozen: readonly number[] = []) =>
	new FunctionGame({ players, loss: () => 0, frozen: new Map(frozen.map((block) => [block, "stays"])) });
const removedOf = (set: Coalition) => set.players - set.size;

const designs: Record<string, (game: FunctionGame, options: DesignOptions & { kmax: number }) => Coalition[]> = {
	window: windowDesign,
	flips: flipDesign,
	balanced: balancedDesign,
	bernoulli: (game, options) => bernoulliDesign(game, { ...options, chance: 0.25 }),
	tilted: (game, options) => tiltedDesign(game, { ...options, costs: [5, 4, 3, 2, 1, 1, 2, 3, 4, Number.NaN], temperature: 1 }),
	swaps: (game, options) => swapDesign(game, [1, 2, 3].slice(0, options.kmax), options),
	pairs: (game, { kmax, ...options }) => (kmax < 2 ? [] : pairDesign(game, options)),
};

describe.each(Object.entries(designs))("%s", (_, design) => {
	test("distinct, seeded, allowed, within the window; what is kept or excluded is left alone", () => {
		fc.assert(
			fc.property(fc.integer(), fc.integer({ min: 1, max: 6 }), fc.integer({ min: 0, max: 60 }), (seed, kmax, count) => {
				const game = board(10, [0]);
				const run = (exclude: ReadonlySet<string> = new Set()) =>
					design(game, { kmax, count, random: new Random(seed), keep: [7], exclude });
				const sets = run();
				expect(sets.length).toBeLessThanOrEqual(count);
				expect(new Set(sets.map((set) => set.key)).size).toBe(sets.length);
				for (const set of sets) {
					expect(set.has(0) && set.has(7)).toBe(true);
					expect(removedOf(set)).toBeGreaterThan(0);
					expect(removedOf(set)).toBeLessThanOrEqual(kmax);
				}
				expect(run().map(String)).toEqual(sets.map(String));
				const known = new Set(sets.slice(0, 3).map((set) => set.key));
				expect(run(known).some((set) => known.has(set.key))).toBe(false);
			}),
			{ numRuns: 40 },
		);
	});
});

test("a window gives every size its share", () => {
	const sets = windowDesign(board(20), { kmax: 5, count: 100, random: new Random(1) });
	const sizes = [1, 2, 3, 4, 5].map((size) => sets.filter((set) => removedOf(set) === size).length);
	expect(sizes).toEqual([20, 20, 20, 20, 20]);
	expect(windowDesign(board(4), { kmax: 2, count: 100, random: new Random(1) })).toHaveLength(4 + 6);
});

test("flips hold all neighbors of their background", () => {
	const sets = new Set(flipDesign(board(8), { kmin: 3, kmax: 3, count: 9, random: new Random(2) }).map((set) => set.key));
	const center = [...sets].find((key) => [...key].filter((bit) => bit === "0").length === 2)!;
	for (let i = 0; i < 8; i++) {
		if (center[i] === "1") expect(sets.has(`${center.slice(0, i)}0${center.slice(i + 1)}`)).toBe(true);
	}
});

test("balanced groups remove every block equally often", () => {
	const sets = balancedDesign(board(12), { kmin: 3, kmax: 3, count: 16, random: new Random(3) });
	const counts = Array.from({ length: 12 }, (_, i) => sets.filter((set) => !set.has(i)).length);
	expect(sets).toHaveLength(16);
	expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
});

test("probabilities and costs decide how often a block is removed", () => {
	const chance = [0.5, 0.05, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2];
	const free = bernoulliDesign(board(12), { chance, count: 600, random: new Random(4) });
	const share = (sets: readonly Coalition[], block: number) => sets.filter((set) => !set.has(block)).length / sets.length;
	expect(share(free, 0)).toBeGreaterThan(share(free, 2) + 0.1);
	expect(share(free, 1)).toBeLessThan(share(free, 2) - 0.05);
	const costs = Array.from({ length: 12 }, (_, i) => i);
	const tilted = tiltedDesign(board(12), { kmax: 4, count: 200, costs, temperature: 2, random: new Random(5) });
	expect(share(tilted, 0)).toBeGreaterThan(2 * share(tilted, 11));
});

test("all pairs, all exchanges", () => {
	expect(pairDesign(board(9), { count: 1000, random: new Random(1) })).toHaveLength(36);
	const swaps = swapDesign(board(9), [2, 5], { count: 1000, random: new Random(1) });
	expect(swaps).toHaveLength(2 * 7);
	for (const set of swaps) expect(set.removed().filter((block) => block === 2 || block === 5)).toHaveLength(1);
});

test("walks are seeded orders of distinct moves, the same as ever, and every move is as likely at every step", () => {
	const draw = (seed: number) => permutationDesign(6, { walks: 3, kmax: 4, random: new Random(seed) });
	const known = [
		[0, 4, 5, 1],
		[5, 4, 3, 1],
		[5, 3, 2, 4],
	];
	expect(draw(1)).toEqual(known);
	expect(draw(2)).not.toEqual(known);
	const orders = permutationDesign(5, { walks: 5000, kmax: 3, random: new Random(7) });
	for (const order of orders) expect(new Set(order).size).toBe(3);
	for (let step = 0; step < 3; step++) {
		for (let move = 0; move < 5; move++) {
			const share = orders.filter((order) => order[step] === move).length / 5000;
			expect(Math.abs(share - 0.2)).toBeLessThan(0.025);
		}
	}
	for (const kmax of [0, 6, 1.5]) expect(() => permutationDesign(5, { walks: 1, kmax, random: new Random(1) })).toThrow(/1\.\.5/);
	for (const walks of [0, 1.5]) expect(() => permutationDesign(5, { walks, kmax: 2, random: new Random(1) })).toThrow(/walks/);
});

test("tied blocks are removed together", () => {
	const game = new FunctionGame({ players: 8, loss: () => 0, allows: (c) => [0, 2].every((i) => c.has(i) === c.has(i + 1)) });
	const units = [
		[0, 1],
		[2, 3],
	];
	for (const [name, design] of Object.entries(designs)) {
		if (name === "swaps" || name === "tilted") continue;
		const sets = design(game, { kmax: 4, count: 20, random: new Random(6), units });
		expect(sets.length).toBeGreaterThan(5);
		for (const set of sets) expect(game.allows(set)).toBe(true);
	}
	const swapped = swapDesign(game, [0, 1], { count: 20, random: new Random(1), units });
	expect(swapped.map((set) => set.removed())).toEqual([[2, 3]]);
});

test("options out of range", () => {
	const base = { random: new Random(1), count: 3 };
	for (const kmax of [0, 1.5, 10, Number.NaN]) expect(() => windowDesign(board(10, [1]), { ...base, kmax })).toThrow(/1\.\.9/);
	expect(() => flipDesign(board(5), { ...base, kmin: 4, kmax: 3 })).toThrow(/kmin/);
	expect(() => bernoulliDesign(board(5), { ...base, chance: 1 })).toThrow(/\[0, 1\)/);
	expect(() => tiltedDesign(board(5), { ...base, kmax: 2, costs: [1, 1, 1, 1, 1], temperature: 0 })).toThrow(/temperature/);
	expect(() => pairDesign(board(5), { ...base, count: -1 })).toThrow(/count/);
});

describe("the rest of a game", () => {
	test("its players are the remaining blocks, its losses the outer ones", async () => {
		const game = quadraticGame(6, 1);
		const sub = new SubGame(game, [1, 4]);
		expect([sub.players, ...sub.blocks]).toEqual([4, 0, 2, 3, 5]);
		const inner = windowDesign(sub, { kmax: 2, count: 5, random: new Random(1) });
		const measured = await sub.measure(inner);
		for (const [i, { coalition, losses }] of measured.entries()) {
			const outer = sub.outer(inner[i]!);
			expect(coalition.key).toBe(inner[i]!.key);
			expect(outer.has(1) || outer.has(4)).toBe(false);
			expect(losses).toEqual((await game.measure([outer]))[0]!.losses);
		}
		expect(sub.innerUnits([[0, 2], [3, 4], [5]])).toEqual([[0, 1], [3]]);
	});

	test("frozen blocks keep their reason and cannot be removed", () => {
		const game = board(5, [3]);
		expect([...new SubGame(game, [0]).frozen]).toEqual([[2, "stays"]]);
		expect(() => new SubGame(game, [3])).toThrow(/frozen/);
		expect(() => new SubGame(board(2), [0, 1])).toThrow(/remain/);
	});
});
