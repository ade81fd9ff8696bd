import { describe, expect, it } from "vitest";
import { Coalition } from "../../../src/game/coalition.js";
import type { Choices } from "../../../src/pipeline/methods/selection-context.js";
import type { Finalist, Race } from "../../../src/pipeline/race/race.js";
import { smallerAtMost, smallerCounts, withSmaller } from "../../../src/pipeline/race/smaller.js";
import { removalVerdict } from "../../../src/pipeline/reporting/verdict.js";
import { standingOf } from "../../../src/pipeline/race/standing.js";
import type { Session } from "../../../src/pipeline/session/session.js";

const finalist = (added: number, ...removed: number[]): Finalist => ({
	removed,
	method: "auto",
	loss: 2 + added,
	added,
	standardError: 0.01,
});
/** What a search found: what its set of 1, 2, ... blocks adds. */
function found(...added: number[]): Choices {
	const points = added.map((addedLoss, i) => ({ removed: Array.from({ length: i + 1 }, (_, k) => k + 1), loss: 2 + addedLoss, addedLoss }));
	const byCount = new Map(points.map((point) => [point.removed.length, point]));
	return { found: { method: "auto", byCount, originalLoss: 2 }, rivals: [], masks: 10 } as unknown as Choices;
}

function decided(...finalists: Finalist[]) {
	const winners = new Map(finalists.map((one) => [one.removed.length, one]));
	const race: Race = {
		...{ originalLoss: 2, disagreements: [], winners, finalists, onSplit: new Map() },
		...{ further: [], confirmed: [], byDivergence: false, notes: [] },
	};
	return { ...standingOf(race), chosen: finalists.at(-1)! };
}

describe("fewer blocks than cost too much", () => {
	const sizes = (choices: Choices, ...finalists: Finalist[]) => smallerCounts(choices, decided(...finalists));

	it("are those that the search found cheap, the most blocks first, and at last the fewest", () => {
		expect(sizes(found(0.03, 0.09, 0.2, 0.5), finalist(0.6, 1, 2, 3, 4))).toEqual([2, 1]);
		expect(sizes(found(0.2, 0.3, 0.5), finalist(0.6, 1, 2, 3))).toEqual([1]);
		expect(sizes(found(Number.NaN, 0.05, 0.5), finalist(Number.NaN, 1, 2, 3))).toEqual([2]);
		// At most three: each takes an evaluation or more.
		expect(sizes(found(0.01, 0.02, 0.03, 0.04, 0.05, 0.6), finalist(0.6, 1, 2, 3, 4, 5, 6))).toEqual([5, 3, 1]);
	});

	it("are none where what was chosen is cheap, or validation knows already", () => {
		expect(sizes(found(0.03, 0.09, 0.1), finalist(0.1, 1, 2, 3))).toEqual([]);
		expect(sizes(found(0.03, 0.09, 0.4), finalist(0.08, 1, 2), finalist(0.4, 1, 2, 3))).toEqual([]);
		expect(sizes(found(0.03, 0.09, 0.4), finalist(0.12, 1, 2), finalist(0.4, 1, 2, 3))).toEqual([1]);
		expect(sizes(found(0.2), finalist(0.4, 1))).toEqual([]);
	});
});

describe("measuring them", () => {
	/** A session whose validation split adds so much without as many blocks. */
	function measuring(given: readonly number[] | ((removed: readonly number[]) => number), metric = "loss") {
		const added = typeof given === "function" ? given : ({ length }: readonly number[]) => given[length - 1]!;
		const asked: string[] = [];
		const measure = async (sets: readonly Coalition[]) =>
			sets.map((coalition) => {
				const removed = coalition.removed();
				if (removed.length > 0) asked.push(removed.join());
				return { coalition, losses: Float64Array.of(2, 3).map((loss) => loss + (removed.length === 0 ? 0 : added(removed))) };
			});
		const search = { players: 6, played: () => [] };
		const games = { validation: { players: 6, measure }, search };
		const session = { metric, games, exactSearch: true, timed: (_: string, work: () => unknown) => work() };
		return { asked, session: session as unknown as Session };
	}
	const chosen = decided(finalist(0.6, 1, 2, 3, 4));

	it("ends with the first that is cheap on the validation split too", async () => {
		const { asked, session } = measuring([0.04, 0.11, 0.2]);
		const { finalists, winners } = await withSmaller(session, found(0.03, 0.09, 0.09, 0.5), chosen, {});
		expect(asked).toEqual(["1,2,3", "1,2", "1"]);
		expect(finalists.map(({ removed, added }) => [removed.length, Number(added.toFixed(6))])).toEqual([
			...[
				[4, 0.6],
				[3, 0.2],
				[2, 0.11],
				[1, 0.04],
			],
		]);
		expect([...winners.keys()]).toEqual([4]);
		const cheap = measuring([0.04, 0.05, 0.06]);
		await withSmaller(cheap.session, found(0.03, 0.09, 0.09, 0.5), chosen, {});
		expect(cheap.asked).toEqual(["1,2,3"]);
	});

	it("ends where there is no time for all sets of a number", async () => {
		const { asked, session } = measuring([0.2, 0.2, 0.2]);
		const choices = { ...found(0.03, 0.09, 0.09, 0.5), rivals: [{ removed: [4, 5], method: "greedy" }] };
		const told: number[] = [];
		const fits = (sets: number) => {
			told.push(sets);
			return sets < 2;
		};
		const { finalists } = await withSmaller(session, choices, chosen, { fits });
		expect(asked).toEqual(["1,2,3"]);
		// The next one has two sets.
		expect(told).toEqual([1, 2]);
		expect(finalists).toHaveLength(2);
	});

	it("measures no more than is announced", async () => {
		const { asked, session } = measuring(() => 0.2);
		const loss = (removed: readonly number[], by: number) => ({
			coalition: Coalition.ofRemoved(6, removed),
			losses: Float64Array.of(2 + by, 3 + by),
		});
		// As the default method proposes them: the best four that are tied, and leave-one-out's. Those near the best after a search on a copy are among them.
		const tiedOf = (count: number) =>
			[0, 1, 2, 3, 4].map((i) => Array.from({ length: count }, (_, k) => (i + k) % 6).sort((a, b) => a - b));
		const played = [1, 2, 3].flatMap((count) => tiedOf(count).map((removed, i) => loss(removed, 0.001 * i)));
		const rivals = [1, 2, 3].flatMap((count) => [
			...tiedOf(count)
				.slice(0, 4)
				.map((removed) => ({ removed, method: "auto" })),
			{ removed: [5, 2, 0].slice(0, count).reverse(), method: "leave-one-out" },
		]);
		const byCount = new Map([1, 2, 3, 4].map((count) => [count, { removed: tiedOf(count)[0]!, loss: 2.05, addedLoss: 0.05 }]));
		const choices = { ...found(), found: { method: "auto", byCount, originalLoss: 2 }, rivals } as unknown as Choices;
		const search = { players: 6, played: () => played, allows: () => true };
		const copied = { ...session, exactSearch: false, games: { ...session.games, search } } as unknown as Session;
		await withSmaller(copied, choices, chosen, {});
		expect(new Set(asked).size).toBe(smallerAtMost(4));
	});

	it("measures the rivals of a size as well, which may be better there", async () => {
		const { asked, session } = measuring([0.2, 0.2, 0.2]);
		const choices = { ...found(0.03, 0.2, 0.3, 0.5), rivals: [{ removed: [5], method: "greedy" }] };
		const { finalists } = await withSmaller(session, choices, chosen, {});
		expect(asked).toEqual(["1", "5"]);
		expect(finalists.map(({ method }) => method)).toEqual(["auto", "auto", "greedy"]);
	});

	it("goes on where only a half-block cut looks cheap: the verdict names whole blocks", async () => {
		const added: Readonly<Record<string, number>> = { "1,2,3": 0.11, "1.5,3,4": 0.09, "1,2": 0.08 };
		const { asked, session } = measuring((removed) => added[removed.join()]!);
		const choices = { ...found(0.03, 0.09, 0.09, 0.5), rivals: [{ removed: [1.5, 3, 4], method: "auto" }] };
		const { finalists } = await withSmaller(session, choices, chosen, {});
		expect(asked).toEqual(["1,2,3", "1.5,3,4", "1,2"]);
		// What validation knows counts the same.
		const known = [finalist(0.11, 1, 2, 3), finalist(0.09, 1.5, 3, 4), finalist(0.6, 1, 2, 3, 4)];
		expect(smallerCounts(choices, decided(...known))).toEqual([2, 1]);
		const points = finalists.map(({ removed, loss, added }) => ({ removed: [...removed], loss, added }));
		const curve = { metric: "loss" as const, series: [{ method: "auto", split: "validation" as const, points }] };
		const judged = { removed: [1, 2, 3, 4], blocks: 6, written: true, added: 0.6, standardError: 0.01, curve };
		expect(removalVerdict(judged).advice![0]).toMatch(/^Remove 2 blocks \(-n 2\): /);
	});

	it("is left out for named blocks and for accuracy, of which no verdict names a number", async () => {
		const { asked, session } = measuring([0.04], "accuracy");
		expect(await withSmaller(session, found(0.03, 0.5), chosen, {})).toBe(chosen);
		expect(await withSmaller(measuring([0.04]).session, undefined, chosen, {})).toBe(chosen);
		expect(asked).toEqual([]);
	});
});
