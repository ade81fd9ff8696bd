import { describe, expect, it } from "vitest";
import { expectComparison, plannedOf } from "../../../src/jobs/compare/work.js";
import type { StepTime } from "../../../src/model/runtime/job-options.js";
import { watching } from "../../helpers/progress.js";

describe("the work of a comparison", () => {
	it("counts the single removals once, however many methods begin with them", () => {
		const planned = (...methods: Parameters<typeof plannedOf>[0]["methods"]) => plannedOf({ methods, counts: [2, 3], limit: 100 }, 12);
		const [greedy, ranked, first] = [13 + 27, 13 + 3, 4];
		expect(planned("greedy")).toBe(greedy);
		expect(planned("first")).toBe(first);
		expect(planned("greedy", "first")).toBe(greedy + first);
		expect(planned("greedy", "leave-one-out", "first")).toBe(greedy + ranked - 13 + first);
		expect(planned("greedy:half-block")).toBe(greedy + 11);
		expect(planned("greedy", "greedy:half-block")).toBe(2 * greedy + 11 - 13);
	});

	function expected(secondsPerMask: number) {
		const times: Record<string, StepTime> = {};
		const progress = { ...watching(() => {}), expect: (step: string, time: StepTime) => Object.assign(times, { [step]: time }) };
		expectComparison(progress, { masks: 100, known: 20, tokens: 1000, sets: 7, scored: [2000, 500], secondsPerMask });
		return times;
	}

	it("takes as long as the masks that are left, and as the tokens of all sets that are scored", () => {
		expect(expected(2)).toEqual({ Searching: { evaluations: 160 }, Scoring: { evaluations: 7 * 2500 * 0.002 } });
	});

	it("is not estimated before a mask was measured", () => {
		expect(expected(Number.NaN)).toEqual({});
	});
});
