import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { StepName } from "../../../src/api/index.js";
import type { StepTime } from "../../../src/model/runtime/job-options.js";
import { resolveJob } from "../../../src/pipeline/preflight/job.js";
import { plannedSeconds, type WorkAsked } from "../../../src/pipeline/pruning/planned-work.js";
import { optionsInTimeLeft, roomForSets, withinTime, withinTimeLeft } from "../../../src/pipeline/pruning/within-time.js";
import type { Session } from "../../../src/pipeline/session/session.js";

const tokens = { search: 100, validation: 200, heldOut: 300 };

/** @param played candidates that the search has measured */
const sessionOf = (secondsPerMask: number, played = 80) =>
	({
		...{ model: { facts: { blocks: 12 } }, tokens, secondsPerMask },
		games: { search: { played: () => Array(played) } },
	}) as unknown as Session;

it("leaves further text out if drawing it takes longer than there is, also where the text of the splits was cached", () => {
	const session = sessionOf(0.01);
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
	const session = sessionOf(1);
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

describe("where not all finalists fit", () => {
	const session = sessionOf(1, 30);
	const asked: WorkAsked = {
		...{ masks: 80, known: 0, singles: 13, sizes: 2, field: 11, effort: "standard", tokens, secondsPerMask: 1 },
	};
	const times = new Map<StepName, StepTime>([["Comparing finalists", { evaluations: plannedSeconds(asked).compare, other: 0 }]]);
	const run = { removable: { kmax: 3, count: undefined, named: undefined }, asked, times, steps: [], limited: false };
	const told: string[] = [];
	const options = (maxTime?: number) =>
		resolveJob("prune", { search: { maxTime, effort: "standard" }, onLog: ({ message }) => told.push(message) });

	beforeEach(() => {
		told.length = 0;
		vi.useFakeTimers({ toFake: ["Date"] });
	});
	afterEach(() => {
		vi.useRealTimers();
	});

	it("the search has what the single removals need, and is told of fewer", () => {
		// In any case: the original model, two sets and what is measured again, 10; the held-out split, 6; the report, a half: 18.15 with a tenth.
		// 13 seconds of single removals, and one by which the search may end late: half of the rest is the search's. A further set of both sizes takes
		// 4.4.
		const planned = (maxTime: number) => withinTime(session, { ...run, started: Date.now() }, options(maxTime));
		const short = planned(46);
		const half = (46 - 18.15 - 14) / 2;
		expect(short.options.maxTime).toBeCloseTo(13 + 2 * half - 4.4, 9);
		expect(short.asked.field).toBe(1 + Math.floor(half / 4.4));
		expect(short.leftOut).toEqual(["further text", "further finalists"]);
		// How many are too many shows once they are found.
		expect(told).toEqual(["--max-time 46s leaves out: further text"]);
		expect(planned(32).leftOut).toEqual(["further text", "search"]);
	});

	it("after the search the first of each size are compared, a set once under all its names", () => {
		const field = [
			...[...Array(6)].map((_, i) => ({ removed: [i], method: "auto" })),
			...[...Array(6)].map((_, i) => ({ removed: [i, i + 1], method: "auto" })),
			...[...Array(6)].map((_, i) => ({ removed: [i], method: "greedy" })),
		];
		const compared = (limit: number | undefined) => {
			const begun = { options: options(), noFurther: true, asked, leftOut: [] };
			return withinTimeLeft(session, { ...run, started: Date.now() }, begun, { limit, field }).field;
		};
		expect(compared(undefined)).toBe(field);
		// 16.5 in any case; beside one set of each size, five of each take 20.
		expect(compared(36.5)).toBe(field);
		expect(told).toEqual([]);
		expect(compared(28)).toEqual(field.filter(({ removed: [first] }) => first! < 3));
		expect(told).toEqual(["--max-time 28s leaves out: further finalists"]);
		expect(compared(5)).toEqual(field.filter(({ removed: [first] }) => first! < 1));
		// Fewer sizes were found than one set is counted of.
		const alone = field.filter(({ removed }) => removed.length === 1);
		const fewer = (limit: number) =>
			withinTimeLeft(
				session,
				{ ...run, started: Date.now() },
				{ options: options(), noFurther: true, asked, leftOut: [] },
				{ limit, field: alone },
			).field;
		expect(fewer(16.5 + 8)).toBe(alone);
		expect(fewer(16.5 + 6)).toEqual(alone.filter(({ removed: [first] }) => first! < 5));
	});

	it("half-block cuts are compared beside whole blocks, which they must beat", () => {
		const field = [[3, 4.5], [3.5], [4], [5]].map((removed) => ({ removed: removed as number[], method: "auto" }));
		const begun = { options: options(), noFurther: true, asked, leftOut: [] };
		const { field: compared } = withinTimeLeft(session, { ...run, started: Date.now() }, begun, { limit: 5, field });
		expect(compared.map(({ removed }) => removed)).toEqual([[3, 4.5], [4]]);
	});

	it("further text goes by what the search has measured, not by what it might have in the whole time", () => {
		const field = [0, 1].map((block) => ({ removed: [block], method: "auto" }));
		// One size was found: 14.5 in any case and 2 counted for the other size, 2 for a second set. A quarter of 30 masks is 7, of which two sets have 6.
		const late = (limit: number) => {
			const begun = { options: options(), noFurther: false, asked, leftOut: [] };
			return withinTimeLeft(session, { ...run, started: Date.now() }, begun, { limit, field }).late.noFurther;
		};
		expect(late(16.5 + 14)).toBe(false);
		expect(late(16.5)).toBe(true);
	});
});

it("drops samples and speed once the choice is made, if comparing or healing took longer", () => {
	const session = sessionOf(1);
	const asked: WorkAsked = { ...{ masks: 80, known: 0, singles: 13, sizes: 1, field: 7, effort: "standard" }, tokens, secondsPerMask: 1 };
	const times = new Map<StepName, StepTime>([
		["Comparing finalists", { evaluations: 40, other: 0 }],
		["Writing and verifying", { evaluations: 5, other: 5 }],
		[
			"Measuring",
			{
				other: 26,
				phases: [
					{ phase: "measuring the speed", seconds: 16 },
					{ phase: "writing sample texts", seconds: 10 },
				],
			},
		],
	]);
	const notes: string[] = [];
	const left = (limit: number | undefined, limits: Partial<WorkAsked> = {}) => {
		const options = resolveJob("prune", { samples: 2, onLog: ({ message }) => notes.push(message) });
		const run = {
			started: Date.now(),
			removable: { kmax: 3, count: 3, named: undefined },
			asked: { ...asked, ...limits },
			times,
			steps: [],
			limited: false,
		};
		const { samples, speed } = optionsInTimeLeft(session, run, { options, noFurther: true, asked, leftOut: [] }, limit);
		return [samples, speed !== false];
	};
	vi.useFakeTimers({ toFake: ["Date"] });
	try {
		expect(left(undefined)).toEqual([2, true]);
		// 6 for the figures, 10 to write, half a second for the report, 26 to measure.
		expect(left(42.5)).toEqual([2, true]);
		expect(left(42)).toEqual([0, true]);
		expect(left(20)).toEqual([0, false]);
		expect(notes).toEqual(["--max-time 42s leaves out: samples", "--max-time 20s leaves out: samples, speed"]);
		// A limit that is judged then takes as long as the figures.
		expect(left(48, { limited: ["heldOut"] })).toEqual([0, true]);
		expect(left(48.5, { limited: ["heldOut"] })).toEqual([2, true]);
	} finally {
		vi.useRealTimers();
	}
});

it("has room for fewer blocks only beside what is still to be done", () => {
	const session = sessionOf(1);
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

it("counts the finalists of the sizes that were found, not of those that were asked for", () => {
	const session = sessionOf(1);
	const asked: WorkAsked = { ...{ masks: 80, known: 0, singles: 13, sizes: 6, field: 11, effort: "quick" }, tokens, secondsPerMask: 1 };
	const times = new Map<StepName, StepTime>([
		["Comparing finalists", { evaluations: plannedSeconds(asked).compare, other: 0 }],
		["Measuring", { other: 10, phases: [{ phase: "writing sample texts", seconds: 10 }] }],
	]);
	const leftOut = (limit: number, ...field: readonly (readonly number[])[]) => {
		const notes: string[] = [];
		const options = resolveJob("prune", { samples: 1, onLog: ({ message }) => notes.push(message) });
		const run = { started: Date.now(), removable: { kmax: 6, count: 1, named: undefined }, asked, times, steps: [], limited: true };
		const sets = field.map((removed) => ({ removed }));
		withinTimeLeft(session, run, { options, noFurther: false, asked, leftOut: [] }, { limit, field: sets });
		return notes;
	};
	vi.useFakeTimers({ toFake: ["Date"] });
	try {
		// In any case: the original model and what is measured again, 6; the held-out split, 6; the report, a half. Two sets take 4, samples 10.
		expect(leftOut(26.5, [1], [1, 2])).toEqual([]);
		expect(leftOut(26, [1], [1, 2])).toEqual(["--max-time 26s leaves out: samples"]);
		// Six take 12.
		const six = [1, 2, 3, 4, 5, 6].map((count) => Array.from({ length: count }, (_, i) => i + 1));
		expect(leftOut(34.5, ...six)).toEqual([]);
		expect(leftOut(34, ...six)).toEqual(["--max-time 34s leaves out: samples"]);
	} finally {
		vi.useRealTimers();
	}
});

it("leaves out no search of blocks that are named, and tells a dry run nothing twice", () => {
	const session = sessionOf(4);
	const asked: WorkAsked = { ...{ masks: 1, known: 0, singles: 13, sizes: 1, field: 1, effort: "thorough" }, tokens, secondsPerMask: 4 };
	const planned = plannedSeconds(asked);
	const times = new Map<StepName, StepTime>([
		["Comparing with the original", { evaluations: planned.compare + planned.search, other: 0 }],
		["Measuring", { other: 10, phases: [{ phase: "writing sample texts", seconds: 10 }] }],
	]);
	const within = (maxTime: number, more: { readonly dry?: boolean; readonly times?: typeof times } = {}) => {
		const notes: string[] = [];
		const options = resolveJob("prune", { remove: [3, 5], samples: 1, search: { maxTime }, onLog: ({ message }) => notes.push(message) });
		const removable = { kmax: 2, count: 2, named: [3, 5] };
		const { leftOut } = withinTime(session, { started: Date.now(), removable, asked, times, steps: [], limited: false, ...more }, options);
		return { leftOut, notes };
	};
	vi.useFakeTimers({ toFake: ["Date"] });
	try {
		const least = 1.1 * (planned.compare + planned.search + 0.5);
		expect(within(Math.ceil(least + 10))).toEqual({ leftOut: [], notes: [] });
		// No search may end late either: there is none.
		const limit = Math.ceil(least);
		expect(within(limit)).toEqual({ leftOut: ["samples"], notes: [`--max-time ${limit}s leaves out: samples`] });
		expect(within(limit, { dry: true })).toEqual({ leftOut: ["samples"], notes: [] });
		expect(within(60, { times: new Map() }).notes).toEqual(["--max-time 60s is not kept to: how long the run takes cannot be estimated"]);
	} finally {
		vi.useRealTimers();
	}
});

it("measures attention parts alone only as far as they are not known, if there is no time to search", () => {
	const session = sessionOf(1);
	const masks = (knownSingles: number) => {
		const asked: WorkAsked = {
			...{ masks: 80, known: 0, singles: 13, knownSingles, sizes: 1, field: 7, effort: "standard" },
			...{ tokens, secondsPerMask: 1 },
		};
		const times = new Map<StepName, StepTime>([["Comparing finalists", { evaluations: plannedSeconds(asked).compare, other: 0 }]]);
		const search = { maxTime: 29, granularity: "attention" } as const;
		const run = { started: Date.now(), removable: { kmax: 3, count: 3, named: undefined }, asked, times, steps: [], limited: false };
		const found = withinTime(session, run, resolveJob("prune", { removeAttention: 3, search }));
		expect(found.leftOut).toContain("search");
		const told: string[] = [];
		withinTime(
			session,
			{ ...run, dry: true },
			resolveJob("prune", { removeAttention: 3, search, onLog: ({ message }) => told.push(message) }),
		);
		expect(told).toContain("without a search, each attention part is measured alone, and those that cost least are removed");
		return found.asked.masks;
	};
	vi.useFakeTimers({ toFake: ["Date"] });
	try {
		// The original model, twelve parts, and a set of each number, less what is known.
		expect([3, 5, 13].map(masks)).toEqual([13, 11, 3]);
	} finally {
		vi.useRealTimers();
	}
});
