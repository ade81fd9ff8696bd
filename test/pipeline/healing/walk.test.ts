import { describe, expect, it } from "vitest";
import { Coalition } from "../../../src/game/coalition.js";
import type { Measurement } from "../../../src/game/game.js";
import { firstStarts, runMoves, startsOf, walkHealed } from "../../../src/pipeline/healing/walk.js";
import type { Finalist, TiedFinalist } from "../../../src/pipeline/race/race.js";

const finalist = (removed: readonly number[], added: number, method = "auto"): Finalist => ({
	removed,
	method,
	added,
	loss: 2 + added,
	standardError: 0.01,
});

describe("finalists that are healed beside the chosen one", () => {
	const chosen = finalist([1, 2], 0.1);

	it("are distinct sets, whoever proposed them", () => {
		const methods = ["auto", "greedy", "near the best", "best on a.txt"];
		const same = methods.map((method) => finalist([1, 2], 0.1, method));
		const next = methods.map((method) => finalist([4, 3], 0.2, method));
		expect(startsOf({ chosen, finalists: [...same, ...next, finalist([3, 5], 0.3)] })).toEqual([
			[3, 4],
			[3, 5],
		]);
	});

	it("hold the best whole blocks where the chosen ones have a half-block cut", () => {
		const cuts = [[2.5], [3.5], [4.5]];
		expect(firstStarts([1.5], [...cuts, [6], [7]], 3)).toEqual([[2.5], [3.5], [6]]);
		expect(firstStarts([1.5], [[6], ...cuts], 3)).toEqual([[6], [2.5], [3.5]]);
		expect(firstStarts([1], [...cuts, [6]], 3)).toEqual(cuts);
		expect(firstStarts([1.5], cuts, 3)).toEqual(cuts);
	});

	it("are those tied with it in their order, then the others by what they add", () => {
		const tie = (removed: readonly number[], above: number): TiedFinalist => ({
			removed,
			method: "auto",
			above,
			standardError: 0.01,
			windows: 30,
		});
		// Further text has them the other way round than the split.
		const tied = [tie([2, 6], 0.001), tie([2, 5], 0.002)];
		const finalists = [finalist([3, 4], 0.09), finalist([2, 5], 0.11), finalist([2, 6], 0.12), chosen, finalist([7, 8], 0.08)];
		expect(startsOf({ chosen: { ...chosen, tied }, finalists })).toEqual([
			[2, 6],
			[2, 5],
			[7, 8],
			[3, 4],
		]);
	});

	it("are of any size where sets save as much time, the best whole blocks among them", () => {
		const sets = [
			[1.25, 2.25, 3.25, 4.25],
			[5.25, 6.25, 7.25],
			[2, 3.25],
			[4, 8.25],
			[6, 7],
		];
		const mixed = finalist([1, 2.25, 3.25], 0.1);
		const finalists = [mixed, ...sets.map((set, i) => finalist(set, 0.2 + i / 10))];
		const starts = startsOf({ chosen: mixed, finalists }, true);
		expect(starts).toEqual(sets);
		expect(firstStarts(mixed.removed, starts, 3, true)).toEqual([sets[0], sets[1], [6, 7]]);
		expect(firstStarts([1, 2], starts, 3, true)).toEqual(sets.slice(0, 3));
	});

	it("are of its size, and do not break the model", () => {
		expect(startsOf({ chosen, finalists: [chosen, finalist([1], 0), finalist([3, 4], Number.NaN), finalist([5, 6], 1)] })).toEqual([
			[5, 6],
		]);
	});
});

/** A walk over sets with the figures of a table, seen with noise that only pairs take away; what was measured is recorded. */
function walk(
	chosen: readonly number[],
	figures: Readonly<Record<string, number>>,
	{
		noise = 0.01,
		most = 12,
		next = {} as Record<string, number[][]>,
		last = {} as Record<string, number[][]>,
		starts = Object.keys(figures)
			.map((name) => name.split(",").map(Number))
			.filter((set) => set.join() !== chosen.join()),
	} = {},
) {
	const measured: string[] = [];
	const measure = async (set: readonly number[]): Promise<Measurement> => {
		const name = set.join();
		measured.push(name);
		const at = Object.keys(figures).indexOf(name);
		const losses = Float64Array.from({ length: 10 }, (_, i) => figures[name]! + i + noise * ((i + at) % 2 === 0 ? 1 : -1));
		return { coalition: Coalition.ofRemoved(12, set), losses };
	};
	return {
		measured,
		best: walkHealed(chosen, { starts, next: (set) => next[set.join()] ?? [], last: (set) => last[set.join()] ?? [], measure, most }),
	};
}

describe("the walk from the chosen set to those that heal better", () => {
	it("takes the lowest figure, and goes on from there", async () => {
		const { best, measured } = walk([1, 2], { "1,2": 2, "3,4": 1.9, "5,6": 1.95 }, { next: { "3,4": [[5, 6]] } });
		expect(await best).toEqual([3, 4]);
		expect(measured.sort()).toEqual(["1,2", "3,4", "5,6"]);
	});

	it("tries the last moves where no other wins, and then the others again", async () => {
		const figures = { "1,2": 2, "3,4": 1.9 };
		const seen = { "3,4": [[4, 5]], "4.5,5.5": [[6, 7]] };
		const { best, measured } = walk(
			[1, 2],
			{ ...figures, "4,5": 1.95, "4.5,5.5": 1.8, "6,7": 1.7 },
			{ starts: [[3, 4]], next: seen, last: { "3,4": [[4.5, 5.5]] } },
		);
		expect(await best).toEqual([6, 7]);
		expect([...measured.slice(0, 2).sort(), ...measured.slice(2)]).toEqual(["1,2", "3,4", "4,5", "4.5,5.5", "6,7"]);
	});

	it("moves runs by a block, and by half a block only where half-block cuts are searched", () => {
		const [whole, halves] = (["block", "half-block"] as const).map((granularity) => runMoves(8, granularity));
		expect(whole!.next([3, 4])).toEqual(halves!.next([3, 4]));
		expect([whole!.last([3, 4]), halves!.last([3, 4])]).toEqual([
			[],
			[
				[2.5, 3.5],
				[3.5, 4.5],
			],
		]);
	});

	it("measures no more sets than it may, and each once", async () => {
		const { best, measured } = walk([1, 2], { "1,2": 2, "3,4": 1.9, "5,6": 1.8, "7,8": 1.7 }, { most: 3 });
		expect(await best).toEqual([5, 6]);
		expect(measured.sort()).toEqual(["1,2", "3,4", "5,6"]);
	});

	it("leaves the chosen set its place where another is better by no more than the error, and does not go on", async () => {
		// The error of a paired difference is 0.0067.
		const next = { "1,2": [[7, 8]] };
		const near = walk([1, 2], { "1,2": 2, "3,4": 1.995, "5,6": 2.1, "7,8": 1.994 }, { next });
		expect(await near.best).toEqual([1, 2]);
		expect(await walk([1, 2], { "1,2": 2, "3,4": 1.992 }).best).toEqual([3, 4]);
		// Without an error nothing is known to be better.
		const once = async (set: readonly number[]) => ({
			coalition: Coalition.ofRemoved(12, set),
			losses: Float64Array.of(set[0]! === 1 ? 2 : 1),
		});
		expect(await walkHealed([1, 2], { starts: [[3, 4]], next: () => [], measure: once, most: 12 })).toEqual([1, 2]);
	});

	it("orders those that may take the place by their figures alone", async () => {
		expect(await walk([1, 2], { "1,2": 2, "3,4": 1.95, "5,6": 1.949 }).best).toEqual([5, 6]);
		expect(await walk([1, 2], { "1,2": 2, "5,6": 1.949, "3,4": 1.95 }).best).toEqual([5, 6]);
	});

	it("takes whole blocks in the place of half-block cuts that are better by no more than the error", async () => {
		expect(await walk([1.5, 3], { "1.5,3": 1.995, "3,4": 2 }).best).toEqual([3, 4]);
		expect(await walk([3, 4], { "1.5,3": 1.995, "3,4": 2 }).best).toEqual([3, 4]);
		expect(await walk([3, 4], { "1.5,3": 1.98, "3,4": 2 }).best).toEqual([1.5, 3]);
	});
});
