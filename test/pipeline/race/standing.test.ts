import { expect, it } from "vitest";
import type { Finalist, Race } from "../../../src/pipeline/race/race.js";
import { standingOf, withWinner } from "../../../src/pipeline/race/standing.js";

const finalist = (method: string, ...removed: number[]): Finalist => ({ removed, method, loss: 3, added: 0.1, standardError: 0.01 });

it("a set that is better afterwards is the one of its size, and the race keeps its result", () => {
	const [one, two] = [finalist("auto", 3), finalist("auto", 3, 6)];
	const race: Race = Object.freeze({
		...{ originalLoss: 2.9, disagreements: [], onSplit: new Map(), further: [], confirmed: [], byDivergence: false, notes: [] },
		winners: new Map([
			[1, one],
			[2, two],
		]),
		finalists: Object.freeze([one, two]),
	});
	const better = finalist("auto, raced healed", 6, 7);
	const standing = withWinner(standingOf(race), better, [better]);
	expect([...standing.winners]).toEqual([
		[1, one],
		[2, better],
	]);
	expect(standing.finalists).toEqual([one, two, better]);
	expect(standing.race).toBe(race);
	expect(race.winners.get(2)).toBe(two);
	expect(race.finalists).toEqual([one, two]);
	expect(standingOf(race)).toEqual({ race, winners: race.winners, finalists: race.finalists });
});
