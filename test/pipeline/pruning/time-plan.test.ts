import { describe, expect, it } from "vitest";
import { fewestSeconds, leftOutLate, planTime } from "../../../src/pipeline/pruning/time-plan.js";

describe("the time of a run", () => {
	const parts = {
		fixed: 20,
		finalists: 0,
		ofEach: 5,
		optional: { samples: 14, speed: 18, "further text": 30 },
		usual: 200,
		singles: 56,
		late: 0,
		unsearched: 4,
	};

	it("goes to the search once everything has its time", () => {
		expect(planTime(1000, parts)).toEqual({ search: 1000 - 22 - 62, finalists: 0, leftOut: [] });
		expect(planTime(284, parts)).toEqual({ search: 200, finalists: 0, leftOut: [] });
	});

	it("is saved on samples, then speed, then further text, then the search", () => {
		expect(planTime(283, parts)).toEqual({ search: 283 - 22 - 48, finalists: 0, leftOut: ["samples"] });
		expect(planTime(260, parts)).toEqual({ search: 260 - 22 - 30, finalists: 0, leftOut: ["samples", "speed"] });
		expect(planTime(230, parts)).toEqual({ search: 208, finalists: 0, leftOut: ["samples", "speed", "further text"] });
		expect(planTime(100, parts)).toEqual({ search: 78, finalists: 0, leftOut: ["samples", "speed", "further text"] });
	});

	it("is not given to a search that does not hold the single removals", () => {
		// 56 seconds of these do not fit, and what a candidate needs that is chosen without them does, with samples and speed.
		expect(planTime(70, parts)).toEqual({ search: undefined, finalists: 0, leftOut: ["further text"] });
		expect(planTime(57, parts)).toEqual({ search: undefined, finalists: 0, leftOut: ["samples", "further text"] });
		expect(planTime(30, parts)).toEqual({ search: undefined, finalists: 0, leftOut: ["samples", "speed", "further text"] });
	});

	it("is too short where not even one candidate is measured and verified", () => {
		expect(fewestSeconds(parts)).toBe(26);
		expect(planTime(26, parts)).toBeDefined();
		expect(planTime(25.9, parts)).toBeUndefined();
	});

	it("compares fewer finalists before it leaves out the search, and none beside one of each size without it", () => {
		const many = { ...parts, finalists: 100 };
		expect(planTime(1000, many)).toMatchObject({ finalists: 100, leftOut: [] });
		expect(planTime(1000, many)!.search).toBeCloseTo(1000 - 132 - 62, 9);
		expect(fewestSeconds(many)).toBe(26);
		// 22 of what must be done, 56 of single removals: half of the rest is the finalists', with a tenth more than they take.
		const short = planTime(155, many)!;
		expect(short.search).toBeCloseTo(56 + 38.5, 9);
		expect(short.finalists).toBeCloseTo(35, 9);
		// What is too little for another one of each size goes to the search.
		const whole = planTime(155, { ...many, ofEach: 20 })!;
		expect(whole.finalists).toBe(20);
		expect(whole.search).toBeCloseTo(133 - 22, 9);
		// A search that needs less leaves them more: three quarters, as what is known takes time too.
		expect(planTime(155, { ...many, usual: 77 })!.finalists).toBe(50);
		expect(planTime(155, { ...many, usual: 0 })!.finalists).toBe(50);
		expect(short.leftOut).toEqual(["samples", "speed", "further text"]);
		expect(planTime(77, many)).toMatchObject({ search: undefined, finalists: 0 });
	});

	it("names no part as left out that nobody asked for", () => {
		expect(planTime(100, { ...parts, optional: { samples: 0, speed: 18, "further text": 0 } })!.leftOut).toEqual(["speed"]);
	});

	it("keeps back what a search may end late by", () => {
		const slow = { ...parts, late: 5 };
		expect(planTime(1000, slow)).toEqual({ search: 1000 - 22 - 62 - 5, finalists: 0, leftOut: [] });
		expect(planTime(289, slow)).toEqual({ search: 200, finalists: 0, leftOut: [] });
		expect(planTime(288, slow)!.leftOut).toEqual(["samples"]);
		// 57 seconds beside 22 of what must be done.
		expect(planTime(79, parts)!.search).toBe(57);
		expect(planTime(79, slow)!.search).toBeUndefined();
		expect(fewestSeconds(slow)).toBe(26);
	});

	it("is looked at again after the search: what no longer fits is left out, what must be done is done", () => {
		// 20 seconds must be done, and 62 would like to be: nothing is added to them once more.
		expect(leftOutLate(82, parts)).toEqual([]);
		expect(leftOutLate(81, parts)).toEqual(["samples"]);
		expect(leftOutLate(67, parts)).toEqual(["samples", "speed"]);
		expect(leftOutLate(30, parts)).toEqual(["samples", "speed", "further text"]);
		expect(leftOutLate(-5, parts)).toEqual(["samples", "speed", "further text"]);
	});

	it("loses nothing to a search that ends late by no more than it may", () => {
		for (const left of [120, 200, 300, 1000]) {
			const slow = { ...parts, late: 5 };
			const { search, leftOut } = planTime(left, slow)!;
			const optional = { ...parts.optional, ...Object.fromEntries(leftOut.map((part) => [part, 0])) };
			expect(leftOutLate(left - search! - 5, { ...slow, optional })).toEqual([]);
		}
	});
});
