import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";

// What scripts/sanitize makes of a log of valgrind: the runs themselves are npm run test:sanitize.

interface Leaks {
	lostBytes(log: string): number;
	wrongUses(log: string): number;
}
const { lostBytes, wrongUses } = (await import(new URL("../../scripts/sanitize/leaks.mjs", import.meta.url).href)) as Leaks;

interface Sanitize {
	TESTS: readonly string[];
	knownClean(clean: Record<string, { hash: string; tests: number }>, file: string, hash: string): number | undefined;
}
const { TESTS, knownClean } = (await import(new URL("../../scripts/sanitize/sanitize.mjs", import.meta.url).href)) as Sanitize;

describe("what runs under a sanitizer", () => {
	it("are the tests of jobs that are disposed of, and of processes that end, too", () => {
		expect(TESTS).toEqual(expect.arrayContaining(["test/model/runtime/disposing.test.ts", "test/model/runtime/exit.test.ts"]));
		expect(TESTS.filter((path) => !existsSync(path))).toEqual([]);
	});

	it("is left out only if the same file was clean", () => {
		const clean = { "a.test.ts": { hash: "1", tests: 7 } };
		expect(knownClean(clean, "a.test.ts", "1")).toBe(7);
		expect(knownClean(clean, "a.test.ts", "2")).toBeUndefined();
		expect(knownClean(clean, "b.test.ts", "1")).toBeUndefined();
	});
});

const record = (bytes: string, ...frames: string[]) =>
	[
		"==7== ",
		`==7== ${bytes} bytes in 3 blocks are definitely lost in loss record 1 of 9`,
		...frames.map((frame) => `==7==    by 0x1: ${frame}`),
	].join("\n");

describe("bytes that are lost in a run under valgrind", () => {
	it("count if a frame is of the addon, or of a source of ours or of llama.cpp", () => {
		expect(lostBytes(record("1,024", "operator new(unsigned long)", "load (in /a/build/prune_gguf.node)"))).toBe(1024);
		expect(lostBytes(record("16 (8 direct, 8 indirect)", "Job::work() (job.cpp:12)", "start (thread.c:1)"))).toBe(16);
		expect(lostBytes(record("16", "ContextPool::take() (contexts.cpp:12)"))).toBe(16);
		expect(lostBytes(record("20", "llama_model_load (llama-model-loader.cpp:600)"))).toBe(20);
		expect(lostBytes([record("20", "x (ggml.c:6)"), record("22", "y (in prune_gguf.node)"), "==7== "].join("\n"))).toBe(42);
	});

	it("do not if they are Node.js's own, or can still be reached", () => {
		expect(lostBytes(record("4,096", "node::Start(int, char**) (node.cc:1)", "main (in /usr/bin/node)"))).toBe(0);
		expect(lostBytes(record("64", "x (in prune_gguf.node)").replace("definitely", "possibly"))).toBe(0);
		expect(lostBytes("")).toBe(0);
	});
});

it("wrong uses of memory count if they happen in the addon or in llama.cpp, not in Node.js", () => {
	const use = (kind: string, ...frames: string[]) =>
		["==7== ", `==7== ${kind}`, ...frames.map((frame, i) => `==7==    ${i === 0 ? "at" : "by"} 0x1: ${frame}`)].join("\n");
	const wrong = [
		use("Invalid read of size 8", "sweep (sweep.cpp:20)", "node::Start (in /usr/bin/node)"),
		use("Conditional jump or move depends on uninitialised value(s)", "??? (in /a/prune_gguf.node)"),
		use("Conditional jump or move depends on uninitialised value(s)", "v8::x (in /usr/bin/node)", "y (in /a/prune_gguf.node)"),
		"==7== ",
	];
	expect(wrongUses(wrong.join("\n"))).toBe(2);
});
