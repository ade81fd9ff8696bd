import type { ProgressEvent } from "../../src/api/index.js";
import type { JobProgress, Work } from "../../src/model/runtime/job-options.js";

/** For parts of a job that are called without it: who is told what they do. */
export function watching(work: (work: Work) => void): JobProgress {
	const nothing = () => {};
	return { plan: nothing, begin: nothing, expect: nothing, runsOn: nothing, work };
}

/** Counts the evaluations that a run makes, the original model among them. */
export function countingEvaluations(onEvaluation: (count: number) => void): (event: ProgressEvent) => void {
	const last = new Map<number, number>();
	let count = 0;
	return ({ unit, step, done }) => {
		if (unit !== "candidates") return;
		const before = last.get(step) ?? done;
		last.set(step, done);
		for (let i = before; i < done; i++) onEvaluation(++count);
	};
}
