import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
	formatAge,
	formatBytes,
	formatChange,
	formatCount,
	formatDifference,
	formatDuration,
	formatLoss,
	formatPercent,
	formatPerplexity,
	formatRatio,
	formatSigned,
	formatSignificant,
} from "../../src/report/format.js";
import { blocksArgument, formatBlocks } from "../../src/notation.js";

describe("numbers as people read them", () => {
	it.each([
		[formatLoss(3.50849), "3.508"],
		[formatLoss(null), "broken"],
		[formatLoss(Number.POSITIVE_INFINITY), "broken"],
		[formatPerplexity(3.508), "33.38"],
		[formatPerplexity(0), "1.000"],
		[formatPerplexity(150), "1.394e+65"],
		[formatPerplexity(9.5), "13360"],
		[formatDifference(0.683, 0.0181), "+0.683 ± 0.018"],
		[formatDifference(-0.0004, null), "0.000"],
		[formatDifference(-0.5), "-0.500"],
		[formatDifference(null, 0.1), "broken"],
		[formatRatio(1.3716, 0.0247), "x 1.37 ± 0.02"],
		[formatRatio(2.24), "x 2.24"],
		[formatRatio(153.4, 12.2), "x 153 ± 12"],
		[formatRatio(1.5e8, 2.5e7), "x 1.50e+8 ± 2.50e+7"],
		[formatRatio(null, 0.1), "broken"],
		[formatSigned(0.01234), "+0.0123"],
		[formatSigned(-6, 0), "-6"],
		[formatSignificant(1234567, 3), "1234567"],
		[formatSignificant(0.00001, 3), "1.00e-5"],
		[formatSignificant(0, 3), "0.00"],
		[formatBytes(0), "0 B"],
		[formatBytes(999), "999 B"],
		[formatBytes(999_960), "1.0 MB"],
		[formatBytes(270_590_000), "270.6 MB"],
		[formatBytes(4.7e9), "4.7 GB"],
		[formatCount(9_999), "9,999"],
		[formatCount(134_515_008), "134.5 M"],
		[formatPercent(0.25), "25 %"],
		[formatPercent(0.0042), "0.4 %"],
		[formatChange(200, 150), "-25.0 %"],
		[formatChange(0, 1), ""],
		[formatDuration(0.42), "0.4 s"],
		[formatDuration(59.7), "1 min 0 s"],
		[formatDuration(200), "3 min 20 s"],
		[formatDuration(7500), "2 h 5 min"],
		[formatDuration(7199), "2 h 0 min"],
		[formatDuration(Number.NaN), "unknown"],
		[formatAge(new Date(0), new Date(3 * 86_400_000)), "3 days ago"],
		[formatAge(new Date(0), new Date(3_600_000)), "1 hour ago"],
		[formatAge(new Date(5000), new Date(0)), "just now"],
	])("%s is %s", (actual, expected) => {
		expect(actual).toBe(expected);
	});
});

describe("formatBlocks", () => {
	it("draws runs together", () => {
		expect(formatBlocks([3, 7, 8, 9, 11, 12])).toBe("3, 7-9, 11-12");
		expect(formatBlocks([0])).toBe("0");
		expect(formatBlocks([])).toBe("none");
		expect(blocksArgument([3, 7, 8])).toBe("3,7-8");
	});

	it("names every block once", () => {
		fc.assert(
			fc.property(fc.uniqueArray(fc.nat(60), { minLength: 1 }), (list) => {
				const blocks = [...list].sort((a, b) => a - b);
				const read = formatBlocks(blocks)
					.split(", ")
					.flatMap((part) => {
						const [from, to = from] = part.split("-").map(Number) as [number, number?];
						return Array.from({ length: to - from + 1 }, (_, i) => from + i);
					});
				expect(read).toEqual(blocks);
			}),
		);
	});
});
