import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { auto } from "../../../src/game/search/auto-method.js";
import { Coalition } from "../../../src/game/coalition.js";
import { FunctionGame } from "../../../src/game/function-game.js";
import type { Game } from "../../../src/game/game.js";
import { Random } from "../../../src/game/random.js";
import { subsets } from "../../../src/game/strata.js";
import { activeSearch } from "../../../src/game/search/active.js";
import { beamSearch } from "../../../src/game/search/beam.js";
import { evolutionary } from "../../../src/game/search/evolutionary.js";
import { greedy, lazyGreedy } from "../../../src/game/search/greedy.js";
import { leaveOneOut } from "../../../src/game/search/ranked.js";
import { inRounds } from "../../../src/game/search/rounds.js";
import type { SearchResult } from "../../../src/game/search/search.js";
import { swapSearch } from "../../../src/game/search/swap.js";
import { fitPairwise } from "../../../src/game/surrogate/pairwise.js";

const counts = [1, 2, 3, 4];
const kmax = 4;
const searches: Record<string, (game: Game, seed: number) => Promise<Pick<SearchResult, "byCount">>> = {
	"leave-one-out": (game) => leaveOneOut(game, { kmax }),
	greedy: (game) => greedy(game, { kmax }),
	"lazy greedy": (game) => lazyGreedy(game, { kmax }),
	beam: (game) => beamSearch(game, { kmax }),
	swap: (game) => swapSearch(game, { kmax, counts }),
	rounds: (game) => inRounds(game, { kmax, rounds: kmax, play: ({ game: sub, kmax: k }) => leaveOneOut(sub, { kmax: k }) }),
	evolutionary: (game, seed) => evolutionary(game, { kmax, counts, seed, generations: 12 }),
	active: (game, seed) => activeSearch(game, { kmax, budget: 90, seed, fit: fitPairwise }),
	auto: async (game, seed) => (await auto(game, { kmax, budget: 90, seed })).found,
};

/** Searches that look at sets, not only at single blocks. */
const seeing = Object.keys(searches).filter((name) => name !== "leave-one-out");

function game(players: number, loss: (set: Coalition) => number): FunctionGame {
	return new FunctionGame({ players, loss: (set) => 2 + loss(set) });
}

async function best(of: Game, count: number): Promise<number> {
	const full = (await of.measure([Coalition.full(of.players)]))[0]!.losses[0]!;
	const all = subsets(
		Array.from({ length: of.players }, (_, i) => i),
		count,
	).map((removed) => Coalition.ofRemoved(of.players, removed));
	return Math.min(...(await of.measure(all)).map(({ losses }) => losses[0]!)) - full;
}

describe.each(Object.entries(searches))("%s", (name, search) => {
	test("additive games: the cheapest blocks are removed", async () => {
		await fc.assert(
			fc.asyncProperty(fc.integer({ min: 0, max: 1e6 }), async (seed) => {
				const random = new Random(seed);
				const own = Array.from({ length: 9 }, () => 0.02 + 0.3 * random.uniform());
				const result = await search(
					game(9, (set) => set.removed().reduce((sum, i) => sum + own[i]!, 0)),
					seed,
				);
				const cheapest = [...own].sort((a, b) => a - b);
				for (const count of counts) {
					const least = cheapest.slice(0, count).reduce((a, b) => a + b);
					// Random children may miss the very best set of a size by a little.
					expect(result.byCount.get(count)!.addedLoss).toBeLessThan(least + (name === "evolutionary" ? 0.1 : 1e-9));
				}
			}),
			{ numRuns: 8 },
		);
	});

	if (seeing.includes(name))
		test("substitutes: only one of two redundant blocks is removed", async () => {
			const twins = game(9, (set) => {
				const gone = (i: number) => Number(!set.has(i));
				let loss = 0;
				for (let i = 0; i < 9; i++) loss += gone(i) * (i < 4 ? 0.01 : 0.05 + 0.01 * i);
				return loss + 3 * gone(0) * gone(1) + 3 * gone(2) * gone(3);
			});
			const result = await search(twins, 1);
			expect(result.byCount.get(2)!.addedLoss).toBeCloseTo(0.02, 9);
			expect(result.byCount.get(4)!.addedLoss).toBeLessThan(0.6);
		});
});

test("residual toy: what auto finds is the best there is", async () => {
	for (const seed of [1, 2, 3]) {
		const random = new Random(seed);
		// Mostly along one direction, partly across it: the part across may cancel.
		const blocks = Array.from({ length: 10 }, () => [0.3 + 0.3 * random.uniform(), 0.2 * random.normal(), 0.2 * random.normal()]);
		const goal = blocks.reduce((sum, step) => sum.map((x, d) => x + step[d]!), [0, 0, 0]);
		// Each block adds a vector to a stream; the loss is the distance from where the original model ends, saturated.
		const toy = () =>
			game(10, (set) => {
				const end = set.kept().reduce((sum, i) => sum.map((x, d) => x + blocks[i]![d]!), [0, 0, 0]);
				return Math.log1p(end.reduce((sum, x, d) => sum + (x - goal[d]!) ** 2, 0));
			});
		const { found } = await auto(toy(), { kmax, budget: 150, seed, criticalLoss: Number.POSITIVE_INFINITY });
		for (const count of counts) expect(found.byCount.get(count)!.addedLoss).toBeCloseTo(await best(toy(), count), 9);
	}
});
