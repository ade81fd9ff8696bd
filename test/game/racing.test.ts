import { describe, expect, it } from "vitest";
import { Coalition } from "../../src/game/coalition.js";
import type { Measurement } from "../../src/game/game.js";
import { LossMeter } from "../../src/game/loss-meter.js";
import { isStaged, raceByWindows, type StagedGame } from "../../src/game/racing.js";
import { Random } from "../../src/game/random.js";
import { autoSearch } from "../../src/game/search/auto.js";
import { greedy, lazyGreedy } from "../../src/game/search/greedy.js";
import { fitMixedGp } from "../../src/game/surrogate/mixed-gp.js";

interface Made {
	readonly game: StagedGame;
	/** Windows that were measured of each coalition. */
	readonly passes: Map<string, number>;
	readonly total: () => number;
}

/** A made-up game: what blocks cost, another share of it in each window. */
function made(
	costs: readonly number[],
	{ windows = 10, stages = [4], spread = 0.2, seed = 1 }: { windows?: number; stages?: number[]; spread?: number; seed?: number } = {},
): Made {
	const passes = new Map<string, number>();
	const draw = new Random(`racing ${seed}`);
	const shares = Array.from({ length: windows }, () => ({ level: 3 + draw.normal(), of: costs.map(() => 1 + spread * draw.normal()) }));
	const lossesOf = (set: Coalition) =>
		Float64Array.from(shares, ({ level, of }) => level + set.removed().reduce((sum, i) => sum + costs[i]! * of[i]!, 0));
	const seen = (set: Coalition, count: number) => passes.set(set.key, Math.max(passes.get(set.key) ?? 0, count));
	const measured = (set: Coalition, count: number): Measurement => {
		seen(set, count);
		return { coalition: set, losses: lossesOf(set).slice(0, count) };
	};
	const game: StagedGame = {
		players: costs.length,
		frozen: new Map(),
		stages,
		windows,
		allows: () => true,
		measure: async (sets) => sets.map((set) => measured(set, windows)),
		measureFirst: async (sets, count) => sets.map((set) => measured(set, count)),
		seen: () => undefined,
	};
	return { game, passes, total: () => [...passes.values()].reduce((sum, count) => sum + count, 0) };
}
/** The same without stages. */
const plain = ({ game: { stages: _, windows: __, measureFirst: ___, seen: ____, ...game } }: Made) => game;
const removing = (players: number, ...removed: number[]) => Coalition.ofRemoved(players, removed);

describe("a race by windows", () => {
	const costs = [0.1, 0.12, 0.9, 0.5, 2];
	const singles = costs.map((_, i) => removing(5, i));

	it("stops what is surely worse on the first windows, and measures the close ones in full", async () => {
		const { game, passes } = made(costs);
		const raced = await raceByWindows(game, singles);
		expect(raced.map(({ measured }) => measured !== undefined)).toEqual([true, true, false, false, false]);
		expect(raced.map(({ first }) => first.losses.length)).toEqual([10, 10, 4, 4, 4]);
		expect(passes.get(singles[4]!.key)).toBe(4);
		// In full as without a race, bit for bit.
		const [one, two] = await plain(made(costs)).measure(singles.slice(0, 2));
		expect([raced[0]!.measured, raced[1]!.measured]).toEqual([one, two]);
	});

	it("goes by stages: what is not sure after the first may be after the second", async () => {
		const { game, passes } = made([0.1, 0.24, 0.9], { windows: 40, stages: [4, 8, 16], spread: 0.6, seed: 3 });
		const sets = [0, 1, 2].map((i) => removing(3, i));
		await raceByWindows(game, sets);
		const counts = sets.map(({ key }) => passes.get(key)!);
		expect(counts[0]).toBe(40);
		expect(counts[2]).toBeLessThan(counts[1]!);
	});

	it("races against the best so far, which is not measured again", async () => {
		const { game, passes } = made(costs);
		const [best] = await game.measure([singles[0]!]);
		passes.clear();
		const raced = await raceByWindows(game, [singles[2]!, singles[4]!], { incumbents: [best!] });
		expect(raced.every(({ measured }) => measured === undefined)).toBe(true);
		expect(passes.has(singles[0]!.key)).toBe(false);
		// One alone has nothing to lose against.
		expect((await raceByWindows(game, [singles[4]!]))[0]!.measured).toBeDefined();
	});

	it("stops what surely costs more than a limit, not what may cost less", async () => {
		const { game } = made([0.3, 0.65, 0.75, 3], { spread: 0.3, seed: 2 });
		const [original] = await game.measure([Coalition.full(4)]);
		const raced = await raceByWindows(
			game,
			[0, 1, 2, 3].map((i) => removing(4, i)),
			{ limit: { original: original!, added: Math.LN2 } },
		);
		expect(raced.map(({ measured }) => measured !== undefined)).toEqual([true, true, true, false]);
	});

	it("stops what breaks the model, unless everything does", async () => {
		const { game } = made([0.1, Number.NaN, 0.2]);
		const [good, broken] = [removing(3, 0), removing(3, 1)];
		const raced = await raceByWindows(game, [good, broken]);
		expect(raced.map(({ measured }) => measured !== undefined)).toEqual([true, false]);
		expect((await raceByWindows(game, [broken, removing(3, 1, 2)])).every(({ measured }) => measured !== undefined)).toBe(true);
	});

	it("is measuring in full for a game without stages", async () => {
		const one = made(costs);
		expect(isStaged(plain(one))).toBe(false);
		expect(isStaged(made(costs, { stages: [] }).game)).toBe(false);
		expect((await raceByWindows(plain(one), singles)).every(({ measured }) => measured !== undefined)).toBe(true);
	});

	it("keeps the best one in nearly every race, also of candidates that are near one another", async () => {
		let lost = 0;
		let stopped = 0;
		const races = 300;
		for (let seed = 0; seed < races; seed++) {
			const draw = new Random(`costs ${seed}`);
			const near = Array.from({ length: 8 }, () => 0.1 + 0.2 * draw.uniform());
			const { game } = made(near, { seed, spread: 0.5 });
			const sets = near.map((_, i) => removing(8, i));
			const full = await game.measure(sets);
			const mean = ({ losses }: Measurement) => losses.reduce((sum, x) => sum + x, 0);
			const best = full.reduce((a, b) => (mean(b) < mean(a) ? b : a));
			const raced = await raceByWindows(game, sets);
			stopped += raced.filter(({ measured }) => !measured).length;
			if (!raced.find(({ coalition }) => coalition.key === best.coalition.key)!.measured) lost++;
		}
		expect(lost / races).toBeLessThan(0.01);
		expect(stopped / races).toBeGreaterThan(1);
	});
});

describe("what a meter knows of a stopped coalition", () => {
	it("is above the best one by what it was on the first windows; it counts as measured, and is not measured again", async () => {
		const one = made([0.1, 0.5, 0.9]);
		const meter = new LossMeter(one.game);
		const sets = [0, 1, 2].map((i) => removing(3, i));
		await meter.race(sets);
		const added = await meter.addedLosses(sets);
		expect(added[1]! - added[0]!).toBeGreaterThan(0.2);
		expect(added[1]! - added[0]!).toBeLessThan(0.6);
		expect(meter.measured).toBe(4);
		expect(sets.every((set) => meter.knows(set))).toBe(true);
		expect(meter.measurements().map(({ coalition }) => coalition.removed().join())).toEqual(["0", ""]);
		expect((await meter.samples()).map(({ coalition }) => coalition.removed().join())).toEqual(["0", "", "1", "2"]);
		expect(one.passes.get(sets[2]!.key)).toBe(4);
	});

	it("never puts it before the best one of its size", async () => {
		// On the first windows the second is worse, on the others far better: a race errs, and still names the first.
		const windows = 10;
		const losses = (set: Coalition) => Float64Array.from({ length: windows }, (_, w) => (set.has(1) ? 3 + (w < 4 ? 0 : 9) : 4));
		const game: StagedGame = {
			...{ players: 2, frozen: new Map(), stages: [4], windows, allows: () => true },
			measure: async (sets) => sets.map((coalition) => ({ coalition, losses: losses(coalition) })),
			measureFirst: async (sets, count) => sets.map((coalition) => ({ coalition, losses: losses(coalition).slice(0, count) })),
			seen: () => undefined,
		};
		const meter = new LossMeter(game);
		const sets = [removing(2, 0), removing(2, 1)];
		await meter.race(sets);
		const [kept, stopped] = await meter.losses(sets);
		expect(stopped).toBeGreaterThan(kept!);
	});
});

describe("searches that race", () => {
	const costs = [1.5, 0.05, 0.31, 0.1, 0.22, 0.42, 0.15, 0.36, 0.27, 2];

	it.each([
		["greedy", (game: StagedGame) => greedy(game, { kmax: 3 })],
		["lazy greedy", (game: StagedGame) => lazyGreedy(game, { kmax: 3, width: 4 })],
	])("%s finds the same with fewer windows", async (_, run) => {
		const raced = made(costs);
		const full = made(costs, { stages: [] });
		const [one, two] = [await run(raced.game), await run(full.game)];
		expect([...one.byCount]).toEqual([...two.byCount]);
		expect(one.critical.map(({ blocks }) => blocks[0])).toEqual([0, 9]);
		expect(one.measured).toBe(two.measured);
		expect(raced.total()).toBeLessThan(0.85 * full.total());
		expect(raced.passes.get(removing(10, 9).key)).toBe(4);
	});

	it("auto finds the same with fewer windows", async () => {
		const [raced, full] = [made(costs), made(costs, { stages: [] })];
		const run = ({ game }: Made) => autoSearch(game, { kmax: 4, budget: 90, seed: 1, counts: [4], fit: (samples) => fitMixedGp(samples) });
		const [one, two] = [await run(raced), await run(full)];
		expect(one.byCount.get(4)!.removed).toEqual(two.byCount.get(4)!.removed);
		expect(one.byCount.get(4)!.removed).toEqual([1, 3, 4, 6]);
		expect(raced.total()).toBeLessThan(0.9 * full.total());
	});
});
