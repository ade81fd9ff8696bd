import { describe, expect, it } from "vitest";
import { compareCosts, compareSurrogates, compareTable, compareTexts } from "../../src/report/compare.js";
import { textWidth } from "../../src/report/table.js";

const difference = (mean: number | null, standardError: number | null = 0.031) => ({ mean, standardError });
const row = (method: string, removed: number[] | null, added: number[], withinBest: boolean | null = false) => ({
	method,
	removed,
	added: added.map((mean) => difference(mean)),
	mean: difference(added.reduce((sum, x) => sum + x, 0) / added.length),
	withinBest,
	accuracy: [],
});
const scattered = [0, 2, 4, 6, 8, 10, 12, 14, 16, 18];
const rows = (texts: number) => [
	row("auto", [3, 4, 5, 12, 13, 14, 15, 16, 17, 18], Array(texts).fill(1.617), true),
	row("block-influence", scattered, Array(texts).fill(2.207)),
	row("contiguous", null, []),
];
const share = (value: number, standardError?: number) => ({ value, standardError });
const arc = {
	...{ name: "arc.jsonl", count: 1200, normalization: "characters" as const },
	...{ accuracy: share(0.45, 0.0144), normalizedAccuracy: share(0.4) },
};
const swag = {
	...{ name: "swag.txt", count: 40, normalization: "tokens" as const },
	...{ accuracy: share(0.3), normalizedAccuracy: share(0.625, 0.0766) },
};
const widths = (text: string) => Math.max(...text.split("\n").map(textWidth));

describe("compareTable", () => {
	it("shows methods with what they add, the blocks, and which are tied with the best", () => {
		const table = compareTable(rows(1), ["a.txt"], [], { width: 100 });
		expect(table).toMatch(/method +added +blocks/);
		expect(table).toMatch(/^\* {2}auto +\+1\.617 ± 0\.031 {2}3-5, 12-18$/m);
		expect(table).toMatch(/^ +block-influence +\+2\.207 ± 0\.031 {2}0, 2, 4, 6, 8, 10, 12, 14, 16, 18$/m);
		expect(table).toMatch(/^ +contiguous +none found$/m);
	});

	it.each([1, 2, 3, 4, 8])("fits 100 and 80 columns with %i texts", (texts) => {
		const names = Array.from({ length: texts }, (_, i) => `a rather long name of text ${i}.txt`);
		for (const width of [100, 80]) expect(widths(compareTable(rows(texts), names, [], { width }))).toBeLessThanOrEqual(width);
	});

	it("drops the errors of the texts first, then the texts", () => {
		const names = ["a.txt", "b.txt", "c.txt"];
		expect(compareTable(rows(3), names, [], { width: 140 })).toMatch(/a\.txt +b\.txt +c\.txt/);
		expect(compareTable(rows(3), names, [], { width: 140 })).toMatch(/(\+1\.617 ± 0\.031 +){4}/);
		expect(compareTable(rows(3), names, [], { width: 100 })).toMatch(/\+1\.617 ± 0\.031 +(\+1\.617 +){3}3-5/);
		expect(compareTable(rows(8), Array(8).fill("t.txt"), [], { width: 80 })).not.toContain("t.txt");
	});

	it("shows each file of questions by the accuracy of its format, marked if it is tied with the highest", () => {
		const accuracy = (plain: number, normalized: number, withinBest: boolean) => ({
			...{ accuracy: share(plain, 0.02), normalizedAccuracy: share(normalized, 0.02), withinBest },
		});
		const answered = [
			{ ...row("auto", [3], [1.5], true), accuracy: [accuracy(0.4, 0.9, true), accuracy(0.9, 0.6, false)] },
			{ ...row("last", null, []), accuracy: [null, null] },
		];
		const table = compareTable(answered, ["a.txt"], [arc, swag], { width: 100 });
		expect(table).toMatch(/method +added +arc\.jsonl +swag\.txt +blocks/);
		expect(table).toMatch(/auto +\+1\.500 ± 0\.031 +40\.0 ± 2\.0 %\* +60\.0 ± 2\.0 % +3$/m);
		expect(table).toMatch(/last +none found$/m);
		const narrow = compareTable(answered, ["a.txt"], [arc, swag], { width: 64 });
		expect(narrow).toMatch(/auto +\+1\.500 ± 0\.031 +40\.0 %\* +60\.0 % +3$/m);
		expect(widths(narrow)).toBeLessThanOrEqual(64);
	});

	it("names who proposed the set of a race, and what broke down", () => {
		const table = compareTable(
			[
				{ ...row("greedy", [1], [1]), proposedBy: "leave-one-out" },
				{ ...row("random", [2], [1]), mean: difference(null, null), proposedBy: "random" },
			],
			["a"],
			[],
			{ width: 100 },
		);
		expect(table).toContain("1 (leave-one-out)");
		expect(table).toMatch(/random +broken +2$/m);
		const untold = compareTable([row("greedy", [1], [1], null), row("random", [2], [2], false)], ["a"], [], { width: 100 });
		expect(untold).toMatch(/^\? +greedy/m);
		expect(untold).toMatch(/^ +random/m);
	});
});

it("compareSurrogates has a line for each method with a surrogate, within 80 columns", () => {
	const details = { r2WithinStrata: 0.7, spearmanWithinStrata: 0.81, stratumMeanR2: 0.42, coverage90: 0.88 };
	const surrogate = { trainCandidates: 1780, heldOutCandidates: 1312, r2: 0.92, spearman: null, details };
	const table = compareSurrogates([{ method: "greedy" }, { method: "auto", surrogate }, { method: "paper-repaired", surrogate }]);
	expect(table).toMatch(/^auto +1,780 +1,312 +0\.92 +0\.70 +0\.42 +0\.81 +0\.88$/m);
	expect(table).not.toContain("greedy");
	expect(widths(table)).toBeLessThanOrEqual(80);
	expect(compareSurrogates([{ method: "greedy" }])).toBe("");
});

it("compareCosts and compareTexts give counts in full", () => {
	const cost = { evaluations: 1234, tokens: 1_579_520, blockExecutions: 20_000, seconds: 75 };
	expect(compareCosts([{ method: "auto", cost }])).toMatch(/auto +1,234 +1\.6 M +20,000 +1 min 15 s/);
	expect(compareTexts([{ name: "a.txt", windows: 24, length: 256, loss: 3.5 }], [arc])).toMatch(/a\.txt +24 x 256 +3\.500/);
	expect(compareTexts([], [arc, swag])).toMatch(/arc\.jsonl +1,200 questions +45\.0 ± 1\.4 %\nswag\.txt +40 questions +62\.5 ± 7\.7 %/);
});
