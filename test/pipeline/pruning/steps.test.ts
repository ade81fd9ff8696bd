import { describe, expect, it } from "vitest";
import {
	comparingStep,
	estimatedSteps,
	expectApply,
	type OtherSeconds,
	type SteppedSettings,
	stepsOf,
	stepTimes,
} from "../../../src/pipeline/pruning/steps.js";
import type { JobProgress, StepName, StepTime } from "../../../src/model/runtime/job-options.js";
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
		expect(comparingStep({ heal: true })).toBe("Comparing finalists");
	});
});

describe("the time of the steps", () => {
	const session = {
		timings: { load: 3 },
		model: { blocks: { proof: "bits" } },
		secondsPerDrawn: 10 / (35 * 128),
	} as unknown as Session;
	const planned = { search: 60, compare: 9, drawing: 0, heldOut: 1 };

	const none: OtherSeconds = { healing: 0, quantizing: 0 };

	function watched() {
		const times: Record<string, StepTime> = {};
		const progress: JobProgress = { ...watching(() => {}), expect: (step, time) => Object.assign(times, { [step]: time }) };
		return { times, progress };
	}

	function expected(options: SteppedSettings, { other = none, seconds = planned } = {}): Record<string, StepTime> {
		return Object.fromEntries(stepTimes(session, seconds, { output, options, ...other }));
	}

	it("is that of planned evaluations, of loading and of what is drawn, as fast as all that was in this run", () => {
		// 20 of 64 tokens, at 10 seconds for 35 windows.
		const texts = 1280 * (10 / (35 * 128));
		expect(expected({})).toEqual({
			Searching: { evaluations: 60 },
			"Comparing finalists": { evaluations: 9, other: 0 },
			"Writing and verifying": { evaluations: 2, other: 6 },
			Measuring: {
				other: 6 + 16 + texts,
				phases: [
					{ phase: "loading the model", repeated: true, seconds: 6 },
					{ phase: "measuring the speed", seconds: 16 },
					{ phase: "writing sample texts", seconds: texts },
				],
			},
		});
		expect(expected({ speed: false, samples: 0 }).Measuring).toMatchObject({ other: 6 });
	});

	it("is that of healing and of quantizing too", () => {
		expect(expected({ heal: true }, { other: { healing: 600, quantizing: 0 } })["Comparing finalists"]).toEqual({
			evaluations: 9,
			other: 600,
		});
		// The quantized file is loaded and measured as well.
		expect(expected({ quantize: "Q4_K_M" }, { other: { healing: 0, quantizing: 40 } })["Writing and verifying"]).toEqual({
			evaluations: 3,
			other: 6 + 40 + 3,
		});
	});

	it("is not made up where it is not known", () => {
		expect(expected({}, { seconds: { ...planned, search: Number.NaN } })).toEqual({});
		expect(expected({ heal: true }, { other: { healing: undefined, quantizing: 0 } })).not.toHaveProperty("Comparing finalists");
		const unknown = { healing: 0, quantizing: undefined };
		expect(expected({ quantize: "Q4_K_M" }, { other: unknown })).not.toHaveProperty("Writing and verifying");
		expect(expected({}, { other: unknown })).toHaveProperty("Writing and verifying");
		expect(expected({ quantize: "Q4_K_M", quantizeFrom: "f16.gguf" })).not.toHaveProperty("Writing and verifying");
		expect(expected({ quantizedAlternatives: true })).not.toHaveProperty("Measuring");
	});

	it("is added up for a dry run, step by step, without what is not known", () => {
		const times = stepTimes(session, planned, { output, options: {}, healing: undefined, quantizing: 0 });
		const { steps, seconds } = estimatedSteps(all as StepName[], new Map([["Preparing text", { other: 3 }], ...times]));
		expect(steps).toEqual([
			...[{ name: "Preparing text", seconds: 3 }, { name: "Searching", seconds: 60 }, { name: "Comparing finalists" }],
			...[
				{ name: "Writing and verifying", seconds: 8 },
				{ name: "Measuring", seconds: expect.closeTo(24.857, 3) },
			],
		]);
		expect(seconds).toBeCloseTo(3 + 60 + 8 + 24.857, 3);
		// Only the steps of the run count: a curve writes nothing.
		expect(estimatedSteps(["Searching"], times)).toEqual({ steps: [{ name: "Searching", seconds: 60 }], seconds: 60 });
	});

	it("has healing on a line of its own in a dry run, and in the sum", () => {
		const times = stepTimes(session, planned, { output, options: { heal: true }, healing: 600, quantizing: 0 });
		const { steps, seconds } = estimatedSteps(["Searching", "Comparing finalists"], times, 0);
		expect(steps).toEqual([
			{ name: "Searching", seconds: 60 },
			{ name: "Comparing finalists", seconds: 9 },
			{ name: "Healing", seconds: 600 },
		]);
		expect(seconds).toBe(669);
		const unknown = stepTimes(session, planned, { output, options: { heal: true }, healing: undefined, quantizing: 0 });
		expect(estimatedSteps(["Comparing finalists"], unknown, 0).steps).toEqual([{ name: "Comparing finalists" }, { name: "Healing" }]);
		// Named blocks have a step for it.
		const named = stepTimes(session, planned, { output, options: { heal: true, remove: [3] }, healing: 600, quantizing: 0 });
		expect(estimatedSteps(["Healing"], named, 0).steps).toEqual([{ name: "Healing", seconds: 669 }]);
	});

	it("has drawing further text in the comparison, and not in healing", () => {
		const drawn = { ...planned, drawing: 40 };
		expect(expected({}, { seconds: drawn })["Comparing finalists"]).toEqual({ evaluations: 9, other: 40 });
		const times = stepTimes(session, drawn, { output, options: { heal: true }, healing: 600, quantizing: 0 });
		expect(estimatedSteps(["Comparing finalists"], times, drawn.drawing).steps).toEqual([
			{ name: "Comparing finalists", seconds: 49 },
			{ name: "Healing", seconds: 600 },
		]);
	});

	it("is the same of a plan that is carried out", () => {
		const { times, progress } = watched();
		const work = { proof: "bits", load: 3, evaluation: 2, compared: 2 } as const;
		expectApply(progress, { ...work, ...none }, {});
		const compared = { evaluations: 4, other: 0 };
		expect(times).toEqual({
			...{ Healing: compared, "Comparing with the original": compared },
			"Writing and verifying": { evaluations: 4, other: 6 },
		});
		expectApply(progress, { ...work, ...none, compared: 0, expected: true }, {});
		expect(times["Writing and verifying"]).toEqual({ evaluations: 2, other: 6 });
	});
});
