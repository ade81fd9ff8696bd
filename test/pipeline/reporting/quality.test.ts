import { describe, expect, it } from "vitest";
import { keptName } from "../../../src/pipeline/planning/keep.js";
import { noteUnhealed } from "../../../src/pipeline/healing/heal-model.js";
import { qualityOf } from "../../../src/pipeline/reporting/quality.js";
import type { Plan } from "../../../src/storage/plan.js";
import type { PlanHeal } from "../../../src/storage/plan-heal.js";

const sizes = { before: { bytes: 100, parameters: 10 }, after: { bytes: 80, parameters: 8 } };
const losses = { original: { mean: 2, windows: [2, 2] }, pruned: { mean: 3, windows: [3, 3] }, difference: 1, standardError: 0.1 };
const plan = {
	...{ method: "auto", removed: [1], kept: 3, model: { blocks: 4 } },
	...{ calibration: { heldOut: { source: "a.txt", count: 2, length: 8 } }, losses: { heldOut: losses } },
	...{ metric: { name: "kl", splits: { heldOut: losses } }, options: {}, machine: {} },
} as unknown as Plan;
const comparison = { before: 3, after: 2.5, difference: -0.5, standardError: 0.1 };
const heal = { applied: true, heldOut: comparison, added: { mean: 0.5, standardError: 0.1 }, cuts: [] } as unknown as PlanHeal;

describe("the figures of a report", () => {
	const names = (of: Plan) => qualityOf(of, sizes).quality!.figures.map(({ name }) => name);

	it("have those of the metric", () => {
		expect(names(plan)).toContain("kl");
		expect(names({ ...plan, heal: { ...heal, applied: false } })).toContain("kl");
	});

	it("leave them out of a healed model, on which they were not measured", () => {
		const healed = { ...plan, heal };
		expect(names(healed)).not.toContain("kl");
		expect(qualityOf(healed, sizes).quality!.figures[0]).toMatchObject({ name: "loss", after: 2.5 });
	});
});

describe("healing that is not kept", () => {
	const warningOf = (validation: Partial<PlanHeal["validation"]>) => {
		const warnings: string[] = [];
		const section = { applied: false, cuts: [{ first: 1, last: 1, recipe: {} }], validation } as unknown as PlanHeal;
		noteUnhealed(section, [1], { onLog: ({ message }) => void warnings.push(message) });
		return warnings;
	};

	it("is not said to be within the error, since it may be surely worse", () => {
		expect(warningOf({ difference: 0.5, standardError: 0.01 })).toEqual([
			"not healed: the loss on the validation text changes by +0.500 ± 0.010, which does not show that healing helps",
		]);
	});

	it("may give no finite loss", () => {
		expect(warningOf({ difference: null, standardError: null })).toEqual([
			"not healed: the healed model gives no finite loss on the validation text",
		]);
	});
});

it("the name of a kept plan depends on what decided, not on how long it was searched", () => {
	const named = (search: Record<string, string | number>) => keptName({ ...plan, options: { search } });
	expect(named({ effort: "quick", maxTime: 60 })).toBe(keptName(plan));
	expect(named({ scoreShare: 0.5 })).not.toBe(keptName(plan));
});
