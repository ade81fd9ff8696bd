import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { attentionGame } from "../../src/game/attention-game.js";
import { Coalition } from "../../src/game/coalition.js";
import { FunctionGame } from "../../src/game/function-game.js";
import { keptParts } from "../../src/game/parts.js";
import { isStaged, type StagedGame } from "../../src/game/racing.js";
import { auto } from "../../src/game/search/auto-method.js";
import { greedy } from "../../src/game/search/greedy.js";
import { leaveOneOut } from "../../src/game/search/ranked.js";
import { Random } from "../../src/game/random.js";

const players = 10;
/** As the architecture rules: the first block left keeps its attention. */
const allows = (coalition: Coalition) => coalition.stack()[0]?.attention !== undefined;

/** Each part costs what it costs. */
function modelGame(seed: number): FunctionGame {
	const random = new Random(seed);
	const costs = Array.from({ length: 2 * players }, () => 0.02 + 0.1 * random.uniform());
	const loss = (coalition: Coalition) =>
		3 + keptParts(players, coalition.removed()).reduce((sum, stays, part) => sum + (stays ? 0 : costs[part]!), 0);
	return new FunctionGame({ players, allows, loss });
}

const base = fc.constantFrom<readonly number[]>([], [3], [4.5], [2, 6.5], [0], [5, 6, 7.5]);

describe("the game of attention parts", () => {
	it("names each set of players by the parts of the model, and back", () => {
		fc.assert(
			fc.property(base, fc.subarray(Array.from({ length: players }, (_, i) => i)), (removed, wanted) => {
				const game = attentionGame(modelGame(1), removed);
				const free = wanted.filter((player) => !game.frozen.has(player));
				const inner = Coalition.ofRemoved(players, free);
				const outer = game.outer(inner);
				expect(outer.removed()).toHaveLength(removed.length + free.length);
				const kept = keptParts(players, outer.removed());
				const before = keptParts(players, removed);
				for (let player = 0; player < players; player++) {
					expect(kept[2 * player]).toBe(before[2 * player]! && !free.includes(player));
					expect(kept[2 * player + 1]).toBe(before[2 * player + 1]);
				}
				expect(game.inner(outer)?.key).toBe(inner.key);
			}),
		);
	});

	it("keeps the attention of the first block left, and has none of the removed ones", () => {
		expect([...attentionGame(modelGame(1)).frozen.keys()]).toEqual([0]);
		expect([...attentionGame(modelGame(1), [0, 4]).frozen.keys()]).toEqual([0, 1, 4]);
		expect([...attentionGame(modelGame(1), [4.5]).frozen.keys()]).toEqual([0, 5]);
		expect(attentionGame(modelGame(1), [4.5]).removable).toBe(8);
	});

	it("is no home for what removes a feed-forward part beside the base", () => {
		const game = attentionGame(modelGame(1), [3]);
		expect(game.inner(Coalition.ofRemoved(players, [3, 5]))).toBeUndefined();
		expect(game.inner(Coalition.ofRemoved(players, [5.25]))).toBeUndefined();
		expect(game.inner(Coalition.ofRemoved(players, [3, 5.25]))?.removed()).toEqual([5]);
	});

	it.each([
		["greedy", (game: FunctionGame) => greedy(attentionGame(game), { kmax: 4 })],
		["leave-one-out", (game: FunctionGame) => leaveOneOut(attentionGame(game), { kmax: 4 })],
		["auto", async (game: FunctionGame) => (await auto(attentionGame(game), { kmax: 4, budget: 80, seed: 1 })).found],
	] as const)("%s finds the cheapest attention parts of an additive game", async (_, search) => {
		const game = modelGame(2);
		const found = await search(game);
		const singles = await Promise.all(
			Array.from({ length: players - 1 }, async (_, i) => {
				const [one] = await game.measure([Coalition.ofRemoved(players, [i + 1.25])]);
				return { block: i + 1, loss: one!.losses[0]! };
			}),
		);
		const cheapest = singles
			.sort((a, b) => a.loss - b.loss)
			.slice(0, 4)
			.map(({ block }) => block)
			.sort((a, b) => a - b);
		expect(found.byCount.get(4)?.removed).toEqual(cheapest);
	});

	it("measures window by window where the game does", async () => {
		const inner = modelGame(3);
		const asked: string[] = [];
		const staged: StagedGame = {
			...{ players, frozen: inner.frozen, allows: (set) => inner.allows(set), measure: (sets) => inner.measure(sets) },
			...{ stages: [2], windows: 4 },
			measureFirst: async (sets) => {
				asked.push(...sets.map(({ key }) => key));
				return inner.measure(sets);
			},
			seen: () => undefined,
		};
		expect(isStaged(attentionGame(inner))).toBe(false);
		const game = attentionGame(staged);
		if (!isStaged(game)) throw new Error("the game is staged");
		const set = Coalition.ofRemoved(players, [2]);
		const [first] = await game.measureFirst([set], 2);
		expect(asked).toEqual([Coalition.ofRemoved(players, [2.25]).key]);
		expect(first?.coalition.key).toBe(set.key);
		expect(game.seen(set)).toBeUndefined();
	});
});
