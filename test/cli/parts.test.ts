import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ProgressEvent } from "../../src/cli/api.js";
import { blocksOption, fractionOption, integerOption, numberOption } from "../../src/cli/coerce.js";
import { barLine, ProgressReporter } from "../../src/cli/progress.js";
import { closest, editDistance } from "../../src/cli/suggest.js";
import { InvalidOptionError } from "../../src/errors.js";
import { blocksArgument } from "../../src/report/format.js";

describe("coerce", () => {
	it("reads whole numbers in their range and nothing else", () => {
		const read = integerOption("n", { min: 1, max: 20 });
		expect(read(undefined)).toBeUndefined();
		expect(read("20")).toBe(20);
		for (const bad of [
			"0",
			"21",
			"abc",
			"",
			" ",
			"1.0",
			"1e1",
			"0x10",
			"NaN",
			"Infinity",
			"1 2",
			["3", "4"],
			true,
			"99999999999999999999",
		]) {
			expect(() => read(bad), String(bad)).toThrow(InvalidOptionError);
		}
	});

	it("reads numbers", () => {
		expect(numberOption("n")("-1.5e2")).toBe(-150);
		expect(numberOption("n")(".5")).toBe(0.5);
		for (const bad of ["", ".", "1,5", "Infinity", "NaN", "3d", []])
			expect(() => numberOption("n")(bad), String(bad)).toThrow(InvalidOptionError);
	});

	it("reads shares", () => {
		expect(fractionOption("f")("25%")).toBe(0.25);
		expect(fractionOption("f")("12.5 %")).toBe(0.125);
		expect(fractionOption("f")("0.25")).toBe(0.25);
		for (const bad of ["0", "1", "100%", "0%", "-5%", "25", "%", "a%"])
			expect(() => fractionOption("f")(bad), bad).toThrow(InvalidOptionError);
	});

	it("reads every printed list of blocks", () => {
		expect(blocksOption("b")(" 7, 3-5 ")).toEqual([3, 4, 5, 7]);
		fc.assert(
			fc.property(fc.uniqueArray(fc.nat(200), { minLength: 1 }), (list) => {
				const blocks = [...list].sort((a, b) => a - b);
				expect(blocksOption("b")(blocksArgument(blocks))).toEqual(blocks);
			}),
		);
		for (const bad of ["", "3,", "a", "-1", "5-3", "1--2", "1.5", "3 4", "1-2-3", "0-99999999"]) {
			expect(() => blocksOption("b")(bad), bad).toThrow(InvalidOptionError);
		}
	});
});

describe("closest", () => {
	it("finds what was meant, and nothing far from it", () => {
		expect(closest("rnak", ["rank", "runs"])).toBe("rank");
		expect(closest("mask", ["masks", "method"])).toBe("masks");
		expect(closest("model", ["rank", "runs"])).toBeUndefined();
		expect(closest("x", [])).toBeUndefined();
	});

	it("is a distance", () => {
		expect(editDistance("kitten", "sitting")).toBe(3);
		fc.assert(
			fc.property(fc.string({ maxLength: 8 }), fc.string({ maxLength: 8 }), (a, b) => {
				expect(editDistance(a, b)).toBe(editDistance(b, a));
				expect(editDistance(a, b) === 0).toBe(a === b);
				expect(editDistance(a, b)).toBeLessThanOrEqual(Math.max(a.length, b.length));
			}),
		);
	});
});

describe("ProgressReporter", () => {
	const event = (done: number, more: Partial<ProgressEvent> = {}): ProgressEvent => ({
		phase: "search",
		done,
		total: 200,
		unit: "masks",
		...more,
	});

	function capture(isTTY: boolean, quiet = false) {
		const stream = {
			isTTY,
			columns: 80,
			text: "",
			write(text: string) {
				this.text += text;
			},
		};
		const clock = { now: 0 };
		return { stream, clock, reporter: new ProgressReporter({ stream, quiet, now: () => clock.now }) };
	}

	it("writes a line per tenth without a terminal, but not one after the other at once", () => {
		const quick = capture(false);
		for (let done = 0; done <= 200; done++) quick.reporter.update(event(done));
		expect(quick.stream.text).toBe("search: 0/200 masks (0 %)\n");
		const { stream, clock, reporter } = capture(false);
		for (let done = 0; done <= 200; done++) {
			clock.now = 200 * done;
			reporter.update(event(done));
		}
		const lines = stream.text.trimEnd().split("\n");
		expect(lines).toHaveLength(11);
		expect(lines[0]).toBe("search: 0/200 masks (0 %)");
		expect(lines[10]).toBe("search: 200/200 masks (100 %)");
	});

	it("writes a line after 30 seconds without one, and at the beginning of a phase", () => {
		const { stream, clock, reporter } = capture(false);
		reporter.update(event(1, { tokensPerSecond: 3210.4, secondsLeft: 80 }));
		clock.now = 29_000;
		reporter.update(event(2));
		clock.now = 30_500;
		reporter.update(event(3));
		clock.now = 34_000;
		reporter.update({ phase: "write", done: 1e6, total: 4e6, unit: "bytes" });
		expect(stream.text.split("\n")).toEqual([
			"search: 1/200 masks (0 %), 3,210 tokens/s, 1 min 20 s left",
			"search: 3/200 masks (1 %)",
			"write: 1.0 MB of 4.0 MB (25 %)",
			"",
		]);
	});

	it("is silent where quiet, but prints what it is told to", () => {
		const { stream, reporter } = capture(true, true);
		reporter.update(event(1));
		reporter.print("warning");
		reporter.stop();
		expect(stream.text).toBe("warning\n");
	});

	it("draws a bar on a terminal, and leaves no timer and no listener behind", () => {
		const { stream, reporter } = capture(true);
		const listeners = process.listenerCount("SIGINT");
		reporter.update(event(100, { tokensPerSecond: 1000 }));
		expect(stream.text).toContain("100/200 masks  1,000 tokens/s");
		reporter.print("a note");
		expect(stream.text).toContain("\r\u001b[Ka note\n");
		expect(process.listenerCount("SIGINT")).toBe(listeners);
		reporter.stop();
		reporter.stop();
		const length = stream.text.length;
		reporter.print("after");
		expect(stream.text.slice(length)).toBe("after\n");
	});

	it("keeps within the terminal's width", () => {
		fc.assert(
			fc.property(fc.nat(300), fc.nat(300), fc.nat(200), (done, total, columns) => {
				expect(barLine(event(done, { total, tokensPerSecond: 5 }), columns).length).toBeLessThanOrEqual(Math.max(0, columns - 1));
			}),
		);
	});
});
