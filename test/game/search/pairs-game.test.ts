import { describe, expect, it } from "vitest";
import { Coalition } from "../../../src/game/coalition.js";
import { meanLoss } from "../../../src/game/game.js";
import { removalsOf } from "../../../src/game/pairs.js";
import { auto } from "../../../src/game/search/auto-method.js";
import { TableGame } from "../../../src/game/table-game.js";
import { searchBudget } from "../../../src/pipeline/methods/budget.js";
import { FIXTURE_FULL_LOSS, fixtureGame, fixturePairsGame } from "../../helpers/games.js";

const game = fixturePairsGame();
const all = game.all();
const removedOf = ({ coalition: { players, size } }: { coalition: Coalition }) => players - size;
const added = (set: { losses: Float64Array }) => meanLoss(set as never) - FIXTURE_FULL_LOSS;

describe("the measured game over blocks and shifted pairs", () => {
	it("holds every set, and the same values of whole blocks as the game over blocks", async () => {
		const keys = new Set(all.map(({ coalition }) => coalition.key));
		for (let count = 0; count <= 6; count++)
			expect(removalsOf(12, count).every((set) => keys.has(Coalition.ofRemoved(12, set).key))).toBe(true);
		const whole = all.filter(({ coalition }) => coalition.whole);
		const blocks = await fixtureGame().measure(whole.map(({ coalition }) => coalition));
		expect(whole).toHaveLength(2510);
		for (const [i, set] of whole.entries()) expect(meanLoss(set)).toBeCloseTo(meanLoss(blocks[i]!), 5);
	});

	it.each([2, 4, 6])("auto finds a set nearly as good as the best of all for %i blocks, which no set of whole blocks is", async (count) => {
		const ofSize = all.filter((set) => removedOf(set) === count).map((set) => ({ set, added: added(set) }));
		const best = Math.min(...ofSize.map((one) => one.added));
		const bestWhole = Math.min(...ofSize.filter(({ set }) => set.coalition.whole).map((one) => one.added));
		const budget = searchBudget(12, count, { granularity: "half-block" });
		const played = new TableGame(all);
		const { halfBlocks } = await auto(played, { kmax: count, counts: [count], budget, seed: 1, granularity: "half-block" });
		const found = Math.min(...halfBlocks!.byCount.get(count)!.map(({ addedLoss }) => addedLoss));
		expect(played.evaluated).toBeLessThanOrEqual(budget);
		expect(found - best).toBeLessThan(0.011);
		expect(bestWhole - found).toBeGreaterThan(0);
	});
});
