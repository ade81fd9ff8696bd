import { expect, test } from "vitest";
import { FunctionGame } from "../../../src/game/function-game.js";
import { evolutionary } from "../../../src/game/search/evolutionary.js";
import { fixtureGame } from "../../helpers/games.js";

test("finds a near-optimal set of the fixture, the same one with the same seed", async () => {
	const run = () => evolutionary(fixtureGame(), { kmax: 6, seed: 1 });
	const result = await run();
	expect(result.byCount.get(6)!.addedLoss).toBeGreaterThanOrEqual(0.8018);
	expect(result.byCount.get(6)!.addedLoss).toBeLessThan(0.85);
	expect(result.trace.every((step, i) => i === 0 || step.addedLoss < result.trace[i - 1]!.addedLoss)).toBe(true);
	expect(await run()).toEqual(result);
});

test("frozen and tied blocks are respected, sizes that units do not reach are named", async () => {
	const game = new FunctionGame({
		players: 8,
		frozen: new Map([[0, "x"]]),
		loss: (c) => 1 + 0.1 * c.removed().reduce((sum, i) => sum + i, 0),
		allows: (c) => [2, 4, 6].every((i) => c.has(i) === c.has(i + 1)) && c.has(1),
	});
	const units = [
		[1, 0],
		[2, 3],
		[4, 5],
		[6, 7],
	];
	const result = await evolutionary(game, {
		kmax: 4,
		counts: [3, 4],
		units,
		seed: 1,
		generations: 5,
		criticalLoss: Number.POSITIVE_INFINITY,
	});
	expect(result.byCount.get(4)!.removed).toEqual([2, 3, 4, 5]);
	expect(result.notes.join()).toMatch(/no set of 3 blocks/);
	// Nothing can be critical: no single removal was measured for it.
	expect(result.measured).toBeLessThanOrEqual(4);
	await expect(evolutionary(game, { kmax: 2, seed: 1, offspring: 0 })).rejects.toThrow(/offspring/);
});
