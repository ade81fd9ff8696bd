import { expect, it } from "vitest";
import type { Settings } from "../../../src/api/options/settings.js";
import { measuredSpeed, planOptions } from "../../../src/pipeline/planning/origin.js";

it("keeps options in the shape that programs give them", () => {
	const asked: Settings<"prune"> = {
		...{ removeFraction: 0.25, targetSpeedup: 1.3, speedupOf: "prompt", metric: "kl", windows: 8, windowLength: 64 },
		...{ method: "greedy", effort: "quick", scoreShare: 0.5, seed: 3, maxPplRatio: 1.2, minAccuracy: { arc: 0.5 }, ignoreLimits: true },
		...{ heal: true, healTokens: 6144, healType: "F16", quantize: "Q8_0", quantizeFrom: "folder/f16.gguf", threads: 2, overwrite: true },
	};
	expect(planOptions(asked)).toEqual({
		...{ removeBlocks: "25%", targetSpeedup: { prompt: 1.3 }, metric: "kl", selfText: "documents", windows: 8, windowLength: 64 },
		search: { method: "greedy", effort: "quick", scoreShare: 0.5 },
		limits: { maxPplRatio: 1.2, minAccuracy: { arc: 0.5 }, ignore: true },
		heal: { tokens: 6144, type: "F16" },
		quantize: { type: "Q8_0", from: "f16.gguf" },
	});
});

it("keeps the method where blocks are chosen, and what was switched off only of healing", () => {
	expect(planOptions({})).toEqual({ search: { method: "auto" }, selfText: "documents" });
	expect(planOptions({ remove: [3], heal: false, healHeads: false, ignoreLimits: false })).toEqual({ heal: false, selfText: "documents" });
	expect(planOptions({ remove: [3], heal: true })).toEqual({ heal: true, selfText: "documents" });
	expect(planOptions({ remove: [3], calibration: ["a.txt"] })).toEqual({});
	expect(planOptions({ remove: [3], quantizeFrom: "folder/f16.gguf" })).toEqual({ quantize: { from: "f16.gguf" }, selfText: "documents" });
});

it("asks for the speed where a number of blocks stands for a target speed-up and no model is written", () => {
	expect(measuredSpeed(undefined, { targetSpeedup: 1.3 })).toEqual({ speed: true });
	expect(measuredSpeed(undefined, { targetSpeedup: 1.3, speed: false })).toEqual({});
	expect(measuredSpeed("o.gguf", { targetSpeedup: 1.3 })).toEqual({});
	expect(measuredSpeed(undefined, {})).toEqual({});
});
