import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { closest, editDistance } from "../../src/api/options/closest.js";
import { blocksOption, fractionOption, integerOption, numberOption } from "../../src/cli/coerce.js";
import { InvalidOptionError } from "../../src/errors.js";
import { blocksArgument } from "../../src/notation.js";

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
		expect(blocksOption("b")("12f-15a, 3")).toEqual([3, 12.5, 13.5, 14.5]);
		expect(() => blocksOption("--remove")("12f-15f")).toThrow(
			/^--remove: 12f-15f names an odd .* The nearest is 12f-15a \(in "12f-15f"\)\.$/,
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
