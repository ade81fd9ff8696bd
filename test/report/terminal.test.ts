import { stripVTControlCharacters } from "node:util";
import { describe, expect, it } from "vitest";
import { formatBar } from "../../src/report/table.js";
import { contributionsTable, curveTable, factsTable, surrogateLine } from "../../src/report/terminal.js";

const contributions = [
	{ block: 0, value: 0.4, note: "critical" },
	{ block: 1, value: -0.1, standardError: 0.02 },
	{ block: 2, value: 0.2, removed: true },
	{ block: 10, note: "frozen" },
];
const curve = [
	{ removed: [], loss: 2.5, added: 0 },
	{ removed: [7], loss: 2.6, added: 0.1, standardError: 0.01, chosen: true },
	{ removed: [6, 7, 8], loss: 2.9, added: 0.4 },
	{ removed: [0, 6, 7, 8], loss: null, added: null },
];

describe("contributionsTable", () => {
	it("lines up blocks, values, bars and notes", () => {
		expect(contributionsTable(contributions, { width: 56 })).toBe(
			[
				"block        importance            note",
				"    0           +0.4000  ########  critical",
				"    1  -0.1000 ± 0.0200  --",
				"    2           +0.2000  ####      removed",
				"   10                              frozen",
				"",
			].join("\n"),
		);
	});

	it("has no note column without notes, and survives an empty list and zeros", () => {
		expect(contributionsTable([{ block: 0, value: 0 }])).toBe("block  importance\n    0      0.0000\n");
		expect(contributionsTable([])).toBe("block  importance\n");
	});

	it("says the unit in its title", () => {
		const titleOf = (unit: string) => contributionsTable([{ block: 0 }, { block: 1, value: 0.5, unit }]).split("\n")[0];
		expect(titleOf("nats")).toBe("block  nats added");
		expect(titleOf("value")).toBe("block  importance");
		expect(titleOf("log-nats")).toContain("log");
	});
});

describe("curveTable", () => {
	it("shows perplexity and its change, the size where it is known, and the blocks", () => {
		expect(curveTable(curve)).toBe(
			[
				"   blocks  perplexity         change  which",
				"        0       12.18                 none",
				">       1       13.46  x 1.11 ± 0.01  7",
				"        3       18.17         x 1.49  6-8",
				"        4      broken         broken  0, 6-8",
				"",
			].join("\n"),
		);
		const [whole, one] = curve;
		expect(curveTable([{ ...whole!, bytes: 2.7e6 }, one!])).toContain(
			["   blocks  perplexity         change  file size  which", "        0       12.18                    2.7 MB  none"].join("\n"),
		);
	});
});

describe("curveTable of attention parts", () => {
	it("counts them, and shows time and KV cache at the context", () => {
		const [whole] = curve;
		const cost = { milliseconds: 30.25, kvCache: 94e6, bytes: 98e6 };
		const rows = [
			{ ...whole!, ...cost },
			{ ...whole!, ...cost, removed: [7.25, 8.25], milliseconds: 20.5, kvCache: 88e6, added: 0.1 },
		];
		const [titles, , two] = curveTable(rows, {}, { context: 4096 }).split("\n");
		expect(titles).toMatch(/^ +attention parts +perplexity +change +ms per token at 4,096 +KV cache at 4,096 +file size +which$/);
		expect(two).toMatch(/ 2 .* 20\.5 +88\.0 MB +98\.0 MB +7-8a$/);
		expect(curveTable([whole!, { ...whole!, removed: [1, 7.25] }])).toMatch(/^ +parts /);
	});
});

describe("colors", () => {
	it("appear only when asked for, and change nothing else", () => {
		for (const make of [contributionsTable.bind(null, contributions), curveTable.bind(null, curve), factsTable.bind(null, [["a", "b"]])]) {
			const plain = make({ color: false });
			expect(plain).not.toContain("\u001b");
			expect(make({})).toBe(plain);
			expect(make({ color: true })).toContain("\u001b[");
			expect(stripVTControlCharacters(make({ color: true }))).toBe(plain);
		}
	});
});

describe("small parts", () => {
	it("formatBar", () => {
		expect(formatBar(0.0001, 1, 10)).toBe("#");
		expect(formatBar(-1, 1, 4)).toBe("----");
		expect(formatBar(2, 1, 4)).toBe("####");
		expect(formatBar(0, 1, 4)).toBe("");
		expect(formatBar(Number.NaN, 1, 4)).toBe("!!!!");
	});

	it("surrogateLine", () => {
		const quality = { name: "ridge", trainCandidates: 1000, heldOutCandidates: 150, r2: 0.944, spearman: null };
		expect(surrogateLine(quality)).toBe(
			"Surrogate: ridge, fitted to 1,000 candidates; R2 0.94, Spearman unknown on 150 unseen candidates\n",
		);
		expect(surrogateLine({ ...quality, heldOutCandidates: 0 })).toContain("not checked on unseen candidates");
	});

	it("factsTable", () => {
		expect(
			factsTable([
				["model", "x"],
				["blocks", "12"],
			]),
		).toBe("model   x\nblocks  12\n");
	});
});
