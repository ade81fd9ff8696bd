import { describe, expect, it } from "vitest";
import { Coalition } from "../../src/game/coalition.js";
import { FunctionGame } from "../../src/game/function-game.js";
import { LossMeter } from "../../src/game/loss-meter.js";
import { adjacentPairs, isBlock, removalsOf, runsMovedByHalf, withoutPair } from "../../src/game/pairs.js";
import { movedCuts } from "../../src/game/search/half-blocks.js";
import { Search } from "../../src/game/search/search.js";
import { halfNeighbors } from "../../src/game/search/swap.js";

const next = (blocks: number, removed: readonly number[]) =>
	adjacentPairs(blocks, removed).map((pair) => withoutPair(blocks, removed, pair).join(" "));

describe("pairs of parts", () => {
	it("of m blocks left there are m blocks and m - 1 shifted pairs, whatever was removed", () => {
		for (let count = 0; count < 5; count++)
			for (const removed of removalsOf(5, count)) {
				const pairs = adjacentPairs(5, removed);
				const left = 5 - count;
				expect(pairs.filter(({ first }) => first % 2 === 0)).toHaveLength(left);
				expect(pairs.filter(({ first }) => first % 2 === 1)).toHaveLength(left - 1);
				for (const pair of pairs) {
					const set = Coalition.ofRemoved(5, withoutPair(5, removed, pair));
					expect(set.size).toBe(left - 1);
				}
			}
	});

	it("a merged block is a block for the next move", () => {
		expect(next(16, [12.5])).toContain("12 13");
		expect(next(16, [12.5])).toContain("12.5 13.5");
		expect(next(3, [1])).toEqual(["0 1", "0.5 1.5", "1 2"]);
		expect(adjacentPairs(3, [0.5]).map(isBlock)).toEqual([false, false, true]);
	});

	it("every set can be reached by moves, and no other one", () => {
		for (let count = 0; count < 4; count++) {
			const reached = new Set(removalsOf(5, count).flatMap((removed) => next(5, removed)));
			expect([...reached].sort()).toEqual(
				removalsOf(5, count + 1)
					.map((removed) => removed.join(" "))
					.sort(),
			);
		}
	});

	it("there are C(2n - k, k) sets of k positions", () => {
		expect([1, 2, 3, 4, 5, 6].map((count) => removalsOf(12, count).length)).toEqual([23, 231, 1330, 4845, 11628, 18564]);
	});

	it("blocks without attention are in no pair but with what follows them", () => {
		expect(adjacentPairs(3, [1.25]).map(({ first, second }) => [first, second])).toEqual([
			[0, 1],
			[3, 4],
			[4, 5],
		]);
		expect(next(3, [1.25])).toEqual(["0 1.25", "1 2.25", "1.25 2"]);
	});

	it("runs and cuts move by half a block, as far as there is room", () => {
		expect(runsMovedByHalf(5, [1.25, 3])).toEqual([
			[1.25, 2.5],
			[1.25, 3.5],
		]);
		expect(runsMovedByHalf(4, [0, 2, 3])).toEqual([
			[0.5, 2, 3],
			[0, 1.5, 2.5],
		]);
		expect(runsMovedByHalf(5, [1.5, 3])).toEqual([
			[1, 3],
			[2, 3],
			[1.5, 2.5],
			[1.5, 3.5],
		]);
		expect(movedCuts([0, 2, 3], 5)).toEqual([
			[0.5, 2, 3],
			[0, 1.5, 3],
			[0, 2, 3.5],
		]);
	});
});

describe("moves of a search", () => {
	const game = (options: Partial<ConstructorParameters<typeof FunctionGame>[0]> = {}) =>
		new FunctionGame({ players: 5, loss: (set) => 1 + 0.1 * set.removed().length, ...options });
	const start = (of: FunctionGame, more = {}) => Search.start(of, "test", { kmax: 4, granularity: "half-block", ...more });
	const sets = (found: { coalition: Coalition }[]) => found.map(({ coalition }) => coalition.removed().join(" "));

	it("are the whole blocks, as without halves, then the pairs", async () => {
		const [halves, whole] = [await start(game()), await start(game(), { granularity: "block" })];
		expect(sets(halves.candidates([2])).slice(0, 4)).toEqual(sets(whole.candidates([2])));
		expect(sets(halves.candidates([2])).sort()).toEqual(next(5, [2]).sort());
		expect(sets(halves.candidates([1.5])).sort()).toEqual(next(5, [1.5]).sort());
		expect(halves.candidates([0.5, 1.5, 2.5, 3.5])).toEqual([]);
		expect(whole.shifted().size).toBe(0);
		expect(halves.measured).toBe(10);
	});

	it("no part of a frozen block goes, nor what the game refuses", async () => {
		const search = await start(game({ frozen: new Map([[3, "first"]]), allows: (set) => !set.removed().includes(0.5) }));
		expect([...search.shifted().keys()]).toEqual([1.5]);
		expect(sets(search.candidates([])).sort()).toEqual(["0", "1", "1.5", "2", "4"]);
		expect(sets(search.candidates([1.5]))).toEqual(["0 1.5", "1.5 4", "1 2"]);
	});

	it("no part of blocks that a rule ties together goes alone", async () => {
		const search = await start(game(), {
			units: [
				[0, 1],
				[3, 4],
			],
		});
		expect(search.shifted().size).toBe(0);
		expect(sets(search.candidates([])).sort()).toEqual(["0 1", "2", "3 4"]);
	});

	it("a critical block loses one part at most, in a shifted pair that was measured and is cheap", async () => {
		const cost = (removed: readonly number[]) => removed.reduce((sum, p) => sum + (p === 2 ? 9 : p === 2.5 ? 5 : 0.1), 1);
		const search = await start(game({ loss: (set) => cost(set.removed()) }), { kmax: 3 });
		expect(search.critical().map(({ blocks }) => blocks)).toEqual([[2]]);
		const alone = sets(search.candidates([]));
		expect(alone).toContain("1.5");
		expect(alone).not.toContain("2.5");
		expect(alone).not.toContain("2");
		// The block that is merged from those beside it may not take the rest of the critical one with it.
		expect(sets(search.candidates([1.5])).filter((set) => /1\.5 2\.5|1 2/.test(set))).toEqual([]);
		const unmeasured = await start(game({ loss: (set) => cost(set.removed()) }), { kmax: 3, shiftedSingles: 0 });
		expect(sets(unmeasured.candidates([]))).toEqual(["0", "1", "3", "4", "0.5", "3.5"]);
	});

	it("few shifted pairs are measured alone: those next to cheap blocks", async () => {
		const cost = [0.4, 0.3, 0.1, 0.2, 0.5];
		const costly = game({ loss: (set) => set.removed().reduce((sum, p) => sum + cost[Math.floor(p)]!, 1) });
		const meter = new LossMeter(costly);
		const search = await start(costly, { shiftedSingles: 2, meter });
		expect([...search.shifted().keys()]).toEqual([2.5, 1.5]);
		expect(meter.measured).toBe(8);
	});

	it("exchanges are all of one position, and runs moved by half a block", async () => {
		const search = await start(game());
		const neighbors = halfNeighbors(search, [1, 2]).map((set) => set.removed().join(" "));
		const expected = new Set([...next(5, [1]), ...next(5, [2]), "0.5 1.5", "1.5 2.5"]);
		expected.delete("1 2");
		expect([...neighbors].sort()).toEqual([...expected].sort());
	});
});
