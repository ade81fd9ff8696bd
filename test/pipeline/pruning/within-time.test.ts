import { expect, it, vi } from "vitest";
import type { StepName } from "../../../src/api/index.js";
import type { StepTime } from "../../../src/model/runtime/job-options.js";
import { resolveJob } from "../../../src/pipeline/preflight/job.js";
import { plannedSeconds, type WorkAsked } from "../../../src/pipeline/pruning/planned-work.js";
import { roomForSets, withinTime, withinTimeLeft } from "../../../src/pipeline/pruning/within-time.js";
import type { Session } from "../../../src/pipeline/session/session.js";

it("leaves further text out if drawing it takes longer than there is, also where the text of the splits was cached", () => {
	const tokens = { search: 100, validation: 200, heldOut: 300 };
	const session = { model: { facts: { blocks: 12 } }, tokens, secondsPerMask: 0.01 } as unknown as Session;
	const steps: StepName[] = ["Preparing text", "Searching", "Comparing finalists"];
	const notesOf = (drawing: readonly number[]) => {
		const asked: WorkAsked = {
			...{ masks: 80, known: 0, singles: 13, sizes: 1, field: 7, effort: "standard" },
			...{ tokens, secondsPerMask: 0.01, drawing },
		};
		const planned = plannedSeconds(asked);
		const comparing = { evaluations: planned.compare, other: planned.drawing };
		const notes: string[] = [];
		const options = resolveJob("prune", { search: { maxTime: 30, effort: "standard" }, onLog: ({ message }) => notes.push(message) });
		const run = { started: Date.now(), removable: { kmax: 3, count: 3, named: undefined }, asked, steps, limited: false };
		const { noFurther } = withinTime(session, { ...run, times: new Map([["Comparing finalists", comparing]]) }, options);
		return { noFurther, notes };
	};
	expect(notesOf([0, 0, 0])).toEqual({ noFurther: false, notes: [] });
	expect(notesOf([20, 40, 80])).toEqual({ noFurther: true, notes: ["--max-time 30s leaves out: further text"] });
});

it("reserves after the search what the finalists that there are take, not the most that there may be", () => {
	const tokens = { search: 100, validation: 200, heldOut: 300 };
	const session = { model: { facts: { blocks: 12 } }, tokens, secondsPerMask: 1 } as unknown as Session;
	const asked: WorkAsked = {
		...{ masks: 80, known: 0, singles: 13, sizes: 1, field: 19, effort: "standard", tokens, secondsPerMask: 1 },
	};
	const planned = plannedSeconds(asked);
	const times = new Map<StepName, StepTime>([
		["Comparing finalists", { evaluations: planned.compare, other: 0 }],
		["Measuring", { other: 10, phases: [{ phase: "writing sample texts", seconds: 10 }] }],
	]);
	const steps: StepName[] = ["Preparing text", "Searching", "Comparing finalists", "Measuring"];
	const sets = (count: number) => Array.from({ length: count }, (_, i) => ({ removed: [i] }));
	const leftOut = (limit: number, field: readonly { readonly removed: readonly number[] }[]) => {
		const notes: string[] = [];
		const options = resolveJob("prune", { samples: 1, onLog: ({ message }) => notes.push(message) });
		const run = { started: Date.now(), removable: { kmax: 3, count: 3, named: undefined }, asked, times, steps, limited: false };
		withinTimeLeft(session, run, { options, noFurther: false, asked, leftOut: [] }, { limit, field });
		return notes;
	};
	vi.useFakeTimers({ toFake: ["Date"] });
	try {
		// A set takes 2 seconds. In any case: the original model, one set and what is measured again, 8; the held-out split, 6; the report, a half.
		// Beside those 18 more sets, 36; further text, 16; samples, 10.
		expect(leftOut(76.5, sets(19))).toEqual([]);
		expect(leftOut(76, sets(19))).toEqual(["--max-time 76s leaves out: samples"]);
		// Three sets take 4 more, and 14 on further text. A set that is proposed twice is measured once.
		expect(leftOut(48.5, [...sets(3), ...sets(2)])).toEqual([]);
		expect(leftOut(42, sets(3))).toEqual(["--max-time 42s leaves out: samples"]);
		// One alone needs no further text.
		expect(leftOut(24.5, sets(1))).toEqual([]);
	} finally {
		vi.useRealTimers();
	}
});

it("has room for fewer blocks only beside what is still to be done", () => {
	const tokens = { search: 100, validation: 200, heldOut: 300 };
	const session = { model: { facts: { blocks: 12 } }, tokens, secondsPerMask: 1 } as unknown as Session;
	// A set on the validation split takes 2 seconds, the figures on the held-out split 6.
	const asked: WorkAsked = {
		...{ masks: 80, known: 0, singles: 13, sizes: 1, field: 7, effort: "standard" },
		...{ tokens, secondsPerMask: 1, drawing: [8, 0, 0] },
	};
	const phases = [
		{ phase: "measuring the speed", seconds: 16 },
		{ phase: "writing sample texts", seconds: 10 },
	];
	const times = new Map<StepName, StepTime>([
		["Comparing finalists", { evaluations: 40, other: 4 + 30 }],
		["Writing and verifying", { evaluations: 5, other: 5 }],
		["Measuring", { other: 26, phases }],
	]);
	const steps: StepName[] = ["Preparing text", "Searching", "Comparing finalists", "Writing and verifying", "Measuring"];
	const notes: string[] = [];
	const most = (limit: number | undefined, { healed = true, speed = true, samples = 1 } = {}) => {
		const options = resolveJob("prune", { speed, samples, onLog: ({ message }) => notes.push(message) });
		const run = { started: Date.now(), removable: { kmax: 3, count: 3, named: undefined }, asked, times, steps, limited: false };
		const fits = roomForSets(session, run, { options, noFurther: false }, { limit, healed });
		return Array.from({ length: 100 }, (_, i) => i + 1).filter(fits).length;
	};
	vi.useFakeTimers({ toFake: ["Date"] });
	try {
		expect(most(undefined)).toBe(100);
		expect(notes).toEqual([]);
		// 6 for the figures, 10 to write, half a second for the report, 26 to measure.
		expect(most(42.5)).toBe(0);
		expect(most(62.5)).toBe(10);
		expect(notes[0]).toBe("--max-time 43s leaves out: smaller candidates, for the verdict");
		// What is left out already takes no time, and healing some where it is not done.
		expect(most(62.5, { samples: 0 })).toBe(15);
		expect(most(62.5, { samples: 0, speed: false })).toBe(23);
		expect(most(92.5, { healed: false })).toBe(10);
	} finally {
		vi.useRealTimers();
	}
});
