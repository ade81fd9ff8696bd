import { describe, expect, it } from "vitest";
import { cutParts, cutsOf, placesOf, removedIn } from "../../../src/model/fitting/cuts.js";
import { shiftedRuns } from "../../../src/model/fitting/neighbors.js";
import { Coalition } from "../../../src/game/coalition.js";
import { keptParts } from "../../../src/game/parts.js";

describe("cuts", () => {
	it("are runs of removed blocks with the block before them", () => {
		expect(cutsOf([0, 1, 4, 6, 7])).toEqual([
			{ before: undefined, first: 0, last: 1 },
			{ before: 3, first: 4, last: 4 },
			{ before: 5, first: 6, last: 7 },
		]);
		expect(cutsOf([])).toEqual([]);
	});

	it("may begin within a block, and then always have a part before them", () => {
		expect(cutsOf([0.5])).toEqual([{ before: 0, first: 0.5, last: 0.5 }]);
		expect(cutsOf([1, 3.5, 4.5, 6.5, 9])).toEqual([
			{ before: 0, first: 1, last: 1 },
			{ before: 3, first: 3.5, last: 4.5 },
			{ before: 6, first: 6.5, last: 6.5 },
			{ before: 8, first: 9, last: 9 },
		]);
	});

	it("are one where only a feed-forward part is kept between, and two where an attention part is", () => {
		const removed = [0, 2.5, 3.5, 5, 6, 8.5, 10];
		const cuts = cutsOf(removed);
		expect(cuts).toEqual([
			{ before: undefined, first: 0, last: 0 },
			{ before: 2, first: 2.5, last: 6 },
			{ before: 8, first: 8.5, last: 10 },
		]);
		expect(cuts.map((cut) => removedIn(cut, removed))).toEqual([[0], [2.5, 3.5, 5, 6], [8.5, 10]]);
		expect(cutsOf([1, 2.5]).map(({ first }) => first)).toEqual([1, 2.5]);
	});
});

describe("places of fits", () => {
	it("are the last matrix before whole blocks, and those of both parts beside a half-block cut", () => {
		expect(placesOf([0, 3, 4], cutParts)).toEqual([
			{ before: undefined, first: 0, last: 0 },
			{ before: 2, first: 3, last: 4, block: 2, after: 2, target: 4 },
		]);
		const cut = { before: 2, first: 2.5, last: 3.5 };
		const attention = { ...cut, part: "attention", block: 2, after: 4, target: 4 };
		const feedForward = { ...cut, part: "feed-forward", block: 4, after: 4, target: 4 };
		expect(placesOf([2.5, 3.5], cutParts)).toEqual([attention, feedForward]);
		expect(placesOf([2.5, 3.5], ["feed-forward"])).toEqual([feedForward]);
	});

	it("aim beyond the whole blocks behind the feed-forward part, before which the attention part does not look", () => {
		const cut = { before: 2, first: 2.5, last: 5 };
		expect(placesOf([2.5, 4, 5], cutParts)).toEqual([
			{ ...cut, part: "attention", block: 2, after: 3, target: 3 },
			{ ...cut, part: "feed-forward", block: 3, after: 3, target: 5 },
		]);
	});

	it("are the feed-forward part of a block without its attention part, for whole blocks behind it too", () => {
		const of = (block: number, target = block) => ({ part: "feed-forward", block, after: block, target });
		expect(placesOf([1.25, 2.25, 4, 5.25], cutParts)).toEqual([
			{ before: 0, first: 1.25, last: 1.25, ...of(1) },
			{ before: 1, first: 2.25, last: 2.25, ...of(2) },
			{ before: 3, first: 4, last: 4, block: 3, after: 3, target: 4 },
			{ before: 4, first: 5.25, last: 5.25, ...of(5) },
		]);
		expect(placesOf([6.25, 7, 8, 9.25], cutParts)).toEqual([
			{ before: 5, first: 6.25, last: 8, ...of(6, 8) },
			{ before: 8, first: 9.25, last: 9.25, ...of(9) },
		]);
		expect(placesOf([1.25], ["attention"])).toEqual([]);
	});

	it("moves an attention part to the next block, where that one is there", () => {
		expect(shiftedRuns([2.25, 3.25], 6)).toEqual([
			[1.25, 3.25],
			[2.25, 4.25],
		]);
	});

	it("gives each moved set as a plan writes it: an attention part beside a half-block cut is a block and an attention part", () => {
		const moved = shiftedRuns([2.25, 3.5], 6);
		expect(moved).toContainEqual([3, 4.25]);
		for (const removed of [
			[2.25, 3.5],
			[1.25, 4.5],
			[2.5, 4.25],
			[1, 3.25, 4.5],
			[4.25, 5.5, 7.25],
		])
			for (const set of shiftedRuns(removed, 10)) {
				expect(set).toEqual(Coalition.ofRemoved(10, set).removed());
				expect(() => placesOf(set, cutParts)).not.toThrow();
			}
	});

	it("never fit a matrix twice, and only parts that are kept", () => {
		const sets = [[0.5], [10.5], [0.5, 2.5], [1.5, 3, 4.5], [0, 2.5, 11], [3.5, 5, 6.5, 7.5, 9], [1, 2.5, 4], [0.5, 2, 3, 4.5, 6]];
		sets.push([1.25, 2.25, 4, 5.25], [6.25, 7, 8, 9.25], [1.25, 2.5, 4.25], [3.25, 4, 5.5, 7.25]);
		for (const removed of sets) {
			const kept = keptParts(12, removed);
			const fitted = placesOf(removed, cutParts).flatMap((place) =>
				"block" in place ? [2 * place.block + (place.part === "attention" ? 0 : 1)] : [],
			);
			expect(fitted.length).toBeGreaterThan(0);
			expect(new Set(fitted).size).toBe(fitted.length);
			expect(fitted.every((part) => kept[part])).toBe(true);
		}
	});
});

describe("neighbors of a set", () => {
	it("have one run moved by one block, and no run touches another", () => {
		expect(shiftedRuns([3, 4, 6], 8)).toEqual([
			[2, 3, 6],
			[3, 4, 7],
		]);
		expect(shiftedRuns([0, 1], 4)).toEqual([[1, 2]]);
		expect(shiftedRuns([], 4)).toEqual([]);
	});

	it("move half-block cuts likewise, within the model and beside other runs", () => {
		expect(shiftedRuns([0.5], 3)).toEqual([[1.5]]);
		expect(shiftedRuns([1.5], 3)).toEqual([[0.5]]);
		expect(shiftedRuns([2.5, 3.5], 8)).toEqual([
			[1.5, 2.5],
			[3.5, 4.5],
		]);
		// One part is kept between the two runs: neither moves towards the other.
		expect(shiftedRuns([2.5, 4], 8)).toEqual([
			[1.5, 4],
			[2.5, 5],
		]);
		for (const set of shiftedRuns([1.5, 4, 6.5], 9)) expect(() => keptParts(9, set)).not.toThrow();
		expect(shiftedRuns([1.5, 4, 6.5], 9)).toHaveLength(6);
	});
});
