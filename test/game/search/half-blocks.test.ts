import { describe, expect, test } from "vitest";
import { Coalition } from "../../../src/game/coalition.js";
import type { Game } from "../../../src/game/game.js";
import { LossMeter } from "../../../src/game/loss-meter.js";
import { isWhole } from "../../../src/game/parts.js";
import { auto } from "../../../src/game/search/auto-method.js";
import { beamSearch } from "../../../src/game/search/beam.js";
import { contiguous } from "../../../src/game/search/contiguous.js";
import { lazyGreedy } from "../../../src/game/search/greedy.js";
import { halfBlockSearch } from "../../../src/game/search/half-blocks.js";
import { leaveOneOut } from "../../../src/game/search/ranked.js";
import { nearHalves } from "../../../src/game/search/rivals.js";
import type { SearchOptions, SearchResult } from "../../../src/game/search/search.js";
import { swapSearch } from "../../../src/game/search/swap.js";
import { bestOf, partGame } from "../../helpers/part-games.js";

const kmax = 4;
const counts = [1, 2, 3, 4];
const mean = (values: readonly number[]) => values.reduce((sum, x) => sum + x, 0) / values.length;
const seeds = [1, 2, 3, 4, 5, 6];
/** Games of ten blocks, with the best set of each size. */
const games = seeds.map((seed) => ({ make: () => partGame(10, seed), best: bestOf(partGame(10, seed), kmax) }));

const searches: Record<string, { run: (game: Game, options: SearchOptions) => Promise<SearchResult>; regret: number }> = {
	"lazy greedy": { run: lazyGreedy, regret: 0.03 },
	beam: { run: beamSearch, regret: 0.006 },
	swap: { run: (game, options) => swapSearch(game, { ...options, counts }), regret: 0.008 },
	"leave-one-out": { run: leaveOneOut, regret: 0.08 },
	contiguous: { run: contiguous, regret: 0.4 },
};

describe.each(Object.entries(searches))("%s over half-block cuts", (_, { run, regret }) => {
	test("finds better sets than over whole blocks in the mean, near the best of all", async () => {
		const [whole, halves, best]: number[][] = [[], [], []];
		for (const game of games) {
			const [one, other] = [await run(game.make(), { kmax }), await run(game.make(), { kmax, granularity: "half-block" })];
			for (const count of counts) {
				whole!.push(one.byCount.get(count)!.addedLoss);
				const set = other.byCount.get(count)!;
				expect(set.removed).toHaveLength(count);
				halves!.push(set.addedLoss);
				best!.push((await game.best).halves[count - 1]!);
			}
		}
		expect(mean(halves!)).toBeLessThan(mean(whole!));
		expect(mean(halves!) - mean(best!)).toBeGreaterThanOrEqual(0);
		expect(mean(halves!) - mean(best!)).toBeLessThan(regret);
	});

	test("without them measures what it did, in the same order", async () => {
		const asked = async (options: SearchOptions) => {
			const keys: string[] = [];
			const inner = partGame(8, 1);
			const game: Game = {
				players: 8,
				frozen: inner.frozen,
				allows: (set) => inner.allows(set),
				measure: (sets, how) => {
					keys.push(...sets.map(({ key }) => key));
					return inner.measure(sets, how);
				},
			};
			await run(game, options);
			return keys;
		};
		const keys = await asked({ kmax: 3 });
		expect(keys.every((key) => /^[01]+$/.test(key))).toBe(true);
		expect(await asked({ kmax: 3, granularity: "block" })).toEqual(keys);
	});
});

test("runs begin with an attention or with a feed-forward part", async () => {
	const { byCount, measured } = await contiguous(partGame(8, 2), { kmax: 3, counts: [3], granularity: "half-block" });
	expect(measured).toBe(1 + 8 + 6 + 5);
	const { removed } = byCount.get(3)!;
	expect(removed.map((position) => position - removed[0]!)).toEqual([0, 1, 2]);
});

describe("half-block cuts beside sets of whole blocks", () => {
	const beside = async (seed: number, budget: number) => {
		const game = partGame(16, seed);
		const meter = new LossMeter(game);
		const whole = await lazyGreedy(game, { kmax, meter });
		const before = game.evaluated;
		const starts = counts.map((count) => whole.byCount.get(count)!.removed);
		const found = await halfBlockSearch(game, { kmax, counts, starts, budget, meter });
		return { game, whole, found, spent: game.evaluated - before };
	};

	test("keep to their budget, hold a half each, and say what was measured", async () => {
		for (const budget of [0, 1, 3, 10, 40]) {
			const { game, found, spent, whole } = await beside(1, budget);
			expect(spent).toBeLessThanOrEqual(budget);
			expect(found.measured).toBe(spent);
			for (const [count, sets] of found.byCount)
				for (const [i, { removed, addedLoss }] of sets.entries()) {
					expect(removed).toHaveLength(count);
					expect(isWhole(removed)).toBe(false);
					if (i > 0) expect(addedLoss).toBeGreaterThanOrEqual(sets[i - 1]!.addedLoss);
					const [measured] = await game.measure([Coalition.ofRemoved(16, removed)]);
					expect(measured!.losses[0]! - whole.originalLoss).toBeCloseTo(addedLoss, 9);
				}
		}
	});

	test("25 evaluations save a twentieth of the loss in the mean", async () => {
		const gains = await Promise.all(
			seeds.map(async (seed) => {
				const { whole, found } = await beside(seed, 25);
				const [one, other] = [whole.byCount.get(kmax)!.addedLoss, found.byCount.get(kmax)![0]!.addedLoss];
				return Math.max(0, one - other) / one;
			}),
		);
		expect(mean(gains)).toBeGreaterThan(0.05);
	});

	test("end when they are told to", async () => {
		const game = partGame(12, 1);
		let batches = 0;
		const { measured } = await halfBlockSearch(game, {
			...{ kmax, counts, starts: [], budget: 60 },
			stop: () => batches >= 3,
			fits: () => 2,
			onBatch: () => batches++,
		});
		expect(measured).toBeLessThan(13 + 8);
	});
});

describe("the automatic method", () => {
	test("at the same evaluations is better with half-block cuts than without, in the mean", async () => {
		const [whole, halves]: number[][] = [[], []];
		for (const game of games.slice(0, 3)) {
			const options = { kmax, counts: [kmax], budget: 75, seed: 1 };
			const [blocks, both] = [game.make(), game.make()];
			const one = await auto(blocks, options);
			const other = await auto(both, { ...options, granularity: "half-block" });
			expect(one.halfBlocks).toBeUndefined();
			expect(both.evaluated).toBeLessThanOrEqual(75);
			expect(other.found.measured + other.halfBlocks!.measured).toBe(both.evaluated);
			expect(other.halfBlocks!.measured).toBeLessThanOrEqual(other.found.measured);
			expect([...other.found.byCount.values()].every(({ removed }) => isWhole(removed))).toBe(true);
			whole!.push(one.found.byCount.get(kmax)!.addedLoss);
			halves!.push(Math.min(other.found.byCount.get(kmax)!.addedLoss, other.halfBlocks!.byCount.get(kmax)![0]!.addedLoss));
		}
		expect(mean(halves!)).toBeLessThan(mean(whole!));
	});

	test("sets near the best ones of whole blocks are rivals, two of each size at most", async () => {
		const { found, halfBlocks } = await auto(partGame(10, 3), { kmax, budget: 90, seed: 1, granularity: "half-block" });
		const rivals = nearHalves(found, halfBlocks!, counts);
		for (const count of counts) {
			const own = rivals.filter(({ removed }) => removed.length === count);
			expect(own.length).toBeLessThanOrEqual(2);
			const limit = found.byCount.get(count)!.addedLoss;
			const near = halfBlocks!.byCount.get(count)?.filter(({ addedLoss }) => addedLoss <= limit) ?? [];
			expect(own.map(({ removed }) => removed)).toEqual(expect.arrayContaining(near.slice(0, 2).map(({ removed }) => removed)));
		}
		expect(rivals.every(({ method }) => method === "half-block")).toBe(true);
	});

	test("a small budget is spent on whole blocks", async () => {
		const game = partGame(10, 3);
		const { found, halfBlocks } = await auto(game, { kmax, budget: 15, seed: 1, granularity: "half-block" });
		expect(game.evaluated).toBe(15);
		expect(halfBlocks!.measured).toBe(0);
		expect(found.byCount.get(kmax)).toBeDefined();
	});
});
