import { expect, it } from "vitest";
import type { Settings } from "../../../src/api/options/settings.js";
import { optionTable } from "../../../src/api/options/table.js";
import { planOptions } from "../../../src/pipeline/planning/origin.js";

it("keeps the options of a plan in the order that plans have always had", () => {
	const given = Object.entries(optionTable).filter(([, row]) => "plan" in row);
	// Whatever they are: true is kept for switches, the file name for texts.
	const valueFor = (name: string, kind: string) => (kind === "switch" ? true : kind === "accuracies" ? { arc: 0.5 } : name);
	const asked = Object.fromEntries(given.map(([name, { value }]) => [name, valueFor(name, value.kind)]));
	expect(Object.keys(planOptions(asked as Settings<"prune">))).toEqual(
		[
			"method removeBlocks removeFraction targetSize maxPplRatio maxKl minAccuracy ignoreLimits targetSpeedup speedupOf",
			"masks effort maxTime maxTokens strata strataPreset epochs attributionSamples rounds windows windowLength metric limit",
			"workingWeights ubatch scoreShare stateType heal healTokens healKind healType healHeads quantize quantizeFrom",
		].flatMap((line) => line.split(" ")),
	);
	expect(Object.keys(planOptions(asked as Settings<"prune">))).toHaveLength(given.length);
});

it("keeps the method where blocks are chosen, and what was switched off only of healing", () => {
	expect(planOptions({})).toEqual({ method: "auto" });
	expect(planOptions({ remove: [3], heal: false, healHeads: false, ignoreLimits: false })).toEqual({ heal: false });
	expect(planOptions({ remove: [3], healTokens: 2048, quantizeFrom: "folder/f16.gguf" })).toEqual({
		...{ healTokens: 2048, quantizeFrom: "f16.gguf" },
	});
});
