import { expect, it } from "vitest";
import type { CalibrationFile, LogEvent, PruneOptions } from "../../../src/api/index.js";
import { pruneGguf } from "../../../src/jobs/prune.js";
import { commandToRemove } from "../../../src/pipeline/preflight/command-line.js";
import { resolveJob } from "../../../src/pipeline/preflight/job.js";
import { checkMethodOptions, noteUnsearched, withGranularity } from "../../../src/pipeline/preflight/method-options.js";
import { readModelHeader } from "../../../src/pipeline/preflight/model-header.js";
import { fixturePath } from "../../helpers/fixture.js";
import { ownHomes, small } from "../../helpers/home.js";

ownHomes();

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
	const rounds = { search: { rounds: 2 } };
	expect(() => checkMethodOptions("auto", { remove: [3, 5], ...rounds.search })).not.toThrow();
	expect(notesOf({ remove: [3, 5], ...rounds })).toEqual([
		"--rounds changes nothing: --remove names what is removed, so nothing is searched",
	]);
	// A limit of time leaves out other parts, and racing has other self-generated text.
	expect(notesOf({ remove: [3, 5], search: { maxTime: 60, racing: true } })).toEqual([]);
	expect(notesOf({ remove: [3, 5], search: { racing: true }, calibration: ["text.txt"] })).toEqual([
		"--racing changes nothing: --remove names what is removed, so nothing is searched",
	]);
});

it("asks nothing of the architecture where blocks are named", async () => {
	const { blocks } = await readModelHeader(fixturePath, {});
	const refusing = { ...blocks, attention: { allowed: false, reason: "no" } } as const;
	const job = { method: "auto", granularity: "attention" } as const;
	expect(() => withGranularity(job, refusing)).toThrow(/: no\. Remove .* instead: leave out --granularity attention$/);
	const named = { ...job, remove: [3, 5] };
	expect(withGranularity(named, refusing)).toBe(named);
});

it("a run says so", async () => {
	const notes: string[] = [];
	const onLog = ({ message }: LogEvent) => void notes.push(message);
	await pruneGguf(fixturePath, undefined, { ...small, remove: [3, 5], search: { effort: "quick" }, dryRun: true, onLog });
	expect(notes).toContain("--effort changes nothing: --remove names what is removed, so nothing is searched");
});

it("the command that removes what was found has racing only where it draws text", () => {
	const command = (calibration?: CalibrationFile[]) => commandToRemove("m.gguf", undefined, [3], { racing: true, calibration });
	expect(command()).toContain("--racing");
	expect(command([{ path: "a.txt" }])).not.toContain("--racing");
});
