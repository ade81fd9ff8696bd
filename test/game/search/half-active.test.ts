import { describe, expect, it } from "vitest";
import { shiftedContributions } from "../../../src/game/attribution/shifted-window.js";
import { alternatingDesign } from "../../../src/game/alternating.js";
import { Coalition } from "../../../src/game/coalition.js";
import { FunctionGame } from "../../../src/game/function-game.js";
import type { Game } from "../../../src/game/game.js";
import { removalsOf } from "../../../src/game/pairs.js";
import { Random } from "../../../src/game/random.js";
import { type Sample, toSamples } from "../../../src/game/sample.js";
import { activeSearch } from "../../../src/game/search/active.js";
import { auto } from "../../../src/game/search/auto-method.js";
import { evolutionary } from "../../../src/game/search/evolutionary.js";
import { lazyGreedy } from "../../../src/game/search/greedy.js";
import { fitMixedGp } from "../../../src/game/surrogate/mixed-gp.js";
import { fitPairwise } from "../../../src/game/surrogate/pairwise.js";
import { bestOf, partGame } from "../../helpers/part-games.js";

const half = { granularity: "half-block" } as const;
const fitParts = (samples: readonly Sample[]) => fitMixedGp(samples, half);
const mean = (values: readonly number[]) => values.reduce((sum, x) => sum + x, 0) / values.length;

/** Every set that a search measures. */
function watched(inner: FunctionGame): { game: Game; seen: Coalition[] } {
	const seen: Coalition[] = [];
	const { players, frozen } = inner;
	const measure: Game["measure"] = (sets, options) => {
		seen.push(...sets);
		return inner.measure(sets, options);
	};
	return { seen, game: { players, frozen, allows: (set) => inner.allows(set), measure } };
}

describe("active search with half-block cuts", () => {
	it("at equal evaluations beats active search over whole blocks, and greedy with half-block cuts by most of its regret", async () => {
		const [kmax, counts, budget] = [4, [4], 90];
		const regrets: Record<"whole" | "greedy" | "active", number[]> = { whole: [], greedy: [], active: [] };
		for (const seed of [1, 2, 3, 4]) {
			const game = () => partGame(10, seed);
			const best = (await bestOf(game(), kmax)).halves[kmax - 1]!;
			const regretOf = ({ byCount }: { byCount: ReadonlyMap<number, { addedLoss: number }> }) => byCount.get(kmax)!.addedLoss - best;
			const spent = game();
			const common = { kmax, counts, budget, seed, patience: 0 };
			regrets.active.push(regretOf(await activeSearch(spent, { ...common, ...half, fit: fitParts })));
			expect(spent.evaluated).toBeLessThanOrEqual(budget);
			regrets.whole.push(regretOf(await activeSearch(game(), { ...common, fit: (samples) => fitMixedGp(samples) })));
			regrets.greedy.push(regretOf(await lazyGreedy(game(), { kmax, ...half, width: 20 })));
		}
		for (const regret of regrets.active) expect(regret).toBeGreaterThanOrEqual(-1e-9);
		expect(mean(regrets.active)).toBeLessThan(0.5 * mean(regrets.greedy));
		expect(mean(regrets.active)).toBeLessThan(0.1 * mean(regrets.whole));
	});

	it("measures only sets that alternate and that the rules allow, and never more than its budget", async () => {
		const cost = (part: number) => 0.02 + 0.01 * ((part * 7) % 5);
		for (const seed of [1, 2, 3]) {
			const inner = new FunctionGame({
				players: 9,
				frozen: new Map([[0, "first"]]),
				// Block 4 is critical, and its attention part with the feed-forward part before it too.
				loss: (set) =>
					set.removed().reduce((sum, p) => sum + cost(2 * p) + cost(2 * p + 1) + (p === 4 ? 3 : p === 3.5 ? 2 : 0), 1) +
					0.05 * Number(set.removed().includes(2)),
				allows: (set) => !set.removed().some((p) => p === 6.5) && [7, 8].filter((block) => set.removed().includes(block)).length !== 1,
			});
			const { game, seen } = watched(inner);
			const result = await activeSearch(game, { kmax: 4, budget: 70, seed, units: [[7, 8]], ...half, fit: fitParts });
			expect(result.measured).toBeLessThanOrEqual(70);
			expect([...result.byCount.keys()]).toEqual([1, 2, 3, 4]);
			expect(seen.some((set) => !set.whole)).toBe(true);
			for (const set of seen) {
				expect(Coalition.parse(set.key).size).toBe(set.size);
				const removed = set.removed();
				// Nothing of the frozen block, no half of tied ones, nothing that is refused, of the critical one at most the cheap half.
				for (const position of [0, 0.5, 6.5, 7.5]) expect(removed).not.toContain(position);
				expect(removed.includes(7)).toBe(removed.includes(8));
				if (removed.length > 1) for (const position of [3.5, 4]) expect(removed).not.toContain(position);
				expect(removed.includes(4.5) && removed.includes(3.5)).toBe(false);
			}
		}
	});

	it("the same seed gives the same run; with a surrogate over blocks it refuses", async () => {
		const run = () => activeSearch(partGame(8, 3), { kmax: 3, budget: 50, seed: 4, ...half, fit: (s) => fitPairwise(s, half) });
		expect(await run()).toEqual(await run());
		const wrong = activeSearch(partGame(8, 3), { kmax: 3, budget: 60, seed: 4, ...half, fit: fitPairwise });
		await expect(wrong).rejects.toThrow(/a surrogate over whole blocks cannot learn from/);
		const other = activeSearch(partGame(8, 3), { kmax: 3, budget: 60, seed: 4, fit: fitParts });
		await expect(other).rejects.toThrow("the surrogate must learn over blocks");
	});
});

describe("evolutionary search with half-block cuts", () => {
	it("finds sets with halves, within the rules, better in the mean than those of whole blocks", async () => {
		const [whole, halves]: number[][] = [[], []];
		for (const seed of [1, 2, 3, 4]) {
			const { game, seen } = watched(partGame(10, seed));
			const options = { kmax: 3, seed, counts: [3], generations: 10 };
			const found = (await evolutionary(game, { ...options, ...half })).byCount.get(3)!;
			expect(seen.filter((set) => set.size === 7).some((set) => !set.whole)).toBe(true);
			expect(found.removed).toHaveLength(3);
			halves!.push(found.addedLoss);
			whole!.push((await evolutionary(partGame(10, seed), options)).byCount.get(3)!.addedLoss);
		}
		expect(mean(halves!)).toBeLessThan(mean(whole!));
	});
});

describe("contributions of shifted pairs", () => {
	const kmax = 3;
	/** By enumeration: what a pair's removal takes from v, the mean over sets of each size that keep both parts. */
	async function exact(game: FunctionGame, position: number): Promise<number> {
		const value = async (removed: readonly number[]) => {
			const [one, full] = await game.measure([Coalition.ofRemoved(game.players, removed), Coalition.full(game.players)]);
			return Math.exp(full!.losses[0]! - one!.losses[0]!);
		};
		const sizes = Array.from({ length: kmax }, (_, size) =>
			removalsOf(game.players, size).filter((set) => set.every((other) => Math.abs(other - position) >= 1)),
		);
		const means = sizes.map(async (sets) =>
			mean(await Promise.all(sets.map(async (set) => (await value(set)) - (await value([...set, position]))))),
		);
		return mean(await Promise.all(means));
	}

	it("are near those by enumeration, within their errors", async () => {
		const game = partGame(8, 5);
		const sets = alternatingDesign(game, { kmax: 4, count: 180, random: new Random(1) });
		const full = Coalition.full(8);
		const samples = toSamples(await game.measure([full, ...sets]), (await game.measure([full]))[0]!.losses[0]!);
		const found = await shiftedContributions(await fitParts(samples), { kmax, seed: 1, count: 300 });
		expect(found.map(({ position }) => position)).toEqual([0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5]);
		for (const { position, value, standardError } of found) {
			expect(Math.abs(value - (await exact(game, position)))).toBeLessThan(4 * standardError + 0.002);
			expect(standardError).toBeLessThan(0.02);
		}
		const some = await shiftedContributions(await fitParts(samples), { kmax, seed: 1, keep: [3] });
		expect(some.map(({ position }) => position)).toEqual([0.5, 1.5, 4.5, 5.5, 6.5]);
		await expect(
			shiftedContributions(await fitMixedGp(samples.filter(({ coalition }) => coalition.whole)), { kmax, seed: 1 }),
		).rejects.toThrow("shifted pairs need a surrogate over parts");
	});

	it("come from the automatic method, if they are asked for", async () => {
		const game = new FunctionGame({
			players: 9,
			frozen: new Map([[0, "first"]]),
			loss: (set) => set.removed().reduce((sum, p) => sum + (p === 5 || p === 4.5 ? 2 : 0.03 + 0.01 * p), 1),
		});
		const { shifted, found } = await auto(game, { kmax: 3, budget: 90, seed: 1, ...half, shiftedContributions: true });
		expect(found.critical.map(({ blocks }) => blocks)).toEqual([[5]]);
		expect(shifted!.map(({ position }) => position)).toEqual([1.5, 2.5, 3.5, 6.5, 7.5]);
		const values = shifted!.map(({ value }) => value);
		expect(values).toEqual([...values].sort((a, b) => a - b));
		expect((await auto(game, { kmax: 3, budget: 90, seed: 1, ...half })).shifted).toBeUndefined();
	});
});
