import { expect, it } from "vitest";
import type { Settings } from "../../../src/api/options/settings.js";
import { commandLine } from "../../../src/pipeline/preflight/command-line.js";
import { foundAmount, measuredSpeed, planOptions } from "../../../src/pipeline/planning/origin.js";

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

it("repeats a target for which no number was found, and the number otherwise", () => {
	const repeated = (asked: Settings<"prune">) => commandLine("m.gguf", undefined, { ...asked, ...foundAmount(asked) });
	const [kv, speed] = [{ targetKv: 0.5 }, { targetSpeedup: 1.3, speedupOf: "prompt" }] as const;
	expect(repeated(kv)).toBe("prune-gguf m.gguf --target-kv 0.5");
	expect(repeated({ ...kv, removeAttention: 3 })).toBe("prune-gguf m.gguf --remove-attention 3");
	expect(repeated({ targetSpeedup: 1.3, granularity: "attention" })).toBe("prune-gguf m.gguf --target-speedup 1.3 --granularity attention");
	expect(repeated({ ...speed, removeBlocks: 4 })).toBe("prune-gguf m.gguf --remove-blocks 4");
});
