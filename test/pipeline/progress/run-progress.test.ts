import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ProgressEvent, StepName } from "../../../src/api/index.js";
import { RunProgress } from "../../../src/pipeline/progress/run-progress.js";
import type { Work } from "../../../src/model/runtime/job-options.js";

const steps: StepName[] = ["Preparing text", "Searching", "Comparing finalists", "Writing and verifying", "Measuring"];

function started(own: readonly StepName[] = steps) {
	const clock = { now: 100 };
	const events: ProgressEvent[] = [];
	const notes: string[] = [];
	const progress = new RunProgress(
		{ onProgress: (event) => events.push(event), onLog: ({ message }) => notes.push(message), now: () => clock.now },
		own,
	);
	const candidates = (done: number, total: number, phase = "greedy") => progress.work({ phase, done, total, unit: "candidates" });
	return { clock, events, notes, progress, candidates, last: () => events.at(-1)! };
}

describe("the steps of a job", () => {
	it("are told with the first work, not before", () => {
		const { events, progress } = started();
		progress.expect("Searching", { evaluations: 10 });
		expect(events).toEqual([]);
		progress.work({ phase: "loading the model", done: 40, total: 100, unit: "percent" });
		expect(events).toEqual([
			{ step: 1, steps: 5, name: "Preparing text", phase: "loading the model", done: 40, total: 100, unit: "percent" },
		]);
	});

	it("begin once, and never go backwards; one that the job does not have is no step", () => {
		const { progress, events, last } = started(["Preparing text", "Comparing with the original", "Measuring"]);
		progress.begin("Searching");
		expect(events).toEqual([]);
		progress.begin("Comparing with the original", { total: 2 });
		progress.begin("Preparing text");
		progress.begin("Comparing with the original", { total: 9 });
		expect(events).toHaveLength(1);
		expect(last()).toMatchObject({ step: 2, steps: 3, name: "Comparing with the original", done: 0, total: 2 });
		progress.begin("Measuring");
		expect(last()).toMatchObject({ step: 3, name: "Measuring", phase: "Measuring", done: 0, total: 0 });
		progress.begin("Comparing with the original");
		expect(last().step).toBe(3);
	});

	it("are five at most", () => {
		expect(() => started([...steps, "Healing"])).toThrow(RangeError);
	});

	it("count candidates over all batches, those that are known already among them", () => {
		const { progress, candidates, last } = started();
		progress.begin("Searching", { total: 20, done: 4 });
		expect(last()).toMatchObject({ done: 4, total: 20 });
		for (const done of [0, 1, 2, 3]) candidates(done, 3, "single blocks");
		for (const done of [0, 1, 2]) candidates(done, 8);
		expect(last()).toMatchObject({ done: 9, total: 20, phase: "greedy" });
		candidates(0, 15);
		// More than was planned.
		expect(last()).toMatchObject({ done: 9, total: 24 });
		candidates(15, 15);
		expect(last()).toMatchObject({ done: 24, total: 24 });
		progress.begin("Comparing finalists", { total: 5 });
		expect(last()).toMatchObject({ done: 0, total: 5 });
	});

	it("show what else is done in them, and go on counting", () => {
		const { progress, candidates, last } = started();
		progress.begin("Searching", { total: 20 });
		candidates(3, 10);
		progress.work({ phase: "making a Q8_0 copy in memory", done: 50, total: 100, unit: "percent" });
		expect(last()).toMatchObject({ step: 2, phase: "making a Q8_0 copy in memory", done: 50, total: 100, unit: "percent" });
		candidates(4, 10);
		expect(last()).toMatchObject({ done: 4, total: 20, unit: "candidates" });
	});

	it("hold for any work: done is never more than total, and neither it nor the step ever falls", () => {
		const unit = fc.constantFrom<Work["unit"]>("candidates", "candidates", "bytes", "percent", "tokens");
		const work = fc.record({ phase: fc.constantFrom("a", "b"), done: fc.nat(30), total: fc.nat(20), unit });
		const act = fc.oneof({ weight: 5, arbitrary: work }, { weight: 1, arbitrary: fc.constantFrom(...steps) });
		fc.assert(
			fc.property(fc.array(act), (acts) => {
				const { clock, progress, events } = started();
				progress.expect("Searching", { evaluations: 100 });
				progress.expect("Measuring", { other: 20 });
				for (const one of acts) {
					clock.now += 0.5;
					if (typeof one === "string") progress.begin(one, { total: 10, done: 2 });
					else progress.work(one);
				}
				let before: ProgressEvent | undefined;
				let counted: ProgressEvent | undefined;
				for (const event of events) {
					expect(event.done).toBeLessThanOrEqual(event.total);
					expect(event.step).toBeGreaterThanOrEqual(before?.step ?? 1);
					if (event.unit === "candidates") {
						if (counted?.step === event.step) expect(event.done).toBeGreaterThanOrEqual(counted.done);
						counted = event;
					}
					for (const left of [event.secondsLeft, event.secondsLeftInAll]) expect(left ?? 0).toBeGreaterThanOrEqual(0);
					before = event;
				}
			}),
		);
	});

	it("are told of work of milliseconds when it begins and ends, of longer work with each percent", () => {
		const { clock, events, progress } = started();
		const load = (done: number, total = 100) => progress.work({ phase: "loading the model", done, total, unit: "percent" });
		for (let done = 0; done <= 100; done++) {
			clock.now += 0.0001;
			load(done);
		}
		load(100);
		expect(events.map(({ done }) => done)).toEqual([0, 100]);
		// Another model.
		load(0);
		clock.now += 1;
		load(40);
		load(41);
		clock.now += 0.1;
		load(42);
		expect(events.map(({ done }) => done)).toEqual([0, 100, 0, 40, 42]);
		for (let done = 0; done < 1000; done++) {
			clock.now += 0.1;
			progress.work({ phase: "writing the file", done, total: 1000, unit: "bytes" });
		}
		expect(events.slice(5).map(({ done }) => done)).toEqual(Array.from({ length: 100 }, (_, i) => 10 * i));
	});

	it("say once what the job runs on", () => {
		const { progress, notes } = started();
		progress.runsOn("CPU, 2 threads");
		progress.runsOn("CPU, 4 threads");
		expect(notes).toEqual(["Running on CPU, 2 threads"]);
	});
});

describe("the time left", () => {
	it("is that of the evaluations at their own speed, as soon as there is one", () => {
		const { clock, progress, candidates, last } = started();
		progress.begin("Searching", { total: 21, done: 1 });
		expect(last().secondsLeft).toBeUndefined();
		candidates(0, 10);
		expect(last().secondsLeft).toBeUndefined();
		clock.now += 4;
		candidates(2, 10);
		expect(last()).toMatchObject({ done: 3, total: 21, secondsLeft: 36 });
	});

	it("is the expected one before, and never more than the limit of the step", () => {
		const { clock, progress, candidates, last } = started();
		progress.expect("Searching", { evaluations: 40 });
		progress.begin("Searching", { total: 20, limit: 30 });
		candidates(0, 10);
		expect(last().secondsLeft).toBe(30);
		clock.now += 4;
		candidates(1, 10);
		expect(last().secondsLeft).toBe(26);
	});

	it("in all is known where every later step can be estimated", () => {
		const { clock, progress, candidates, last } = started();
		progress.expect("Searching", { evaluations: 20 });
		progress.expect("Comparing finalists", { evaluations: 5 });
		progress.expect("Writing and verifying", { evaluations: 1, other: 2 });
		progress.begin("Searching", { total: 20 });
		clock.now += 1;
		candidates(0, 10);
		expect(last()).not.toHaveProperty("secondsLeftInAll");
		progress.expect("Measuring", { other: 16 });
		candidates(0, 10);
		expect(last()).toMatchObject({ secondsLeft: 20, secondsLeftInAll: 20 + 5 + 3 + 16 });
		// Evaluations take twice as long as was thought: those of later steps too.
		clock.now += 20;
		candidates(10, 10);
		expect(last()).toMatchObject({ secondsLeft: 20, secondsLeftInAll: 20 + 10 + 4 + 16 });
	});

	it("follows the speed of late, also for later steps", () => {
		const { clock, progress, candidates, last } = started(["Searching", "Measuring"]);
		progress.expect("Searching", { evaluations: 100 });
		progress.expect("Measuring", { evaluations: 10 });
		progress.begin("Searching", { total: 100 });
		for (let done = 0; done <= 70; done++) {
			candidates(done, 100);
			clock.now += done < 50 ? 1 : 4;
		}
		// 30 candidates of 4 seconds are left; the mean speed of all would say 56.
		const { secondsLeft, secondsLeftInAll } = last();
		expect(secondsLeft).toBeGreaterThan(90);
		expect(secondsLeft).toBeLessThan(120);
		expect(secondsLeftInAll! - secondsLeft!).toBeGreaterThan(30);
		expect(secondsLeftInAll! - secondsLeft!).toBeLessThan(40);
	});

	it("of a step that is not counted is what is left of the expected one", () => {
		const { clock, progress, last } = started(["Writing and verifying", "Measuring"]);
		progress.expect("Writing and verifying", { other: 10 });
		progress.expect("Measuring", { other: 16 });
		progress.begin("Writing and verifying");
		expect(last().secondsLeftInAll).toBe(26);
		progress.work({ phase: "writing the file", done: 0, total: 100, unit: "bytes" });
		clock.now += 2;
		progress.work({ phase: "writing the file", done: 50, total: 100, unit: "bytes" });
		expect(last()).toMatchObject({ secondsLeft: 2, secondsLeftInAll: 24 });
		clock.now += 20;
		progress.begin("Measuring");
		clock.now += 4;
		progress.work({ phase: "measuring the speed", done: 0, total: 0, unit: "percent" });
		expect(last().secondsLeft).toBeUndefined();
		expect(last().secondsLeftInAll).toBe(12);
	});

	it("of a step whose phases are known follows them: the rest of the one that it is at, and those after it", () => {
		const { clock, progress, last } = started(["Writing and verifying", "Measuring"]);
		const phases = [
			{ phase: "loading the model", seconds: 4, repeated: true },
			{ phase: "measuring the speed", seconds: 16 },
			{ phase: "writing sample texts", seconds: 6 },
		];
		progress.expect("Measuring", { other: 26, phases });
		progress.begin("Measuring");
		expect(last().secondsLeftInAll).toBe(26);
		const work = (phase: string, done: number) => progress.work({ phase, done, total: 100, unit: "percent" });
		work("loading the model", 0);
		clock.now += 1;
		work("loading the model", 100);
		// The second model is still to come.
		expect(last().secondsLeftInAll).toBe(3 + 16 + 6);
		clock.now += 1;
		work("measuring the speed", 0);
		expect(last().secondsLeftInAll).toBe(16 + 6);
		clock.now += 2;
		work("measuring the speed", 50);
		expect(last().secondsLeftInAll).toBe(2 + 6);
		clock.now += 2;
		work("writing sample texts", 0);
		clock.now += 1;
		work("writing sample texts", 75);
		expect(last().secondsLeftInAll).toBeCloseTo(1 / 3, 9);
	});

	it("in all keeps what a counted step does besides while it counts", () => {
		const { clock, progress, candidates, last } = started(["Comparing finalists", "Measuring"]);
		progress.expect("Comparing finalists", { evaluations: 60, other: 600 });
		progress.expect("Measuring", { other: 0 });
		progress.begin("Comparing finalists", { total: 60 });
		candidates(0, 60);
		expect(last()).toMatchObject({ secondsLeft: 60, secondsLeftInAll: 660 });
		progress.work({ phase: "healing", done: 0, total: 100, unit: "tokens" });
		clock.now += 200;
		progress.work({ phase: "healing", done: 50, total: 100, unit: "tokens" });
		candidates(0, 60);
		expect(last()).toMatchObject({ secondsLeft: 60, secondsLeftInAll: 460 });
		// Healing was no evaluation: theirs are as fast as expected.
		clock.now += 30;
		candidates(30, 60);
		expect(last()).toMatchObject({ secondsLeft: 30, secondsLeftInAll: 430 });
	});

	it("is that of what this run measures where an earlier one measured some", () => {
		const { clock, progress, last } = started(["Measuring"]);
		const tokens = (done: number) => progress.work({ phase: "Measuring", done, total: 1000, unit: "tokens" });
		tokens(900);
		expect(last().secondsLeft).toBeUndefined();
		clock.now += 10;
		tokens(950);
		expect(last().secondsLeft).toBe(10);
	});

	it("is absent in a run that flies through what is cached", () => {
		const { progress, events } = started();
		for (const step of steps) progress.begin(step, { total: 3, done: 3 });
		expect(events.map(({ step, done, total }) => [step, done, total])).toEqual([1, 2, 3, 4, 5].map((step) => [step, 3, 3]));
		expect(events.every(({ secondsLeft, secondsLeftInAll }) => secondsLeft === undefined && secondsLeftInAll === undefined)).toBe(true);
	});
});
