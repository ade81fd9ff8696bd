import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { PartLedger } from "../../src/storage/part-ledger.js";
import { thorough } from "../helpers/slow.js";
import { tempFolder } from "../helpers/temp-folder.js";

// 300 outside: node scripts/faults/interrupt.mjs --count 300

interface Interrupt {
	interrupt(options: { count: number; seed: number }): Promise<{
		signals: number;
		trials: number;
		byJob: Record<string, number>;
		byStep: Record<string, number>;
		faults: object[];
	}>;
	faultsOfInterrupted(
		run: { code: number | null; signal: string | null; stderr: string; printed?: string },
		sent: { signal: string; folder: string; left: ReadonlyMap<string, string>; written?: boolean },
	): string[];
}
interface Job {
	cachedMeasurements(folder: string): Promise<number>;
	leftIn(folder: string): ReadonlyMap<string, string>;
	faultsOfStop(folder: string, before: ReadonlyMap<string, string>): string[];
	resultOf(folder: string): { model: string; plan: string };
}
const { cachedMeasurements, faultsOfStop, leftIn, resultOf } = (await import(
	new URL("../../scripts/faults/job.mjs", import.meta.url).href
)) as Job;
const { interrupt, faultsOfInterrupted } = (await import(new URL("../../scripts/faults/interrupt.mjs", import.meta.url).href)) as Interrupt;

const folder = tempFolder();

it("a signal may end the process itself only before the first step, or when all files are there", () => {
	const ended = (printed: string, signal = "SIGTERM") =>
		faultsOfInterrupted({ code: null, signal, stderr: "", printed }, { signal, folder: runFolder, left: new Map() });
	const runFolder = join(folder, "run");
	mkdirSync(runFolder);
	const searching = "[2/4] Searching  1/30 candidates\n";
	expect(ended("")).toEqual([]);
	expect(ended(searching)).toEqual(["SIGTERM ended it at once, in the step Searching"]);
	expect(ended(searching, "SIGKILL")).toEqual([]);
	for (const end of ["", ".plan.json", ".report.json"]) writeFileSync(join(runFolder, `out.gguf${end}`), "");
	expect(ended("[4/4] Writing and verifying", "SIGINT")).toHaveLength(1);
	writeFileSync(join(runFolder, "out.gguf.report.html"), "");
	expect(ended("[4/4] Writing and verifying", "SIGINT")).toEqual([]);
});

it("a run that a signal does not stop is at fault, but in its last step", () => {
	const wentOn = (printed?: string, signal = "SIGINT", code = 0, written = false) =>
		faultsOfInterrupted(
			{ code, signal: null, stderr: "", ...(printed === undefined ? {} : { printed }) },
			{ signal, folder: empty, left: new Map(), written },
		);
	const empty = join(folder, "empty");
	mkdirSync(empty);
	const searching = "[1/4] Preparing text\n[2/4] Searching  1/30 candidates\n";
	expect(wentOn(searching)).toEqual(["went on to its end after SIGINT in the step Searching"]);
	expect(wentOn("", "SIGTERM")).toEqual(["went on to its end after SIGTERM in the step before the first step"]);
	expect(wentOn(searching, "SIGKILL")).toHaveLength(1);
	expect(wentOn(`${searching}[4/4] Writing and verifying`)).toEqual([]);
	expect(wentOn(searching, "SIGINT", 130)).toEqual([]);
	// An earlier run had written the model: the step of writing is passed over.
	expect(wentOn("[3/4] Comparing finalists", "SIGINT", 0, true)).toEqual([]);
	expect(wentOn("[3/4] Comparing finalists", "SIGINT", 0, false)).toHaveLength(1);
	expect(wentOn(searching, "SIGINT", 0, true)).toHaveLength(1);
	// No signal was sent: it had ended.
	expect(wentOn()).toEqual([]);
	expect(wentOn(undefined, "SIGINT", 1)).toHaveLength(1);
});

it("a lock that is left is found, also one that was taken over from a killed run, and what is left of taking one", () => {
	const place = join(folder, "locks");
	mkdirSync(place);
	const lock = join(place, "0123456789ab.ledger.jsonl.lock");
	writeFileSync(lock, '{"pid":7,"start":"1"}\n');
	const before = leftIn(place);
	expect(faultsOfStop(place, before)).toEqual([]);
	writeFileSync(lock, '{"pid":8,"start":"1"}\n');
	expect(faultsOfStop(place, before)).toEqual([`left ${lock}`]);
	writeFileSync(lock, '{"pid":7,"start":"2"}\n');
	expect(faultsOfStop(place, before)).toEqual([`left ${lock}`]);
	writeFileSync(lock, '{"pid":7,"start":"1"}\n');
	const rests = [`${lock}.8-01234567`, `${lock}.stale-8-01234567`];
	for (const rest of rests) writeFileSync(rest, "");
	expect(faultsOfStop(place, before).sort()).toEqual(rests.map((rest) => `left ${rest}`));
});

it("the plans of two runs are compared in everything but dates and times", () => {
	const place = join(folder, "plans");
	mkdirSync(place);
	writeFileSync(join(place, "out.gguf"), "");
	const resultWith = (change: object) => {
		const plan = {
			...{ created: "2026-01-02", timings: { search: 1 }, machine: { threads: 1, addon: "a" }, command: "prune-gguf" },
			...{ surrogate: { trainCandidates: 29, heldOutCandidates: 10 }, heal: { applied: true, seconds: { text: 1, rest: 2 } } },
		};
		writeFileSync(join(place, "out.gguf.plan.json"), JSON.stringify({ ...plan, ...change }));
		return resultOf(place).plan;
	};
	const same = resultWith({});
	expect(resultWith({ created: "2027-01-02" })).toBe(same);
	expect(resultWith({ timings: {} })).toBe(same);
	expect(resultWith({ heal: { applied: true, seconds: { text: 3, rest: 4 } } })).toBe(same);
	expect(resultWith({ surrogate: { trainCandidates: 30, heldOutCandidates: 10 } })).not.toBe(same);
	expect(resultWith({ surrogate: { trainCandidates: 29, heldOutCandidates: 11 } })).not.toBe(same);
	expect(resultWith({ machine: { threads: 2, addon: "a" } })).not.toBe(same);
	expect(resultWith({ machine: { threads: 1, addon: "b" } })).not.toBe(same);
	expect(resultWith({ heal: { applied: false, seconds: { text: 1, rest: 2 } } })).not.toBe(same);
	expect(resultWith({ heal: undefined })).not.toBe(same);
	expect(resultWith({ updated: 1 })).not.toBe(same);
});

it("parts of evaluations count as measured, and damage in them is found", async () => {
	const path = join(folder, "home", "runs", "m", "0123456789ab.evaluation.ledger.jsonl");
	const ledger = await PartLedger.open(path, { key: "a".repeat(64), unit: "windows", parts: 4, settings: {} });
	await ledger.append([
		[0, { loss: [1] }],
		[3, { loss: [2] }],
	]);
	await ledger.close();
	expect(await cachedMeasurements(folder)).toBe(2);
	writeFileSync(path, '{"part":1,"val', { flag: "a" });
	expect(await cachedMeasurements(folder)).toBe(2);
	writeFileSync(path, "\n", { flag: "a" });
	await expect(cachedMeasurements(folder)).rejects.toThrow();
});

it.runIf(thorough && process.platform !== "win32")(
	"a run that is interrupted or killed gives the plan and the bytes of an undisturbed one when it is started again",
	async () => {
		const { signals, byJob, byStep, faults } = await interrupt({ count: 30, seed: 7 });
		expect(faults).toEqual([]);
		expect(signals).toBeGreaterThanOrEqual(3);
		expect(Object.keys(byJob).sort()).toEqual(["half-block", "healed"]);
		expect(Object.keys(byStep)).toContain("healing");
	},
	1_800_000,
);
