import { describe, expect, it } from "vitest";
import { auto } from "../../../src/game/search/auto-method.js";
import { FunctionGame } from "../../../src/game/function-game.js";
import type { Game } from "../../../src/game/game.js";
import { masksIn, timeLimit } from "../../../src/game/search/time-limit.js";
import { quadraticGame } from "../../helpers/games.js";

describe("a search that is stopped", () => {
	it("says so instead of blaming the rules, and knows what single removals would cut", async () => {
		const { found } = await auto(quadraticGame(8, 1), { kmax: 3, seed: 1, stop: () => true });
		expect([...found.byCount.keys()]).toEqual([1]);
		expect(found.notes).toEqual(["the search was stopped before sets of 2, 3 blocks were measured"]);
		expect(found.ranked.map(({ length }) => length)).toEqual([1, 2, 3]);
		expect(found.ranked[0]).toEqual(found.byCount.get(1)!.removed);
		const spent = await auto(quadraticGame(8, 1), { kmax: 3, seed: 1, budget: 9 });
		expect(spent.found.notes).toEqual(["the evaluations of the search were used up before sets of 2, 3 blocks were measured"]);
	});

	it("knows them also if a rule ties blocks, and names the rule once greedy has ended", async () => {
		const pairs = [0, 2, 4, 6];
		const game = () =>
			new FunctionGame({
				players: 8,
				loss: (set) => 1 + 0.01 * set.removed().reduce((sum, block) => sum + block, 0),
				allows: (set) => pairs.every((i) => set.has(i) === set.has(i + 1)),
			});
		const options = { kmax: 4, seed: 1, units: pairs.map((i) => [i, i + 1]) };
		const stopped = (await auto(game(), { ...options, stop: () => true })).found;
		expect(stopped.ranked).toEqual([
			[0, 1],
			[0, 1, 2, 3],
		]);
		expect(stopped.notes.join()).toContain("was stopped before sets of 1, 3, 4 blocks");
		let batches = 0;
		// Singles, ranked sets, two steps of greedy, and then no more.
		const late = (await auto(game(), { ...options, stop: () => batches >= 4, onBatch: () => batches++ })).found;
		expect(late.ended).toBe("stop");
		expect(late.notes).toEqual([expect.stringContaining("no set of 1, 3 blocks: the model's rules")]);
	});
});

describe("a limit of time", () => {
	/** A game with its own clock: each mask takes a second. */
	function timed() {
		let now = 100;
		const inner = quadraticGame(16, 2);
		const batches: string[][] = [];
		const known = new Set<string>();
		const game: Game = {
			players: 16,
			frozen: inner.frozen,
			allows: (set) => inner.allows(set),
			measure: async (sets, options) => {
				const fresh = sets.filter(({ key }) => !known.has(key));
				for (const { key } of fresh) known.add(key);
				now += fresh.length;
				batches.push(fresh.map(({ key }) => key));
				return inner.measure(sets, options);
			},
		};
		return { game, batches, clock: () => now, known };
	}
	const options = { kmax: 6, budget: 400, batch: 32, seed: 1 };

	// Within single removals, ranked sets, greedy, exploring, and the surrogate's rounds.
	it.each([18, 20.5, 30, 60, 110, 163, 180.5])("of %d seconds is overrun by less than a mask", async (seconds) => {
		const { game, clock } = timed();
		const { found } = await auto(game, { ...options, ...timeLimit(seconds, () => 1, clock) });
		expect(found.ended).toBe("stop");
		expect(clock() - 100).toBeGreaterThanOrEqual(seconds);
		expect(clock() - 100).toBeLessThan(seconds + 1);
	});

	it("does not interrupt single removals", async () => {
		const { game, clock } = timed();
		const { found } = await auto(game, { ...options, ...timeLimit(3, () => 1, clock) });
		expect(clock() - 100).toBe(17);
		expect([...found.byCount.keys()]).toEqual([1]);
	});

	it("that is missing, or is not reached, changes no batch", async () => {
		const run = async (seconds?: number) => {
			const { game, batches, clock } = timed();
			await auto(game, { ...options, budget: 120, ...timeLimit(seconds, () => 1, clock) });
			return batches;
		};
		expect(
			timeLimit(
				undefined,
				() => 1,
				() => 0,
			),
		).toEqual({});
		expect(await run(1e6)).toEqual(await run());
	});

	it("holds as many masks as fit, any number while nothing says how long one takes", () => {
		expect([masksIn(10, 3), masksIn(2, 3), masksIn(-1, 3)]).toEqual([3, 0, 0]);
		expect([masksIn(10, undefined), masksIn(10, 0), masksIn(10, Number.NaN)]).toEqual(Array(3).fill(Number.POSITIVE_INFINITY));
	});
});
