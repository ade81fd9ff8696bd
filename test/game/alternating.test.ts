import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AlternatingSets, alternatingDesign } from "../../src/game/alternating.js";
import { Coalition } from "../../src/game/coalition.js";
import { removalsOf } from "../../src/game/pairs.js";
import { Random } from "../../src/game/random.js";

const board = (players: number, frozen: readonly number[] = [], allows: (set: Coalition) => boolean = () => true) => ({
	players,
	frozen: new Map(frozen.map((block) => [block, "frozen"])),
	allows,
});
const blocksOf = (positions: readonly number[]) => positions.flatMap((position) => [Math.floor(position), Math.ceil(position)]);
/** Sets of so many positions that take no part of the blocks that stay. */
const possible = (players: number, count: number, stays: readonly number[]) =>
	removalsOf(players, count).filter((set) => !blocksOf(set).some((block) => stays.includes(block)));

describe("random sets with half-block cuts", () => {
	it("alternate, have their size, are new, and spare what is frozen, kept, tied or refused", () => {
		const blocks = fc.array(fc.integer({ min: 0, max: 8 }), { maxLength: 3 });
		fc.assert(
			fc.property(fc.integer(), fc.integer({ min: 4, max: 9 }), blocks, blocks, fc.boolean(), (seed, players, frozen, keep, tie) => {
				const inside = (list: number[]) => [...new Set(list.filter((block) => block < players - 1))];
				const stays = [...inside(frozen), ...inside(keep), ...(tie ? [players - 2, players - 1] : [])];
				const movable = players - new Set([...inside(frozen), ...inside(keep)]).size;
				const [kmin, kmax] = [1, Math.min(4, movable)];
				const refused = (set: Coalition) => set.removed().includes(1.5);
				const game = board(players, inside(frozen), (set) => !refused(set));
				const known = new Set([Coalition.ofRemoved(players, [0]).key, Coalition.ofRemoved(players, [2.5]).key]);
				const sets = alternatingDesign(game, {
					...{ kmin, kmax, count: 30, random: new Random(seed), keep: inside(keep), exclude: known },
					...(tie ? { units: [[players - 2, players - 1]] } : {}),
				});
				expect(new Set(sets.map(({ key }) => key)).size).toBe(sets.length);
				for (const set of sets) {
					expect(Coalition.parse(set.key).equals(set)).toBe(true);
					const removed = set.removed();
					expect(removed.length).toBeGreaterThanOrEqual(kmin);
					expect(removed.length).toBeLessThanOrEqual(kmax);
					expect(set.stack()).toHaveLength(players - removed.length);
					expect(blocksOf(removed).some((block) => stays.includes(block))).toBe(false);
					expect(known.has(set.key) || refused(set)).toBe(false);
				}
			}),
			{ numRuns: 60 },
		);
	});

	it("are counted as enumeration counts them", () => {
		for (const stays of [[], [0], [2], [1, 4], [0, 5], [0, 1, 2, 3, 4, 5]])
			for (let count = 0; count <= 6; count++) {
				const free = [0, 1, 2, 3, 4, 5].filter((block) => !stays.includes(block));
				expect(new AlternatingSets(6, free).count(count)).toBe(possible(6, count, stays).length);
			}
		expect(new AlternatingSets(30, Array(30).keys()).count(6)).toBe(25_827_165);
	});

	it("are uniform over the sets of a size", () => {
		const [sets, random] = [new AlternatingSets(7, [0, 1, 2, 4, 5]), new Random(5)];
		const seen = new Map(possible(7, 3, [3, 6]).map((set) => [set.join(), 0]));
		const draws = 400 * seen.size;
		for (let i = 0; i < draws; i++) {
			const key = sets.draw(3, random)!.join();
			seen.set(key, seen.get(key)! + 1);
		}
		// Chi-square of as many cells less one: mean cells - 1, deviation sqrt(2 (cells - 1)).
		const chi = [...seen.values()].reduce((sum, count) => sum + (count - 400) ** 2 / 400, 0);
		expect(chi).toBeLessThan(seen.size - 1 + 4 * Math.sqrt(2 * (seen.size - 1)));
		expect(sets.draw(6, random)).toBeUndefined();
	});

	it("are given until there are no others", () => {
		const sets = alternatingDesign(board(5), { kmax: 2, count: 1000, random: new Random(1) });
		expect(sets).toHaveLength(removalsOf(5, 1).length + removalsOf(5, 2).length);
		expect(() => alternatingDesign(board(5, [0]), { kmax: 5, count: 1, random: new Random(1) })).toThrow("kmax must be an integer in 1..4");
	});
});
