import { describe, expect, it } from "vitest";
import { comparisonOf, expectSteps, type SteppedSettings, stepsOf } from "../../../src/pipeline/pruning/steps.js";
import type { JobProgress, StepTime } from "../../../src/model/runtime/job-options.js";
import type { Session } from "../../../src/pipeline/session/session.js";
import { watching } from "../../helpers/progress.js";

const output = "out.gguf";
const all = ["Preparing text", "Searching", "Comparing finalists", "Writing and verifying", "Measuring"];

describe("the steps of the main job", () => {
	it.each<[string, string | undefined, boolean, SteppedSettings, readonly string[]]>([
		["with a model", output, false, {}, all],
		["with a model and nothing measured of it", output, false, { speed: false, samples: 0 }, all.slice(0, 4)],
		["with a plan alone", undefined, false, {}, all.slice(0, 3)],
		["with a plan and its speed", undefined, false, { speed: true }, [...all.slice(0, 3), "Measuring"]],
		["with a plan and a target speed-up", undefined, false, { targetSpeedup: 1.3 }, [...all.slice(0, 3), "Measuring"]],
		["with quantized alternatives", output, false, { speed: false, samples: 0, quantizedAlternatives: true }, all],
		["of named blocks", output, false, { remove: [3] }, ["Preparing text", "Comparing with the original", ...all.slice(3)]],
		["of named blocks, healed", output, false, { remove: [3], heal: true }, ["Preparing text", "Healing", ...all.slice(3)]],
		["of the curve", undefined, true, { speed: true }, all.slice(0, 3)],
		["of an estimate", output, false, { dryRun: true }, ["Preparing text"]],
	])("%s", (_, path, curve, options, steps) => {
		expect(stepsOf(path, curve, options)).toEqual(steps);
	});

	it("heals found sets while they are compared", () => {
		expect(comparisonOf({ heal: true })).toBe("Comparing finalists");
	});
});

describe("the time of the steps", () => {
	const split = (count: number) => ({ tokens: new Int32Array(128 * count), count, length: 128 });
	const session = {
		timings: { load: 3, calibration: 10 },
		model: { blocks: { proof: "bits" } },
		calibration: { splits: { search: split(10), validation: split(10), heldOut: split(15) } },
	} as unknown as Session;
	const planned = { search: 60, compare: 9, heldOut: 1 };

	function expected(options: SteppedSettings, path: string | undefined = output, seconds = planned): Record<string, StepTime> {
		const times: Record<string, StepTime> = {};
		const progress: JobProgress = { ...watching(() => {}), expect: (step, time) => Object.assign(times, { [step]: time }) };
		expectSteps(progress, session, seconds, { output: path, options });
		return times;
	}

	it("is that of planned evaluations, of loading and of what is drawn, as fast as all that was in this run", () => {
		expect(expected({})).toEqual({
			Searching: { evaluations: 60 },
			"Comparing finalists": { evaluations: 9, other: 0 },
			"Writing and verifying": { evaluations: 2, other: 6 },
			// 20 texts of 64 tokens, at 10 seconds for 35 windows.
			Measuring: { other: 6 + 16 + (1280 * 10) / (35 * 128) },
		});
		expect(expected({ speed: false, samples: 0 }).Measuring).toEqual({ other: 6 });
	});

	it("is not made up where it is not known", () => {
		expect(expected({}, output, { ...planned, search: Number.NaN })).toEqual({});
		expect(expected({ heal: true })).not.toHaveProperty("Comparing finalists");
		expect(expected({ healTime: 600 })["Comparing finalists"]).toEqual({ evaluations: 9, other: 600 });
		expect(expected({ quantize: "Q4_K_M" })).not.toHaveProperty("Writing and verifying");
		expect(expected({ quantizedAlternatives: true })).not.toHaveProperty("Measuring");
	});
});
