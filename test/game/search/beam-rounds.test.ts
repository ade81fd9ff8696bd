import { describe, expect, test } from "vitest";
import { FunctionGame } from "../../../src/game/function-game.js";
import { LossMeter } from "../../../src/game/loss-meter.js";
import { paperRepaired } from "../../../src/game/search/paper-repaired.js";
import { beamSearch } from "../../../src/game/search/beam.js";
import { greedy } from "../../../src/game/search/greedy.js";
import { leaveOneOut } from "../../../src/game/search/ranked.js";
import { inRounds } from "../../../src/game/search/rounds.js";
import type { SearchResult } from "../../../src/game/search/search.js";
import { fixtureGame, quadraticGame } from "../../helpers/games.js";

const losses = (result: SearchResult) => [...result.byCount.values()].map(({ addedLoss }) => addedLoss);

describe("beam search", () => {
	test("a beam of one that tries everything is greedy, a wider one is no worse", async () => {
		const path = await greedy(fixtureGame(), { kmax: 8 });
		const one = await beamSearch(fixtureGame(), { kmax: 8, beam: 1, width: 12 });
		expect(losses(one)).toEqual(losses(path));
		const wide = await beamSearch(fixtureGame(), { kmax: 8, beam: 6, width: 12 });
		for (const [k, loss] of losses(wide).entries()) expect(loss).toBeLessThanOrEqual(losses(path)[k]! + 1e-12);
		expect(wide.byCount.get(7)!.addedLoss).toBeCloseTo(1.0124, 4);
		expect(wide.measured).toBeLessThan(13 + 6 * 12 * 7);
	});

	test("frozen and tied blocks; options out of range", async () => {
		const game = new FunctionGame({
			players: 6,
			loss: (c) => 7 - c.size,
			allows: (c) => [0, 2, 4].every((i) => c.has(i) === c.has(i + 1)),
		});
		const units = [
			[0, 1],
			[2, 3],
			[4, 5],
		];
		expect([...(await beamSearch(game, { kmax: 4, units, criticalLoss: 5 })).byCount.keys()]).toEqual([2, 4]);
		await expect(beamSearch(game, { kmax: 2, beam: 0 })).rejects.toThrow(/beam/);
		await expect(beamSearch(game, { kmax: 2, width: Number.NaN })).rejects.toThrow(/width/);
	});
});

describe("rounds", () => {
	test("one block a round by leave-one-out is greedy; all in one round is leave-one-out", async () => {
		const play = ({ game, kmax }: { game: Parameters<typeof leaveOneOut>[0]; kmax: number }) => leaveOneOut(game, { kmax });
		const game = fixtureGame();
		const single = await inRounds(game, { kmax: 6, rounds: 6, play });
		const path = await greedy(fixtureGame(), { kmax: 6 });
		expect([...single.byCount.values()].map(({ removed }) => removed)).toEqual([...path.byCount.values()].map(({ removed }) => removed));
		for (const [k, loss] of losses(single).entries()) expect(loss).toBeCloseTo(losses(path)[k]!, 9);
		expect(single.measured).toBe(game.evaluated);
		const once = await inRounds(fixtureGame(), { kmax: 6, rounds: 1, play });
		const flat = await leaveOneOut(fixtureGame(), { kmax: 6 });
		expect([...once.byCount.values()].map(({ removed }) => removed)).toEqual([...flat.byCount.values()].map(({ removed }) => removed));
		const sizes: number[] = [];
		const noted = (round: Parameters<typeof play>[0]) => {
			sizes.push(round.kmax);
			return play(round);
		};
		const pairs = await inRounds(fixtureGame(), { kmax: 5, rounds: 3, play: noted });
		expect(sizes).toEqual([2, 1, 2]);
		sizes.length = 0;
		await inRounds(fixtureGame(), { kmax: 6, rounds: 4, play: noted });
		expect(sizes).toEqual([2, 1, 2, 1]);
		expect([...pairs.byCount.keys()]).toEqual([1, 2, 3, 4, 5]);
		expect(pairs.byCount.get(5)!.addedLoss).toBeLessThan(flat.byCount.get(5)!.addedLoss);
	});

	test("a substitute shows once its partner is removed", async () => {
		// Alone, blocks 0 and 1 cost nothing; removing both costs 2 nats.
		const game = () => new FunctionGame({ players: 5, loss: (c) => 1 + (c.has(0) || c.has(1) ? 0 : 2) + 0.1 * (5 - c.size) });
		const play = ({ game: sub, kmax }: { game: Parameters<typeof leaveOneOut>[0]; kmax: number }) =>
			leaveOneOut(sub, { kmax, criticalLoss: Number.POSITIVE_INFINITY });
		expect((await inRounds(game(), { kmax: 3, rounds: 1, play })).byCount.get(3)!.addedLoss).toBeCloseTo(2.3, 9);
		expect((await inRounds(game(), { kmax: 3, rounds: 3, play })).byCount.get(3)!.addedLoss).toBeCloseTo(0.3, 9);
	});

	test("options out of range", async () => {
		const play = async () => leaveOneOut(quadraticGame(5, 1), { kmax: 1 });
		await expect(inRounds(quadraticGame(5, 1), { kmax: 2, rounds: 0, play })).rejects.toThrow(/rounds/);
		await expect(inRounds(quadraticGame(5, 1), { kmax: 2, rounds: 3, play })).rejects.toThrow(/rounds/);
		await expect(inRounds(quadraticGame(5, 1), { kmax: 6, rounds: 1, play })).rejects.toThrow(/1\.\.5/);
	});
});

describe("the paper's method repaired", () => {
	test("distinct masks within its number, critical blocks kept, judged on masks held out", async () => {
		const game = fixtureGame();
		const meter = new LossMeter(game);
		const result = await paperRepaired(game, { kmax: 6, masks: 400, seed: 1, meter });
		expect(result.masks).toBe(meter.measured);
		expect(result.masks).toBeLessThanOrEqual(400 + 6);
		for (const { coalition } of meter.measurements()) if (coalition.size < 11) expect(coalition.has(0)).toBe(true);
		expect([...result.found.byCount.keys()]).toEqual([1, 2, 3, 4, 5, 6]);
		expect(result.found.byCount.get(6)!.removed).not.toContain(0);
		expect(result.contributions.contributions[0]).toBeNaN();
		expect(result.judgement!.masks).toBeGreaterThan(40);
		expect(result.judgement!.spearman).toBeGreaterThan(0.7);
		expect(result.trainCandidates + result.judgement!.masks).toBeLessThanOrEqual(400);
		const again = await paperRepaired(fixtureGame(), { kmax: 6, masks: 400, seed: 1 });
		expect(again.contributions).toEqual(result.contributions);
		expect(again.found.byCount).toEqual(result.found.byCount);
	});

	test("broken models are values of 0; too few masks are refused", async () => {
		const game = new FunctionGame({ players: 10, loss: (c) => (c.size < 8 ? Number.NaN : 11 - c.size) });
		const result = await paperRepaired(game, { kmax: 3, masks: 80, seed: 1, criticalLoss: 5 });
		expect(Array.from(result.contributions.contributions).every(Number.isFinite)).toBe(true);
		await expect(paperRepaired(game, { kmax: 3, masks: 20, seed: 1 })).rejects.toThrow(/at least 30/);
	});
});
