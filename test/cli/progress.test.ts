import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { ProgressEvent } from "../../src/cli/api.js";
import { ProgressReporter } from "../../src/cli/progress.js";
import { cut, progressText, roundedTime } from "../../src/cli/progress-text.js";

const event = (done: number, more: Partial<ProgressEvent> = {}): ProgressEvent => ({
	...{ step: 2, steps: 5, name: "Searching", phase: "greedy", done, total: 100, unit: "candidates" },
	...more,
});

describe("a line of progress", () => {
	it.each<[Partial<ProgressEvent>, string]>([
		[{ done: 64, secondsLeft: 41, secondsLeftInAll: 58 }, "[2/5] Searching  64/100 candidates, about 40 s (1 min in all)"],
		[{ done: 64, secondsLeft: 41 }, "[2/5] Searching  64/100 candidates, about 40 s"],
		[{ done: 64 }, "[2/5] Searching  64/100 candidates"],
		[{ done: 1500, total: 64_000, unit: "tokens", phase: "generating text" }, "[2/5] Searching  generating text, 1,500/64,000 tokens"],
		[
			{ step: 2, steps: 2, name: "Measuring", phase: "Measuring", done: 512, total: 4096, unit: "tokens" },
			"[2/2] Measuring  512/4,096 tokens",
		],
		[
			{ step: 5, name: "Measuring", phase: "measuring the speed", done: 40, unit: "percent", secondsLeft: 3, secondsLeftInAll: 12 },
			"[5/5] Measuring  measuring the speed, 40 %, about 10 s",
		],
		[{ step: 1, name: "Preparing text", phase: "loading the model", done: 0, unit: "percent" }, "[1/5] Preparing text  loading the model"],
		[
			{ step: 1, name: "Preparing text", phase: "measuring the original model", done: 0, total: 1 },
			"[1/5] Preparing text  measuring the original model",
		],
		[
			{
				step: 4,
				name: "Writing and verifying",
				phase: "writing the file",
				done: 1e6,
				total: 4e6,
				unit: "bytes",
				secondsLeft: 2,
				secondsLeftInAll: 31,
			},
			"[4/5] Writing and verifying  writing the file, 1.0 MB of 4.0 MB, about 5 s (30 s in all)",
		],
		[
			{ step: 4, name: "Writing and verifying", phase: "Writing and verifying", done: 0, total: 0, secondsLeftInAll: 31 },
			"[4/5] Writing and verifying  about 30 s in all",
		],
		[{ step: 1, steps: 1, name: "Building", phase: "compiling llama.cpp", done: 7, unit: "percent" }, "Building  compiling llama.cpp, 7 %"],
	])("%j", (more, text) => {
		expect(progressText(event(0, more))).toBe(text);
	});

	it("counts down what is left, and does not say that nothing is", () => {
		const known = event(64, { secondsLeft: 41, secondsLeftInAll: 92 });
		expect(progressText(known, 20)).toBe("[2/5] Searching  64/100 candidates, about 20 s (1 min 10 s in all)");
		expect(progressText(known, 41)).toBe("[2/5] Searching  64/100 candidates, about 50 s in all");
		expect(progressText(known, 500)).toBe("[2/5] Searching  64/100 candidates");
	});

	it("is no more exact than an estimate", () => {
		const seconds = [0.2, 7, 8, 57, 58, 94, 118, 130, 3560, 3580, 7900, 35_000, 50_000];
		expect(seconds.map(roundedTime)).toEqual([
			...["5 s", "5 s", "10 s", "55 s", "1 min", "1 min 30 s", "2 min", "2 min", "59 min", "1 h", "2 h 10 min", "9 h 40 min", "14 h"],
		]);
	});

	it("is cut to its columns, whatever it holds", () => {
		expect(cut("plain", 3)).toBe("pla");
		expect(cut("模型", 3)).toBe("模");
		const width = (text: string) => [...text].reduce((sum, letter) => sum + (/[一-鿿]/.test(letter) ? 2 : 1), 0);
		fc.assert(
			fc.property(fc.string({ unit: fc.constantFrom("a", " ", "模", "型", "9") }), fc.nat(40), (text, columns) => {
				const shown = cut(text, columns);
				expect(text.startsWith(shown)).toBe(true);
				expect(width(shown)).toBeLessThanOrEqual(columns);
			}),
		);
	});
});

describe("ProgressReporter", () => {
	beforeEach(() => void vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance"] }));
	afterEach(() => void vi.useRealTimers());

	function capture(
		isTTY: boolean,
		{ quiet = false, columns = 80, ...more }: Partial<{ quiet: boolean; columns: number; redraws: boolean }> = {},
	) {
		const stream = {
			isTTY,
			columns,
			text: "",
			write(text: string) {
				this.text += text;
			},
		};
		return { stream, reporter: new ProgressReporter({ stream, quiet, ...more }) };
	}

	/** What a terminal shows: lines, of which the last one is drawn over. */
	function screen(text: string): string[] {
		return text.split("\n").map((line) => line.split("\r\u001b[K").at(-1)!);
	}

	it("writes a line with a new step, then every tenth or every ten seconds", () => {
		const { stream, reporter } = capture(false);
		reporter.update(event(5, { step: 1, name: "Preparing text", phase: "loading the model", unit: "percent" }));
		reporter.update(event(0));
		for (let done = 1; done <= 100; done++) {
			vi.advanceTimersByTime(400);
			reporter.update(event(done));
		}
		expect(stream.text.split("\n")).toEqual([
			"[1/5] Preparing text  loading the model, 5 %",
			...[0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100].map((done) => `[2/5] Searching  ${done}/100 candidates`),
			"",
		]);
		reporter.stop();
	});

	it("does not write a line for every event where a tenth is over in no time", () => {
		const { stream, reporter } = capture(false);
		for (let done = 0; done <= 100; done++) reporter.update(event(done));
		expect(stream.text).toBe("[2/5] Searching  0/100 candidates\n");
		reporter.stop();
	});

	it("says every minute that it goes on, also where nothing comes; the time left alone is no news", () => {
		const { stream, reporter } = capture(false);
		reporter.update(event(3, { secondsLeft: 240 }));
		vi.advanceTimersByTime(15_000);
		reporter.update(event(3, { secondsLeft: 300 }));
		vi.advanceTimersByTime(15_000);
		expect(stream.text).toBe("[2/5] Searching  3/100 candidates, about 4 min\n");
		vi.advanceTimersByTime(100_000);
		expect(stream.text.trimEnd().split("\n")).toEqual([
			"[2/5] Searching  3/100 candidates, about 4 min",
			"[2/5] Searching  3/100 candidates, about 4 min",
			"[2/5] Searching  3/100 candidates, about 3 min",
		]);
		reporter.stop();
		vi.advanceTimersByTime(120_000);
		expect(stream.text.trimEnd().split("\n")).toHaveLength(3);
	});

	it("writes what came soon after another line when ten seconds are over, once", () => {
		const { stream, reporter } = capture(false);
		const copying = (done: number) => event(done, { phase: "making a F16 copy in memory", unit: "percent" });
		reporter.update(event(0));
		reporter.update(copying(100));
		for (let i = 0; i < 20; i++) {
			vi.advanceTimersByTime(2000);
			reporter.update(copying(100));
		}
		expect(stream.text.trimEnd().split("\n")).toEqual([
			"[2/5] Searching  0/100 candidates",
			"[2/5] Searching  making a F16 copy in memory, 100 %",
		]);
		reporter.stop();
	});

	it("says what a step measures beyond what it began with", () => {
		const { stream, reporter } = capture(false);
		const comparing = (done: number, total: number, phase: string) =>
			event(done, { step: 3, name: "Comparing with the original", total, phase });
		reporter.update(comparing(0, 2, "comparing finalists"));
		vi.advanceTimersByTime(5000);
		reporter.update(comparing(2, 2, "comparing finalists"));
		vi.advanceTimersByTime(5000);
		reporter.update(comparing(3, 4, "measuring the pruned model on more text"));
		vi.advanceTimersByTime(5000);
		// A search names its ways, which are no news to people.
		reporter.update(event(2, { step: 4, total: 9 }));
		vi.advanceTimersByTime(5000);
		reporter.update(event(9, { step: 4, total: 12 }));
		expect(stream.text.trimEnd().split("\n")).toEqual([
			"[3/5] Comparing with the original  0/2 candidates",
			"[3/5] Comparing with the original  2/2 candidates",
			"[3/5] Comparing with the original  3/4 candidates, measuring the pruned model on more text",
			"[4/5] Searching  2/9 candidates",
			"[4/5] Searching  9/12 candidates",
		]);
		reporter.stop();
	});

	it("draws one line again and again on a terminal, and takes it away at the end", () => {
		const { stream, reporter } = capture(true);
		for (let done = 0; done <= 100; done++) {
			reporter.update(event(done, { secondsLeft: 100 - done }));
			vi.advanceTimersByTime(1000);
			expect(screen(stream.text)).toHaveLength(1);
		}
		expect(screen(stream.text)).toEqual(["[2/5] Searching  100/100 candidates"]);
		reporter.stop();
		expect(screen(stream.text)).toEqual([""]);
		const { length } = stream.text;
		reporter.stop();
		vi.advanceTimersByTime(60_000);
		expect(stream.text).toHaveLength(length);
	});

	it("writes plain lines on a terminal that cannot draw a line again", () => {
		const { stream, reporter } = capture(true, { redraws: false });
		reporter.update(event(0));
		reporter.update(event(1));
		vi.advanceTimersByTime(10_000);
		reporter.print("a note");
		reporter.stop();
		expect(stream.text).toBe("[2/5] Searching  0/100 candidates\n[2/5] Searching  1/100 candidates\na note\n");
	});

	it("draws the last news of many within a fifth of a second", () => {
		const { stream, reporter } = capture(true);
		for (let done = 0; done <= 100; done++) reporter.update(event(done));
		expect(stream.text.match(/Searching/g)).toHaveLength(1);
		vi.advanceTimersByTime(200);
		expect(screen(stream.text)).toEqual(["[2/5] Searching  100/100 candidates"]);
		reporter.stop();
	});

	it("never tears: notes stand above the line, whole, and the line is below them at once", () => {
		const { stream, reporter } = capture(true);
		reporter.print("before");
		reporter.update(event(10));
		reporter.print("a note\nof two lines");
		expect(screen(stream.text)).toEqual(["before", "a note", "of two lines", "[2/5] Searching  10/100 candidates"]);
		reporter.stop();
		reporter.print("after");
		expect(screen(stream.text)).toEqual(["before", "a note", "of two lines", "after", ""]);
	});

	it("keeps within the terminal's width, which can change", () => {
		fc.assert(
			fc.property(fc.nat(300), fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 200 }), (done, first, second) => {
				const { stream, reporter } = capture(true, { columns: first });
				reporter.update(event(done, { total: 300, secondsLeft: 50, secondsLeftInAll: 500 }));
				expect(screen(stream.text)[0]!.length).toBeLessThan(first);
				stream.columns = second;
				vi.advanceTimersByTime(10_000);
				expect(screen(stream.text)[0]!.length).toBeLessThan(second);
				reporter.stop();
			}),
		);
	});

	it("is silent where quiet, but prints what it is told to", () => {
		for (const isTTY of [true, false]) {
			const { stream, reporter } = capture(isTTY, { quiet: true });
			reporter.update(event(1));
			vi.advanceTimersByTime(60_000);
			reporter.print("warning");
			reporter.stop();
			expect(stream.text).toBe("warning\n");
		}
	});

	it("leaves no timer and no listener behind", () => {
		const listeners = process.listenerCount("SIGINT");
		const { reporter } = capture(true);
		reporter.update(event(1));
		expect(vi.getTimerCount()).toBe(1);
		expect(process.listenerCount("SIGINT")).toBe(listeners);
		reporter.stop();
		expect(vi.getTimerCount()).toBe(0);
	});
});
