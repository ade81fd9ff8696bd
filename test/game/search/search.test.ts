import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { exactShapley } from "../../../src/game/attribution/exact.js";
import { Coalition } from "../../../src/game/coalition.js";
import { FunctionGame } from "../../../src/game/function-game.js";
import { type Game, meanLoss } from "../../../src/game/game.js";
import { LossMeter } from "../../../src/game/loss-meter.js";
import { contiguous } from "../../../src/game/search/contiguous.js";
import { greedy, lazyGreedy } from "../../../src/game/search/greedy.js";
import { leaveOneOut, rankAndCut } from "../../../src/game/search/ranked.js";
import type { SearchOptions, SearchResult } from "../../../src/game/search/search.js";
import { fixtureGame, quadraticGame } from "../../helpers/games.js";

const losses = (result: SearchResult) => [...result.byCount.values()].map((choice) => Number(choice.addedLoss.toFixed(4)));
const sets = (result: SearchResult) => [...result.byCount.values()].map((choice) => choice.removed.join(" "));
const counting = (game: Game) => {
	const batches: number[] = [];
	return {
		batches,
		game: {
			players: game.players,
			frozen: game.frozen,
			allows: (c: Coalition) => game.allows(c),
			measure: (c: readonly Coalition[], o?: object) => {
				batches.push(c.length);
				return game.measure(c, o);
			},
		} satisfies Game,
	};
};

describe("the fixture's measured game", () => {
	const kmax = 8;

	test("greedy", async () => {
		const { game, batches } = counting(fixtureGame());
		const result = await greedy(game, { kmax });
		expect(losses(result)).toEqual([0.0726, 0.167, 0.2654, 0.4259, 0.6059, 0.8054, 1.0346, 1.2258]);
		expect(sets(result).slice(0, 4)).toEqual(["6", "3 6", "3 6 9", "3 6 9 10"]);
		expect(result.originalLoss).toBeCloseTo(3.2927, 4);
		expect(result.byCount.get(1)!.loss).toBeCloseTo(3.2927 + 0.0726, 3);
		expect(result.trace.map((step) => step.count)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
		// Singles, then one batch a further step; the first step is measured already.
		expect(batches).toHaveLength(8);
		expect(result.measured).toBe(batches.reduce((a, b) => a + b));
	});

	test("lazy greedy finds the same sets for fewer masks", async () => {
		const exact = await greedy(fixtureGame(), { kmax });
		const lazy = await lazyGreedy(fixtureGame(), { kmax });
		expect(sets(lazy)).toEqual(sets(exact));
		expect(lazy.measured).toBeLessThan(exact.measured);
		expect(lazy.trace.every((step) => step.tried <= 8)).toBe(true);
		expect((await lazyGreedy(fixtureGame(), { kmax, width: 3 })).measured).toBeLessThanOrEqual(13 + 3 * 7);
	});

	test("leave-one-out, best run, cut by exact Shapley values", async () => {
		expect(losses(await leaveOneOut(fixtureGame(), { kmax }))).toEqual([0.0726, 0.1736, 0.3105, 0.512, 0.7408, 1.0571, 1.3522, 1.6808]);
		const some = await contiguous(fixtureGame(), { kmax, counts: [3, 8] });
		expect(some.notes).toEqual([]);
		expect([...some.byCount.keys()]).toEqual([3, 8]);
		expect(some.measured).toBeLessThan((await contiguous(fixtureGame(), { kmax })).measured / 2);
		expect(losses(await contiguous(fixtureGame(), { kmax }))).toEqual([0.0726, 0.1986, 0.367, 0.5755, 0.7926, 1.0571, 1.3522, 1.6566]);
		const { contributions } = await exactShapley(fixtureGame(), { emptyValue: 0 });
		const cut = await rankAndCut(fixtureGame(), contributions, { kmax });
		expect(losses(cut)).toEqual([0.0813, 0.1986, 0.3105, 0.5353, 0.7926, 1.0571, 1.3062, 1.6808]);
	});

	test("the ranking alone costs no single removals", async () => {
		const { contributions } = await exactShapley(fixtureGame(), { emptyValue: 0 });
		const cut = await rankAndCut(fixtureGame(), contributions, { kmax: 3, criticalLoss: Number.POSITIVE_INFINITY });
		expect(cut.measured).toBe(4);
		expect(cut.critical).toEqual([]);
	});

	test("block 0 is critical and frozen until it must be removed", async () => {
		const result = await greedy(fixtureGame(), { kmax: 11 });
		const [loss] = (await fixtureGame().measure([Coalition.ofRemoved(12, [0])])).map(meanLoss);
		expect(result.critical).toEqual([{ blocks: [0], addedLoss: loss! - result.originalLoss, limit: Math.LN2, frozen: true }]);
		expect([...result.byCount.values()].some((choice) => choice.removed.includes(0))).toBe(false);
		expect(result.notes).toEqual([]);
	});

	test("a shared meter pays once", async () => {
		const game = fixtureGame();
		const meter = new LossMeter(game);
		await greedy(game, { kmax, meter });
		expect((await leaveOneOut(game, { kmax: 1, meter })).measured).toBe(0);
	});
});

const methods: Record<string, (game: Game, options: SearchOptions) => Promise<SearchResult>> = {
	greedy,
	lazyGreedy,
	leaveOneOut,
	rankAndCut: (game, options) =>
		rankAndCut(
			game,
			new Float64Array(game.players).map((_, i) => i),
			options,
		),
	contiguous,
};

describe.each(Object.entries(methods))("%s", (name, method) => {
	test("answers every size with allowed sets of that size, frozen and critical blocks kept", async () => {
		await fc.assert(
			fc.asyncProperty(fc.integer({ min: 0, max: 1000 }), fc.integer({ min: 1, max: 6 }), async (seed, kmax) => {
				const inner = quadraticGame(9, seed);
				const game = new FunctionGame({
					players: 9,
					frozen: new Map([[4, "tied"]]),
					loss: (c) => 3 + (c.has(8) ? 0 : 5) + inner_(inner, c),
				});
				const result = await method(game, { kmax });
				expect(result.critical.map((block) => block.blocks)).toEqual([[8]]);
				for (const [count, choice] of result.byCount) {
					expect(choice.removed).toHaveLength(count);
					expect(choice.removed).not.toContain(4);
					if (name !== "contiguous" || count <= 4) expect(choice.removed).not.toContain(8);
				}
				if (name !== "contiguous") expect([...result.byCount.keys()]).toEqual(Array.from({ length: kmax }, (_, i) => i + 1));
			}),
			{ numRuns: 15 },
		);
	});

	test("is the same twice", async () => {
		const run = () => method(quadraticGame(10, 5), { kmax: 5 });
		expect(await run()).toEqual(await run());
	});

	test("stops at the signal", async () => {
		await expect(method(quadraticGame(6, 1), { kmax: 2, signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
	});

	test("refuses more blocks than there are, and says how many can be removed", async () => {
		const game = new FunctionGame({ players: 5, loss: () => 1, frozen: new Map([[0, "x"]]) });
		for (const kmax of [0, 5, 1.5, Number.NaN]) await expect(method(game, { kmax })).rejects.toThrow(/1\.\.4/);
	});
});

/** Added link of the quadratic game without its base loss. */
function inner_(_: FunctionGame, c: Coalition): number {
	const removed = c.removed().filter((i) => i !== 8);
	return removed.reduce((sum, i) => sum + 0.01 * (i + 1) + (removed.includes(i + 1) ? 0.05 : 0), 0);
}

test("too few harmless blocks: the least critical is set free, and this is said", async () => {
	const cost = [0.1, 3, 2, 0.2, 4];
	const game = () => new FunctionGame({ players: 5, loss: (c) => c.removed().reduce((sum, i) => sum + (cost[i] as number), 1) });
	for (const method of [greedy, lazyGreedy, leaveOneOut]) {
		const result = await method(game(), { kmax: 3 });
		expect(sets(result)).toEqual(["0", "0 3", "0 2 3"]);
		expect(result.notes).toHaveLength(1);
		expect(result.notes[0]).toMatch(/critical block 2 .* set free: only 2 blocks are not critical, 3 are to go/);
		expect(result.critical.map((block) => block.frozen)).toEqual([true, false, true]);
	}
});

test("broken models are avoided and do not stop the search", async () => {
	const game = new FunctionGame({ players: 4, loss: (c) => (c.has(0) && c.size >= 2 ? 4 - c.size : Number.NaN) });
	const result = await greedy(game, { kmax: 4, criticalLoss: Number.POSITIVE_INFINITY });
	expect(result.byCount.get(2)!.removed).not.toContain(0);
	expect(result.byCount.get(4)!.loss).toBe(Number.POSITIVE_INFINITY);
});

describe("blocks tied by a rule", () => {
	// Blocks 0-1, 2-3, 4-5 share their keys and values: both stay or both go.
	const paired = () =>
		new FunctionGame({
			players: 6,
			loss: (c) => 1 + [0.3, 0.1, 0.2].reduce((sum, cost, pair) => sum + (c.has(2 * pair) ? 0 : cost), 0),
			allows: (c) => [0, 2, 4].every((i) => c.has(i) === c.has(i + 1)),
		});
	const units = [
		[0, 1],
		[2, 3],
		[4, 5],
	];

	test.each([
		["greedy", greedy],
		["lazy greedy", lazyGreedy],
		["leave-one-out", leaveOneOut],
	])("%s moves units and says which sizes it cannot reach", async (_, method) => {
		const result = await method(paired(), { kmax: 5, units });
		expect(sets(result)).toEqual(["2 3", "2 3 4 5"]);
		expect(result.notes.join()).toMatch(/no set of 1, 3, 5 blocks/);
	});

	test("without units nothing can move, and this is said", async () => {
		const result = await greedy(paired(), { kmax: 2 });
		expect(result.byCount.size).toBe(0);
		expect(result.notes.join()).toMatch(/no set of 1, 2 blocks/);
	});

	test("runs need no units", async () => {
		expect(sets(await contiguous(paired(), { kmax: 4 }))).toEqual(["2 3", "2 3 4 5"]);
	});

	test("overlapping units", async () => {
		const game = new FunctionGame({ players: 4, loss: (c) => c.removed().reduce((sum, i) => sum + 0.1 * (i + 1), 1) });
		expect(
			sets(
				await greedy(game, {
					kmax: 4,
					units: [
						[0, 1],
						[1, 2],
						[2, 3],
					],
				}),
			),
		).toEqual(["0 1", "0 1 2 3"]);
	});
});
