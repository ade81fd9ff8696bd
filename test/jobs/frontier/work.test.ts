import { describe, expect, it } from "vitest";
import { secondsOfSpeed } from "../../../src/jobs/frontier/speed.js";
import { frontierTimes, gridEvaluations, gridPasses } from "../../../src/jobs/frontier/work.js";

describe("the work of a frontier", () => {
	it("is every set in every type, and the best of each type once more", () => {
		expect(gridEvaluations({ types: 3, sets: 4, healed: false })).toEqual({ validation: 1 + 3 * 5, heldOut: 1 + 9 });
		expect(gridEvaluations({ types: 3, sets: 4, healed: true })).toEqual({ validation: 1 + 3 * 9, heldOut: 1 + 9 });
	});

	it("takes a pass more on each split for the distributions of the original model", () => {
		const work = { types: 3, sets: 4, healed: false };
		expect(gridPasses(work)).toEqual(gridEvaluations(work));
		expect(gridPasses({ ...work, compared: true })).toEqual({ validation: 2 + 3 * 5, heldOut: 2 + 9 });
	});

	const planned = { search: 100, compare: 20, drawing: 5, heldOut: 3 };
	const known = { planned, validation: 2, healing: 50, quantizing: 30, loading: 10, speed: 0 };

	const expected = (seconds: Parameters<typeof frontierTimes>[1]) =>
		Object.fromEntries(frontierTimes({ types: 3, sets: 4, healed: false }, seconds));

	it("takes its evaluations, and what is done beside them", () => {
		expect(expected(known)).toEqual({
			...{ Searching: { evaluations: 100 }, "Comparing finalists": { evaluations: 20, other: 5 } },
			Measuring: { evaluations: 16 * 2 + 10 * 3, other: 90 },
		});
	});

	it("is not estimated where a part of it is unknown", () => {
		expect(Object.keys(expected({ ...known, healing: undefined }))).toEqual(["Searching", "Comparing finalists"]);
		expect(Object.keys(expected({ ...known, quantizing: undefined }))).toEqual(["Searching", "Comparing finalists"]);
		expect(Object.keys(expected({ ...known, speed: undefined }))).toEqual(["Searching", "Comparing finalists"]);
		expect(expected({ ...known, planned: { ...planned, heldOut: Number.NaN } })).toEqual({});
	});

	it("measures speed in turns of three, each with the model beside them", () => {
		expect(secondsOfSpeed(1, 2)).toBe(3 * 3);
		expect(secondsOfSpeed(2, 3)).toBe(3 * 4 + 3 * (4 + 2));
	});
});
