import { describe, expect, it } from "vitest";
import { Coalition } from "../../../src/game/coalition.js";
import { FunctionGame } from "../../../src/game/function-game.js";
import { LossMeter } from "../../../src/game/loss-meter.js";
import { keptParts } from "../../../src/game/parts.js";
import { Random } from "../../../src/game/random.js";
import { timedParts } from "../../../src/game/search/timed-parts.js";
import { timedMasks } from "../../../src/pipeline/methods/timed.js";

const players = 8;
const seconds = { attention: 2, feedForward: 1 };
/** As the architecture rules: the first block left keeps its attention. */
const allows = (coalition: Coalition) => coalition.stack()[0]?.attention !== undefined;

function gameOf(costs: readonly number[]): FunctionGame {
	const loss = (coalition: Coalition) =>
		3 + keptParts(players, coalition.removed()).reduce((sum, stays, part) => sum + (stays ? 0 : costs[part]!), 0);
	return new FunctionGame({ players, allows, loss });
}

const savedBy = (removed: readonly number[]) =>
	keptParts(players, removed).reduce((sum, stays, part) => sum + (stays ? 0 : part % 2 === 0 ? seconds.attention : seconds.feedForward), 0);

const search = async (costs: readonly number[], save: number, width?: number) => {
	const game = gameOf(costs);
	return (await timedParts(game, { seconds, save, meter: new LossMeter(game), ...(width === undefined ? {} : { width }) }))!;
};

describe("sets that save so much time", () => {
	it("are of attention parts where these cost least for their time", async () => {
		const costs = Array.from({ length: 2 * players }, (_, part) => (part % 2 === 0 ? 0.01 : 0.1));
		const [best] = await search(costs, 6);
		expect(best?.removed.every((position) => position % 1 === 0.25)).toBe(true);
		expect(best?.removed).toHaveLength(3);
		expect(best?.addedLoss).toBeCloseTo(0.03, 9);
	});

	it("are of blocks where feed-forward parts cost nearly nothing", async () => {
		const costs = Array.from({ length: 2 * players }, (_, part) => (part % 2 === 0 ? 0.1 : 0.001));
		const [best] = await search(costs, 6);
		expect(best?.removed.every(Number.isInteger)).toBe(true);
		expect(best?.removed).toHaveLength(2);
	});

	it("are mixed where that is cheapest: a block whose parts are both cheap, and attention parts beside it", async () => {
		const costs: number[] = Array.from({ length: 2 * players }, (_, part) => (part % 2 === 0 ? 0.02 : 0.2));
		costs[7] = 0.001;
		const [best] = await search(costs, 7);
		expect(best?.removed).toHaveLength(3);
		// The block, or the pair with the next attention part, which costs as much.
		expect(best?.removed.filter((position) => position % 1 !== 0.25)).toHaveLength(1);
		expect(best?.addedLoss).toBeCloseTo(0.061, 9);
	});

	it("save as much as was asked for, the best first, whatever the costs", async () => {
		for (let seed = 1; seed <= 20; seed++) {
			const random = new Random(seed);
			const costs = Array.from({ length: 2 * players }, () => 0.01 + 0.1 * random.uniform());
			const found = await search(costs, 1 + random.integer(12));
			expect(found.length).toBeGreaterThan(0);
			for (const { removed, addedLoss, saved } of found) {
				expect(allows(Coalition.ofRemoved(players, removed))).toBe(true);
				expect(saved).toBeCloseTo(savedBy(removed), 9);
				const own = keptParts(players, removed).reduce((sum, stays, part) => sum + (stays ? 0 : costs[part]!), 0);
				expect(addedLoss).toBeCloseTo(own, 9);
			}
			expect(found.map(({ addedLoss }) => addedLoss)).toEqual(found.map(({ addedLoss }) => addedLoss).sort((a, b) => a - b));
		}
	});

	it("are none where everything costs too much, and nothing is asked for that is no time", async () => {
		expect(await search(new Array<number>(2 * players).fill(1), 3)).toEqual([]);
		await expect(search([], 0)).rejects.toThrow(/above 0, got 0/);
		await expect(search([], 1, 0)).rejects.toThrow(/at least 1, got 0/);
	});

	it("keep to a budget, and to what is planned without one", async () => {
		for (let seed = 1; seed <= 20; seed++) {
			const random = new Random(seed);
			const game = gameOf(Array.from({ length: 2 * players }, () => 0.01 + 0.1 * random.uniform()));
			const save = 1 + random.integer(12);
			const within = async (budget?: number) => {
				const meter = new LossMeter(game);
				const found = await timedParts(game, { seconds, save, meter, ...(budget === undefined ? {} : { budget }) });
				return { found, measured: meter.measured };
			};
			const free = await within();
			expect(free.measured).toBeLessThanOrEqual(1 + timedMasks(players, { seconds, save }));
			// The original model, and 7 attention parts and 8 blocks alone.
			expect(await within(15)).toEqual({ found: undefined, measured: 0 });
			for (let budget = 16; budget < free.measured; budget += 3) expect((await within(budget)).measured).toBeLessThanOrEqual(budget);
			expect(await within(free.measured)).toEqual(free);
		}
	});

	it("spend no budget on what is known", async () => {
		const game = gameOf(Array.from({ length: 2 * players }, () => 0.02));
		const meter = new LossMeter(game);
		const found = await timedParts(game, { seconds, save: 6, meter, budget: 0, known: () => true });
		expect(found!.length).toBeGreaterThan(0);
	});
});
