import { describe, expect, test } from "vitest";
import { auto } from "../../../src/game/search/auto-method.js";
import { Coalition } from "../../../src/game/coalition.js";
import { FunctionGame } from "../../../src/game/function-game.js";
import { type Game, meanLoss } from "../../../src/game/game.js";
import { LossMeter } from "../../../src/game/loss-meter.js";
import { Random } from "../../../src/game/random.js";
import { type AutoProgress, autoSearch } from "../../../src/game/search/auto.js";
import { tiedSets } from "../../../src/game/search/tied.js";
import { lazyGreedy } from "../../../src/game/search/greedy.js";
import { quickDescent, swapDescent } from "../../../src/game/search/proposals.js";
import { leaveOneOut } from "../../../src/game/search/ranked.js";
import { fitMixedGp } from "../../../src/game/surrogate/mixed-gp.js";
import { fixtureGame, quadraticGame } from "../../helpers/games.js";
import { firstOf, thorough } from "../../helpers/slow.js";

/** Added loss of the best set of each size. */
function optima(game: ReturnType<typeof fixtureGame>): Map<number, number> {
	const full = meanLoss(game.all().find(({ coalition }) => coalition.size === game.players)!);
	const best = new Map<number, number>();
	for (const measurement of game.all()) {
		const count = game.players - measurement.coalition.size;
		best.set(count, Math.min(best.get(count) ?? Number.POSITIVE_INFINITY, meanLoss(measurement) - full));
	}
	return best;
}

/** A deep model: costly ends, redundant neighbors. */
function deepGame(players: number): FunctionGame {
	const random = new Random(players);
	const own = Array.from({ length: players }, (_, i) => (i === 0 || i === players - 1 ? 2 : 0.02 + 0.1 * random.uniform() ** 2));
	const near = Array.from({ length: players }, () => 0.1 * random.uniform());
	return new FunctionGame({
		players,
		loss: (set) => {
			const removed = set.removed();
			const gone = new Set(removed);
			return 3 + Math.expm1(removed.reduce((sum, i) => sum + own[i]! + (gone.has(i + 1) ? near[i]! : 0), 0));
		},
	});
}

describe("on the fixture's measured game", () => {
	test("at most 300 masks find the true optimum of every size", async () => {
		const best = optima(fixtureGame());
		const regrets: number[] = [];
		for (let seed = 0; seed < (thorough ? 5 : 2); seed++) {
			const game = fixtureGame();
			const { found } = await auto(game, { kmax: 8, budget: 300, seed });
			expect(game.evaluated).toBe(found.measured);
			expect(found.measured).toBeLessThanOrEqual(300);
			for (let k = 1; k <= 8; k++) regrets.push(found.byCount.get(k)!.addedLoss - best.get(k)!);
		}
		regrets.sort((a, b) => a - b);
		expect(regrets[regrets.length >> 1]).toBeLessThan(1e-9);
		expect(regrets[Math.floor(0.9 * regrets.length)]).toBeLessThan(0.01);
	});

	test("what it reports", async () => {
		const { found, contributions, verdicts, interactions, surrogate } = await auto(fixtureGame(), { kmax: 6, budget: 220, seed: 1 });
		expect(found.method).toBe("auto");
		expect(found.critical.map(({ blocks }) => blocks)).toEqual([[0]]);
		expect(contributions!.contributions).toHaveLength(12);
		expect(contributions!.contributions[0]).toBe(Math.max(...contributions!.contributions));
		expect([...verdicts.keys()]).toEqual([1, 2, 3, 4, 5, 6]);
		expect(verdicts.get(3)!.some(({ block }) => block === 0)).toBe(false);
		expect(interactions).toHaveLength((11 * 10) / 2);
		expect(surrogate!.trusted).toBe(true);
		expect(surrogate!.random!.masks).toBeGreaterThan(20);
		expect(surrogate!.random!.r2).toBeGreaterThan(surrogate!.random!.baselines.stratumMean.r2);
		expect(surrogate!.random!.coverage90).toBeGreaterThan(0.7);
		expect(surrogate!.forecasts!.masks).toBeGreaterThan(5);
		const [first] = found.tied.get(6)!;
		expect(first).toEqual({ removed: found.byCount.get(6)!.removed, above: 0, standardError: 0 });
	});

	test("never worse than greedy or leave-one-out; the same seed gives the same run", async () => {
		const run = () => auto(fixtureGame(), { kmax: 6, budget: 120, seed: 3 });
		const first = await run();
		for (const rival of [await lazyGreedy(fixtureGame(), { kmax: 6 }), await leaveOneOut(fixtureGame(), { kmax: 6 })]) {
			for (const [count, { addedLoss }] of rival.byCount) expect(first.found.byCount.get(count)!.addedLoss).toBeLessThanOrEqual(addedLoss);
		}
		const again = await run();
		expect(again.found.byCount).toEqual(first.found.byCount);
		expect(again.contributions).toEqual(first.contributions);
		expect(again.surrogate).toEqual(first.surrogate);
	});

	test("can be stopped after any batch with the best so far, and never loses ground", async () => {
		for (const after of [1, 2, 4, 8, 14]) {
			const seen: AutoProgress[] = [];
			const { found } = await auto(fixtureGame(), {
				kmax: 5,
				budget: 200,
				seed: 1,
				stop: () => seen.length >= after,
				onBatch: (progress) => seen.push(progress),
			});
			expect(seen).toHaveLength(after);
			expect(found.ended).toBe("stop");
			expect(found.byCount).toEqual(seen.at(-1)!.byCount);
			if (after > 1) expect([...found.byCount.keys()]).toEqual([1, 2, 3, 4, 5]);
			for (const [i, { byCount, measured }] of seen.entries()) {
				expect(measured).toBeLessThanOrEqual(200);
				for (const [count, { addedLoss }] of seen[i - 1]?.byCount ?? [])
					expect(byCount.get(count)!.addedLoss).toBeLessThanOrEqual(addedLoss);
			}
		}
	});

	test("budgets are kept, small ones too", async () => {
		for (const budget of [13, 20, 40, 75]) {
			const game = fixtureGame();
			const { found } = await auto(game, { kmax: 8, budget, seed: 1 });
			expect(game.evaluated).toBeLessThanOrEqual(budget);
			expect(found.ended).toBe("budget");
		}
	});
});

describe("dead masks, frozen and tied blocks", () => {
	test("critical blocks stay in every mask but their own, and the game's rules are kept", async () => {
		const seen: Coalition[] = [];
		const inner = new FunctionGame({
			players: 12,
			frozen: new Map([[0, "first"]]),
			loss: (set) => set.removed().reduce((sum, i) => sum + (i === 5 ? 40 : 0.02 * ((i * 7) % 10) + 0.01), 1),
			allows: (set) => set.has(7) === set.has(8),
		});
		const game: Game = {
			players: 12,
			frozen: inner.frozen,
			allows: (set) => inner.allows(set),
			measure: (sets, options) => {
				seen.push(...sets);
				return inner.measure(sets, options);
			},
		};
		const { found, contributions, verdicts, interactions } = await auto(game, {
			kmax: 5,
			budget: 90,
			seed: 1,
			units: [[7, 8]],
			patience: 0,
		});
		expect([...found.byCount.keys()]).toEqual([1, 2, 3, 4, 5]);
		for (const set of seen) {
			expect(inner.allows(set)).toBe(true);
			if (set.size < 11) expect(set.has(5)).toBe(true);
		}
		expect(contributions!.contributions[0]).toBeNaN();
		expect(verdicts.get(2)!.map(({ block }) => block)).not.toContain(5);
		expect(contributions!.contributions[7]).toBe(contributions!.contributions[8]);
		const chances = new Map(verdicts.get(3)!.map(({ block, chance }) => [block, chance]));
		expect(chances.get(7)).toBe(chances.get(8));
		expect(interactions.filter(({ blocks }) => blocks.includes(8))).toEqual([]);
		expect(interactions.filter(({ units }) => units?.some((unit) => unit.join() === "7,8"))).toHaveLength(8);
		expect(found.byCount.get(2)!.removed).toEqual([3, 10]);
	});

	test("a game in which most random sets are broken is searched too", async () => {
		const game = new FunctionGame({
			players: 16,
			loss: (set) => {
				const removed = set.removed();
				if (removed.some((i) => i < 3 || i > 12)) return removed.length > 1 ? Number.NaN : 9;
				return 2 + 0.05 * removed.length + 0.03 * removed.filter((i) => removed.includes(i + 1)).length;
			},
		});
		const { found } = await auto(game, { kmax: 5, budget: 160, seed: 1 });
		expect(found.byCount.get(5)!.addedLoss).toBeCloseTo(0.25, 9);
	});

	test("a surrogate that is not trusted proposes nothing: exact exchanges follow", async () => {
		const phases = new Set<string>();
		const result = await autoSearch(fixtureGame(), {
			kmax: 6,
			budget: 260,
			seed: 1,
			fit: (samples) => fitMixedGp(samples),
			trust: async () => false,
			onBatch: ({ phase }) => phases.add(phase),
		});
		expect(result.trusted).toBe(false);
		expect(result.forecasts).toEqual([]);
		expect(phases.has("active search")).toBe(true);
		const greedy = await lazyGreedy(fixtureGame(), { kmax: 6 });
		for (const [count, { addedLoss }] of greedy.byCount) expect(result.byCount.get(count)!.addedLoss).toBeLessThanOrEqual(addedLoss);
	});

	test.each([
		["a budget of 260", 260, 5],
		["the usual budget", 100, 4],
		["the quick one", 40, 3],
	])("noise without structure is distrusted at %s", async (_, budget, kmax) => {
		const random = new Random(4);
		const noise = new Map<string, number>();
		const game = new FunctionGame({
			players: 12,
			loss: (set) => {
				if (!noise.has(set.key)) noise.set(set.key, random.uniform());
				return set.size === 12 ? 1 : 1.2 + 0.3 * noise.get(set.key)!;
			},
		});
		const { surrogate, found } = await auto(game, { kmax, budget, seed: 1, counts: [kmax] });
		expect(surrogate).toMatchObject({ trusted: false, decisions: { masks: expect.toSatisfy((masks: number) => masks >= 10) } });
		expect(found.measured).toBeLessThanOrEqual(budget);
	});

	test("at the usual budget it is judged on sets that were measured in any case, small models too", async () => {
		for (const [blocks, kmax] of [
			[12, 4],
			[10, 2],
		] as const) {
			const { surrogate, found } = await auto(quadraticGame(blocks, 3), { kmax, budget: 100, seed: 1, counts: [kmax] });
			const { exchanges, steps, explored, samples } = found.evidence;
			expect(exchanges.size).toBeLessThan(10);
			const known = new Set(samples.map(({ coalition }) => coalition.key));
			for (const key of [...exchanges, ...steps, ...explored]) expect(known.has(key)).toBe(true);
			expect(surrogate!.decisions!.masks).toBeGreaterThanOrEqual(10);
			expect(surrogate!.trusted).toBe(true);
		}
	});
});

describe("deep models", () => {
	test.each(firstOf(1, [32, 80]))("%i blocks: within its budget and better than leave-one-out", async (players) => {
		const game = deepGame(players);
		const kmax = Math.round(players / 4);
		const budget = players === 80 ? 420 : 300;
		let pauses = 0;
		const { found } = await auto(game, {
			kmax,
			budget,
			seed: 1,
			counts: [Math.round(kmax / 2), kmax],
			pause: async () => {
				pauses++;
			},
		});
		expect(game.evaluated).toBeLessThanOrEqual(budget);
		expect(pauses).toBeGreaterThan(50);
		const rival = await leaveOneOut(deepGame(players), { kmax });
		expect(found.byCount.get(kmax)!.addedLoss).toBeLessThan(rival.byCount.get(kmax)!.addedLoss);
	});
});

test("options out of range", async () => {
	const game = quadraticGame(8, 1);
	const base = { kmax: 3, seed: 1 };
	for (const [bad, message] of [
		[{ budget: 0 }, /budget/],
		[{ explore: 1 }, /explore/],
		[{ batch: 0 }, /batch/],
		[{ eps: -1 }, /eps/],
		[{ patience: 0.5 }, /patience/],
		[{ counts: [4] }, /counts/],
		[{ kmax: 9 }, /1\.\.8/],
	] as const) {
		await expect(auto(game, { ...base, ...bad })).rejects.toThrow(message);
	}
	await expect(auto(game, { ...base, signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
});

test("tied sets: those within the noise of the best, and no others", () => {
	const measurement = (removed: number[], losses: number[]) => ({
		coalition: Coalition.ofRemoved(5, removed),
		losses: Float64Array.from(losses),
	});
	const sets = tiedSets([
		measurement([], [1, 1, 1, 1]),
		measurement([1], [1.1, 1.3, 1.2, 1.4]),
		measurement([2], [1.3, 1.1, 1.4, 1.21]),
		measurement([3], [1.2, 1.4, 1.3, 1.5]),
		measurement([4], [Number.NaN, 1, 1, 1]),
		measurement([1, 2], [2, 2, 2, 2]),
	]);
	expect(sets.get(1)!.map(({ removed }) => removed)).toEqual([[1], [2]]);
	expect(sets.get(1)![0]).toEqual({ removed: [1], above: 0, standardError: 0 });
	expect(sets.get(2)).toHaveLength(1);
	expect(sets.has(0)).toBe(false);
});

test("the quick descent ends no higher than it began, and mostly where the full one does", async () => {
	const model = await fitMixedGp(await samplesOf(deepGame(24)));
	const moves = Array.from({ length: 22 }, (_, i) => [i + 1]);
	const space = { players: 24, moves, allows: () => true };
	const random = new Random(2);
	for (let round = 0; round < 5; round++) {
		const start = new Uint8Array(24);
		for (const block of random.sample(moves.flat(), 14)) start[block] = 1;
		const [quick, full] = [start.slice(), start.slice()];
		const before = model.mean().of(start);
		const low = quickDescent(model.mean(), quick, space, 3);
		expect(low).toBeCloseTo(model.mean().of(quick), 6);
		expect(low).toBeLessThanOrEqual(before);
		expect(quick.reduce((a, b) => a + b)).toBe(14);
		expect(low - swapDescent(model.mean(), full, space)).toBeLessThan(0.02);
	}
});

async function samplesOf(game: FunctionGame) {
	const meter = new LossMeter(game);
	const random = new Random(1);
	const sets = Array.from({ length: 120 }, () =>
		Coalition.ofRemoved(
			game.players,
			random.sample(
				Array.from({ length: 22 }, (_, i) => i + 1),
				1 + random.integer(14),
			),
		),
	);
	await meter.addedLosses(sets);
	return meter.samples();
}
