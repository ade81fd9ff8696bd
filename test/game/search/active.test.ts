import { describe, expect, test } from "vitest";
import { Coalition } from "../../../src/game/coalition.js";
import { FunctionGame } from "../../../src/game/function-game.js";
import { LossMeter } from "../../../src/game/loss-meter.js";
import type { TableGame } from "../../../src/game/table-game.js";
import { activeSearch } from "../../../src/game/search/active.js";
import { greedy } from "../../../src/game/search/greedy.js";
import { swapDescent } from "../../../src/game/search/proposals.js";
import { swapSearch } from "../../../src/game/search/swap.js";
import { fitPairwise } from "../../../src/game/surrogate/pairwise.js";
import { fixtureGame, quadraticGame } from "../../helpers/games.js";

/** Added loss of the best set of each size, by measuring all of them. */
function optima(game: TableGame): Map<number, number> {
	const mean = (losses: Float64Array) => losses.reduce((a, b) => a + b) / losses.length;
	const full = mean(game.all().find((m) => m.coalition.size === game.players)!.losses);
	const best = new Map<number, number>();
	for (const { coalition, losses } of game.all()) {
		const count = game.players - coalition.size;
		best.set(count, Math.min(best.get(count) ?? Number.POSITIVE_INFINITY, mean(losses) - full));
	}
	return best;
}

const fit = fitPairwise;

describe("active search on the fixture's measured game", () => {
	test("at most 300 masks find the true optimum of every size at nine in ten", async () => {
		const best = optima(fixtureGame());
		const published = [0.0726, 0.167, 0.2654, 0.4259, 0.5834, 0.8019, 1.0124, 1.2258];
		for (const [i, loss] of published.entries()) expect(best.get(i + 1)).toBeCloseTo(loss, 4);
		const regrets: number[] = [];
		for (let seed = 0; seed < 6; seed++) {
			const game = fixtureGame();
			const result = await activeSearch(game, { kmax: 8, budget: 300, seed, fit });
			expect(result.measured).toBeLessThanOrEqual(300);
			expect(result.measured).toBe(game.evaluated);
			for (let k = 1; k <= 8; k++) regrets.push(result.byCount.get(k)!.addedLoss - best.get(k)!);
		}
		regrets.sort((a, b) => a - b);
		expect(regrets[regrets.length >> 1]).toBeLessThan(1e-9);
		expect(regrets[Math.floor(0.9 * regrets.length)]).toBeLessThan(0.01);
	});

	test("never worse than greedy or than what a shared meter knows; the same seed gives the same run", async () => {
		const game = fixtureGame();
		const meter = new LossMeter(game);
		const best = Coalition.ofRemoved(12, [1, 4, 6, 7, 9, 10]);
		await meter.addedLosses([best]);
		const run = () => activeSearch(game, { kmax: 6, budget: 20, seed: 1, fit, meter });
		expect((await run()).byCount.get(6)!.removed).toEqual(best.removed());
		const path = await greedy(fixtureGame(), { kmax: 6 });
		const alone = () => activeSearch(fixtureGame(), { kmax: 6, budget: 160, seed: 1, fit });
		const first = await alone();
		for (const [count, choice] of path.byCount) expect(first.byCount.get(count)!.addedLoss).toBeLessThanOrEqual(choice.addedLoss);
		expect(await alone()).toEqual(first);
	});
});

test("frozen, critical and tied blocks are respected by every mask that is measured", async () => {
	const cost = (i: number) => (i === 5 ? 4 : 0.02 * ((i * 7) % 10) + 0.01);
	const seen: Coalition[] = [];
	const inner = new FunctionGame({
		players: 10,
		frozen: new Map([[0, "x"]]),
		loss: (c) => c.removed().reduce((sum, i) => sum + cost(i), 1) + 0.1 * Number(!c.has(2) && !c.has(3)),
		allows: (c) => c.has(7) === c.has(8),
	});
	const game = {
		players: 10,
		frozen: inner.frozen,
		allows: (c: Coalition) => inner.allows(c),
		measure: (sets: readonly Coalition[]) => {
			seen.push(...sets);
			return inner.measure(sets);
		},
	};
	const result = await activeSearch(game, { kmax: 5, budget: 80, seed: 2, fit, units: [[7, 8]] });
	expect(result.measured).toBeLessThanOrEqual(80);
	expect([...result.byCount.keys()]).toEqual([1, 2, 3, 4, 5]);
	for (const set of seen) {
		expect(set.has(0) && set.has(7) === set.has(8)).toBe(true);
		if (set.size < 9) expect(set.has(5)).toBe(true);
	}
	const pairs = new FunctionGame({ players: 6, loss: (c) => 7 - c.size, allows: (c) => [0, 2, 4].every((i) => c.has(i) === c.has(i + 1)) });
	const tied = await activeSearch(pairs, {
		kmax: 4,
		budget: 9,
		seed: 1,
		fit,
		units: [
			[0, 1],
			[2, 3],
			[4, 5],
		],
		criticalLoss: 5,
	});
	expect([...tied.byCount.keys()]).toEqual([2, 4]);
	expect(tied.notes).toHaveLength(1);
	for (const bad of [{ budget: 0 }, { explore: 1 }]) {
		await expect(activeSearch(game, { kmax: 2, budget: 10, seed: 1, fit, ...bad })).rejects.toThrow(RangeError);
	}
});

describe("swap search", () => {
	test("ends at a set that no exchange improves, never above greedy", async () => {
		const game = fixtureGame();
		const result = await swapSearch(game, { kmax: 7, counts: [5, 7] });
		const path = await greedy(fixtureGame(), { kmax: 7 });
		for (const count of [5, 7]) {
			const { removed, addedLoss } = result.byCount.get(count)!;
			expect(addedLoss).toBeLessThanOrEqual(path.byCount.get(count)!.addedLoss);
			const meter = new LossMeter(game);
			for (const back of removed) {
				for (let out = 0; out < 12; out++) {
					if (removed.includes(out)) continue;
					const swapped = Coalition.ofRemoved(12, removed).with(back).without(out);
					expect((await meter.addedLosses([swapped]))[0]).toBeGreaterThanOrEqual(addedLoss);
				}
			}
		}
		expect(result.byCount.get(7)!.addedLoss).toBeCloseTo(1.0124, 4);
	});

	test("a budget too small for a neighborhood is said, not overspent", async () => {
		const result = await swapSearch(quadraticGame(12, 1), { kmax: 4, budget: 3 });
		expect(result.notes.join()).toMatch(/do not fit the budget/);
		expect(result.measured).toBeLessThanOrEqual(13 + 3 * 8);
	});

	test("on a cheap loss: descends to a local optimum and leaves refused sets alone", () => {
		const weights = [5, 1, 4, 2, 3, 0];
		const loss = {
			of: (removed: Uint8Array) => removed.reduce((sum, gone, i) => sum + gone * weights[i]!, 0),
			flip: (removed: Uint8Array, block: number) => (removed[block] === 1 ? -1 : 1) * weights[block]!,
		};
		const moves = [0, 1, 2, 3, 4, 5].map((block) => [block]);
		const removed = Uint8Array.of(1, 0, 1, 0, 0, 0);
		expect(swapDescent(loss, removed, { players: 6, moves, allows: () => true })).toBe(1);
		expect([...removed]).toEqual([0, 1, 0, 0, 0, 1]);
		const tied = Uint8Array.of(1, 0, 1, 0, 0, 0);
		expect(swapDescent(loss, tied, { players: 6, moves, allows: (r) => r[5] === 0 })).toBe(3);
	});
});
