import { expect, it } from "vitest";
import type { PruneOptions } from "../../../src/api/index.js";
import { resolveJob } from "../../../src/pipeline/preflight/job.js";
import { noteUnsearched } from "../../../src/pipeline/preflight/method-options.js";

it("says which options of a search change nothing if blocks are named", () => {
	const notesOf = (options: PruneOptions) => {
		const notes: string[] = [];
		noteUnsearched(resolveJob("prune", { ...options, onLog: ({ message }) => notes.push(message) }));
		return notes;
	};
	const search = { effort: "quick", maxEvaluations: 40 } as const;
	expect(notesOf({ removeBlocks: 2, search })).toEqual([]);
	expect(notesOf({ remove: [3, 5] })).toEqual([]);
	expect(notesOf({ remove: [3, 5], search: { effort: "quick" } })).toEqual([
		"--effort changes nothing: --remove names what is removed, so nothing is searched",
	]);
	expect(notesOf({ remove: [3, 5], search: { ...search, granularity: "block" } })).toEqual([
		"--granularity, --max-evaluations and --effort change nothing: --remove names what is removed, so nothing is searched",
	]);
	// A limit of time leaves out other parts, and racing has other self-generated text.
	expect(notesOf({ remove: [3, 5], search: { maxTime: 60, racing: true } })).toEqual([]);
	expect(notesOf({ remove: [3, 5], search: { racing: true }, calibration: ["text.txt"] })).toEqual([
		"--racing changes nothing: --remove names what is removed, so nothing is searched",
	]);
});
