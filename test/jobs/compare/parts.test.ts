import { describe, expect, it } from "vitest";
import { generations } from "../../../src/pipeline/methods/searches.js";
import { BudgetSpent, CountedGame, Pace } from "../../../src/jobs/compare/cost.js";
import { accuracyRows } from "../../../src/jobs/compare/questions.js";
import { compareRows } from "../../../src/jobs/compare/scores.js";
import { Coalition } from "../../../src/game/coalition.js";
import { Ledger } from "../../../src/storage/ledger.js";
import { LedgerGame } from "../../../src/storage/ledger-game.js";

const of = (...values: number[]) => Float64Array.from(values);

describe("rows", () => {
	const full = [of(2, 2, 2, 2), of(3, 3, 3, 3)];
	const set = (method: "auto" | "greedy" | "random", removed: number[], ...losses: Float64Array[]) => ({ method, removed, losses });

	it("give each text's difference, the mean over texts, and what is above the best", () => {
		const { best, rows } = compareRows(
			[
				set("greedy", [1], of(2.5, 2.7, 2.5, 2.7), of(3.4, 3.4, 3.6, 3.6)),
				set("auto", [2], of(2.3, 2.5, 2.3, 2.5), of(3.3, 3.3, 3.5, 3.5)),
			],
			full,
		);
		expect(best).toBe("auto");
		const [greedy, auto] = rows;
		expect(auto!.added[0]!.mean).toBeCloseTo(0.4, 12);
		// Deviation 0.1 * sqrt(4 / 3) over 4 windows.
		expect(auto!.added[0]!.standardError).toBeCloseTo(0.1 / Math.sqrt(3), 12);
		expect(auto!.mean.mean).toBeCloseTo(0.4, 12);
		expect(auto!.mean.standardError).toBeCloseTo(Math.sqrt(2) * (0.1 / Math.sqrt(3) / 2), 12);
		expect(auto!.above).toEqual({ mean: 0, standardError: 0 });
		expect(auto!.withinBest).toBe(true);
		// Paired by window the two differ by 0.2 and 0.1 in every window: no noise is left.
		expect(greedy!.above.mean).toBeCloseTo(0.15, 12);
		expect(greedy!.above.standardError).toBeCloseTo(0, 12);
		expect(greedy!.withinBest).toBe(false);
	});

	it("call two methods equal within the 95 % of Student's t", () => {
		const noisy = (gap: number) =>
			compareRows([set("auto", [1], of(2, 2, 2, 2)), set("greedy", [2], of(2 + gap, 2, 2 + gap, 2))], [of(2, 2, 2, 2)]).rows[1]!;
		// Mean gap / 2, error gap / (2 sqrt(3)): 1.73 errors.
		expect(noisy(0.2).withinBest).toBe(true);
		const few = (third: number) =>
			compareRows([set("auto", [1], of(2, 2, 2)), set("greedy", [2], of(2.1, 2.1, third))], [of(2, 2, 2)]).rows[1]!;
		// 4 and 7 errors: of three windows 4.3 are within chance.
		expect(few(2.2).withinBest).toBe(true);
		expect(few(2.15).withinBest).toBe(false);
	});

	it("count the windows of the smallest source", () => {
		const losses = (...gaps: number[]) => of(...gaps.map((gap) => 2 + gap));
		const rows = (first: number) => {
			const shares = [
				[
					{ name: "a", weight: 1, count: first },
					{ name: "b", weight: 1, count: 8 - first },
				],
			];
			const [full, best] = [of(2, 2, 2, 2, 2, 2, 2, 2), of(2, 2, 2, 2, 2, 2, 2, 2)];
			const other = losses(0.1, 0.3, 0.1, 0.3, 0.1, 0.3, 0.1, 0.3);
			return compareRows([set("auto", [1], best), set("greedy", [2], other)], [full], shares).rows[1]!;
		};
		// 0.2 is more than 4.9 errors either way: enough with four windows (3.2), not with two (12.7).
		expect(rows(4).above.standardError).toBeCloseTo(0.0408, 4);
		expect(rows(4).withinBest).toBe(false);
		expect(rows(2).above.standardError).toBeLessThan(0.06);
		expect(rows(2).withinBest).toBe(true);
		// One window says nothing about chance.
		expect(rows(1)).toMatchObject({ above: { standardError: null }, withinBest: null });
	});

	it("treat equal sets as tied, also with one window, and decide nothing about others", () => {
		const { rows } = compareRows([set("auto", [1, 2], of(2.5)), set("random", [1, 2], of(2.5)), set("greedy", [3], of(2.6))], [of(2)]);
		expect(rows.map(({ withinBest }) => withinBest)).toEqual([true, true, null]);
		expect(rows[0]!.mean.standardError).toBeNull();
	});

	it("have no figures for broken models and missing sets", () => {
		const { best, rows } = compareRows(
			[set("auto", [1], of(Number.NaN, 2)), { method: "greedy", removed: null, losses: [] }, set("random", [4], of(5, 6))],
			[of(2, 2)],
		);
		expect(best).toBe("random");
		expect(rows.map(({ mean, withinBest }) => [mean.mean, withinBest])).toEqual([
			[null, false],
			[null, false],
			[3.5, true],
		]);
		expect(compareRows([{ method: "greedy", removed: null, losses: [] }], full).best).toBeNull();
		const shares = [
			[
				{ name: "a", weight: 3, count: 2 },
				{ name: "b", weight: 1, count: 2 },
			],
		];
		const weighed = compareRows([set("auto", [1], of(2, 2, 4, 4))], [of(1, 1, 1, 1)], shares).rows[0]!;
		expect(weighed.mean.mean).toBeCloseTo(0.75 * 1 + 0.25 * 3, 12);
		expect(weighed.added[0]!.mean).toBeCloseTo(1.5, 12);
	});
});

describe("answers to questions", () => {
	const answers = (right: string, normalized = right) => ({
		right: [...right].map((flag) => flag === "1"),
		normalizedRight: [...normalized].map((flag) => flag === "1"),
		goldLosses: Float64Array.from([...right], (flag) => (flag === "1" ? 0.5 : 1.5)),
	});

	it("give both accuracies, the change from the original model, and who is tied with the best", () => {
		const full = answers("1111111100");
		const [best, near, far, none] = accuracyRows(
			[answers("1111111000"), answers("1111110100"), answers("0000000000"), undefined],
			full,
			false,
		);
		expect(none).toBeNull();
		expect(best).toMatchObject({ accuracy: { value: 0.7, correct: 7 }, difference: { value: -0.1, gained: 0, lost: 1 }, withinBest: true });
		expect(best!.goldLoss).toBeCloseTo(0.8, 12);
		// One gained, one lost: no test distinguishes them. Seven of the seven changed answers lost: p = 2 / 128.
		expect(near).toMatchObject({ accuracy: { correct: 7 }, withinBest: true });
		expect(far).toMatchObject({ difference: { value: -0.8, lost: 8 }, withinBest: false });
	});

	it("are judged by the accuracy of the file's format", () => {
		const sets = [answers("1111111111", "0000000000"), answers("0000000000", "1111111111")];
		const full = answers("1111111111");
		const judged = (normalized: boolean) => accuracyRows(sets, full, normalized).map((row) => row!.withinBest);
		expect(judged(false)).toEqual([true, false]);
		expect(judged(true)).toEqual([false, true]);
	});
});

describe("a counted game", () => {
	const make = (limit: number) => {
		const measured: string[] = [];
		const ledger = Ledger.inMemory({ key: "k", players: 4, windows: { count: 1, length: 8 }, settings: {} });
		const game = new LedgerGame({
			ledger,
			evaluate: async (coalitions, { onMeasurement }) => {
				for (const coalition of coalitions) {
					measured.push(coalition.key);
					onMeasurement({ coalition, losses: of(coalition.size) });
				}
			},
		});
		const speed = new Pace();
		return { measured, speed, counted: () => new CountedGame(game, { limit, resumes: () => true, pace: speed }) };
	};
	const removed = (...blocks: number[]) => Coalition.ofRemoved(4, blocks);

	it("counts what is asked for, known or not, each coalition once", async () => {
		const { measured, speed, counted } = make(10);
		const first = counted();
		await first.measure([removed(), removed(3), removed(3)]);
		await first.measure([removed(3), removed(0)]);
		expect([first.masks, first.executions]).toEqual([3, 7]);
		const known = measured.length;
		const second = counted();
		await second.measure([removed(), removed(3)]);
		expect([second.masks, second.executions, measured.length]).toEqual([2, 4, known]);
		expect(speed.secondsPerExecution).toBeGreaterThan(0);
	});

	it("refuses a batch that passes its limit and measures none of it", async () => {
		const { measured, counted } = make(2);
		const game = counted();
		await game.measure([removed(1)]);
		await expect(game.measure([removed(1), removed(2), removed(3)])).rejects.toThrow(BudgetSpent);
		expect([game.masks, measured.length]).toEqual([1, 1]);
		await game.measure([removed(1), removed(2)]);
		expect(game.masks).toBe(2);
	});

	it("has played what was asked of it, and not what others asked for", async () => {
		const { counted } = make(10);
		const first = counted();
		await first.measure([removed(), removed(0), removed(1)]);
		const second = counted();
		await second.measure([removed(), removed(1)]);
		expect(second.played().map(({ coalition }) => coalition.removed())).toEqual([[], [1]]);
		expect(first.played()).toHaveLength(3);
	});

	it("knows no speed where all was known", () => {
		expect(new Pace().secondsPerExecution).toBeUndefined();
	});
});

it.each([10, 30, 60, 100, 250, 1000])("the evolutionary search spends at most %i masks on a size", (masks) => {
	const { initial, offspring, generations: count } = generations(masks);
	expect(initial + offspring * count).toBeLessThanOrEqual(masks);
	expect(initial + offspring * count).toBeGreaterThan(0.7 * masks);
});
