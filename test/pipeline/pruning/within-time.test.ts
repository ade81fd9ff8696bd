import { expect, it } from "vitest";
import type { StepName } from "../../../src/api/index.js";
import { resolveJob } from "../../../src/pipeline/preflight/job.js";
import { plannedSeconds, type WorkAsked } from "../../../src/pipeline/pruning/planned-work.js";
import { withinTime } from "../../../src/pipeline/pruning/within-time.js";
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
