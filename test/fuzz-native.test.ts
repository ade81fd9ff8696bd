import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

// How `npm run fuzz:native` reads its options and what libFuzzer says. Nothing is built here.

interface Figures {
	runs: number;
	reached: number;
	edges: number;
	kept: number;
}
interface End {
	code: number | null;
	signal: string | null;
	said: string;
}
const script = <T>(name: string): Promise<T> => import(new URL(`../scripts/fuzz/${name}`, import.meta.url).href) as Promise<T>;
const { optionsOf } = await script<{ optionsOf(args: string[]): Record<string, unknown> }>("native.mjs");
const { figuresOf, faultOf, sumOf, lineOf } = await script<{
	figuresOf(said: string): Figures;
	faultOf(end: End): { fault: string; input?: string } | undefined;
	sumOf(parts: Figures[]): Figures;
	lineOf(run: { seed: number; minutes: number; figures: Figures; faults: number }): string;
}>("native/figures.mjs");
const { nativeSeeds, STEPS } = await script<{ nativeSeeds(seed: number): Buffer[]; STEPS: number }>("native/seeds.mjs");
const { missingFor } = await script<{
	missingFor(clang: string, of: { starts(program: string): boolean; hasRuntime(): boolean }): string | undefined;
}>("native/build.mjs");

const SAID = [
	"INFO: Seed: 1",
	"INFO: Loaded 1 modules   (9021 inline 8-bit counters): 9021 [0x1, 0x2), ",
	"#121\tINITED cov: 2100 ft: 5000 corp: 80/40Kb exec/s: 10 rss: 200Mb",
	"#512\tNEW    cov: 2345 ft: 6789 corp: 130/70Kb lim: 4096 exec/s: 12 rss: 310Mb L: 80/4000 MS: 2 CopyPart-EraseBytes-",
	"#1024\tpulse  cov: 2345 ft: 6790 corp: 131/70Kb lim: 4096 exec/s: 12 rss: 320Mb",
	"",
].join("\n");

describe("options", () => {
	it("are a time and a seed, or an input to run again", () => {
		expect(optionsOf(["--minutes", "15", "--seed", "7"])).toMatchObject({ minutes: 15, seed: 7, input: undefined });
		expect(optionsOf(["--minutes", "0.5"])).toMatchObject({ minutes: 0.5, seed: 1 });
		expect(optionsOf(["--input", "crash-1"])).toMatchObject({ minutes: undefined, input: "crash-1" });
	});

	it.each([
		[[], /give --minutes N, or --input FILE/],
		[["--minutes", "1", "--input", "x"], /give --minutes N, or --input FILE/],
		[["--minutes", "soon"], /--minutes must be a number from 0.01, not "soon"/],
		[["--minutes", "0"], /--minutes must be/],
		[["--minutes", "1", "--seed", "1.5"], /--seed must be a whole number/],
		[["--minutes", "1", "--seed", "-1"], /--seed must be|argument is ambiguous/],
		[["--minutes", "1", "--hours", "2"], /--hours/],
	])("%j is refused", (args, message) => {
		expect(() => optionsOf(args)).toThrow(message);
	});
});

describe("figures", () => {
	it("are the last ones that libFuzzer says", () => {
		expect(figuresOf(SAID)).toEqual({ runs: 1024, reached: 2345, edges: 9021, kept: 131 });
		expect(figuresOf(`${SAID}stat::number_of_executed_units: 1030\n`).runs).toBe(1030);
		expect(figuresOf("error: nothing is said")).toEqual({ runs: 0, reached: 0, edges: 0, kept: 0 });
	});

	it("of parts of a run are added up, but what was reached is not", () => {
		const part = { runs: 10, reached: 5, edges: 9, kept: 3 };
		expect(sumOf([part, { ...part, reached: 7 }])).toEqual({ runs: 20, reached: 7, edges: 9, kept: 3 });
		expect(sumOf([])).toEqual({ runs: 0, reached: 0, edges: 0, kept: 0 });
	});

	it("fill the last line", () => {
		expect(lineOf({ seed: 3, minutes: 15.04, figures: figuresOf(SAID), faults: 2 })).toBe(
			"fuzz:native: seed 3 in 15.0 minutes: 1024 runs, 2345 of 9021 edges of native/, 131 inputs kept; 2 faults",
		);
	});
});

describe("faults", () => {
	const end = (said: string, more: Partial<End> = {}) => faultOf({ code: 77, signal: null, said, ...more });

	it("are named by what was found, with the input that shows it", () => {
		const found =
			"==1==ERROR: AddressSanitizer: heap-use-after-free on address 0x1\n    #0 0x1 in sweep\nSUMMARY: AddressSanitizer: heap-use-after-free sweep.cpp:1";
		expect(end(`${SAID}${found}\nartifact_prefix='x/'; Test unit written to x/crash-1\n`)).toEqual({
			fault: "SUMMARY: AddressSanitizer: heap-use-after-free sweep.cpp:1",
			input: "x/crash-1",
		});
		// What our checks and llama.cpp's say comes before the deadly signal that they end with.
		expect(end("ggml.c:8129: GGML_ASSERT(result == size) failed\nSUMMARY: libFuzzer: deadly signal\n")?.fault).toBe(
			"ggml.c:8129: GGML_ASSERT(result == size) failed",
		);
		expect(end("BROKEN: mask 2 has another value alone\nSUMMARY: libFuzzer: deadly signal\n")?.fault).toBe(
			"BROKEN: mask 2 has another value alone",
		);
	});

	it("are also ends without a word, but not the end of the time", () => {
		expect(end("", { code: null, signal: "SIGKILL" })).toEqual({ fault: "ended by SIGKILL" });
		expect(end("", { code: 1 })).toEqual({ fault: "ended by exit code 1" });
		expect(end(SAID, { code: 0 })).toBeUndefined();
	});
});

describe("inputs to begin with", () => {
	it("are the same for a seed, and reach every step", () => {
		expect(nativeSeeds(1)).toEqual(nativeSeeds(1));
		expect(nativeSeeds(1)).not.toEqual(nativeSeeds(2));
		const steps = new Set(nativeSeeds(1).map((bytes) => bytes[2]! % STEPS));
		expect(steps.size).toBe(STEPS);
		for (const bytes of nativeSeeds(1)) expect(bytes.length).toBeLessThanOrEqual(4096);
	});

	it("count as many steps as the program has", () => {
		const source = readFileSync(new URL("../scripts/fuzz/native/program_jobs.cpp", import.meta.url), "utf8");
		const list = /steps = \{([^}]*)\}/.exec(source)?.[1] ?? "";
		expect(list.match(/&Program::/g)).toHaveLength(STEPS);
	});
});

it.runIf(process.platform === "linux")("says what is missing, and how to get it", () => {
	const missing = (starts: (program: string) => boolean, runtime: boolean) => missingFor("clang-14", { starts, hasRuntime: () => runtime });
	expect(missing((program) => program !== "cmake", true)).toMatch(/cmake is missing/);
	expect(missing((program) => program === "cmake", true)).toMatch(/clang-14 is missing.*apt-get install clang/);
	expect(missing((program) => program !== "clang++-14", true)).toMatch(/clang-14 is missing/);
	expect(missing(() => true, false)).toMatch(/has no libFuzzer.*libclang-rt/);
});
