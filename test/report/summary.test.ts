import { describe, expect, it } from "vitest";
import { reportHtml } from "../../src/report/html.js";
import { speedText, summaryText, wrapped } from "../../src/report/summary.js";
import { madeUpReport } from "../helpers/report.js";

describe("the terminal summary", () => {
	const report = madeUpReport();

	it("says the verdict first", () => {
		const text = summaryText(report).replace(/\n/g, " ");
		expect(text.startsWith(`${report.verdict.headline} ${report.verdict.reason} `)).toBe(true);
	});

	it("has a row for each figure, and speed and memory in a line", () => {
		const text = summaryText(report);
		expect(text).toMatch(/^report split +before +after +change$/m);
		expect(text).toMatch(/^loss \(nats per token\) +3\.150 +3\.955 +\+0\.805 ± 0\.050$/m);
		expect(text).toMatch(/^perplexity +23\.34 +52\.20 +x 2\.24 ± 0\.11$/m);
		expect(text).toMatch(/^same top token +100 % +58 % +-42\.0 ± 1\.2 %$/m);
		expect(text).toMatch(/^blocks +30 +24 +-6$/m);
		expect(text).toMatch(/^parameters +134\.5 M +113\.3 M +-15\.8 %$/m);
		expect(text).toContain("\nSpeed: generation x 1.22, prompt x 1.25; memory -13.9 %, KV cache -20.2 %.\n");
		expect(text).toContain("NOT MET: max-ppl-ratio 1.50, measured 2.24 ± 0.050; and 1 more\n");
		expect(text).toContain("1 text collapsed: loop\n");
	});

	it("says what of a quantized file's figures is the removal", () => {
		const quality = { ...report.quality!, quantized: { type: "Q4_K_M", from: "f16.gguf" } };
		const { gate, collapse, alternatives, ...usual } = report;
		const text = summaryText({ ...usual, quality }, { width: 200 });
		expect(text).toMatch(/^report split, Q4_K_M +before +after +change$/m);
		expect(text).toContain(
			"\nQuantized to Q4_K_M from the weights of f16.gguf, measured as written; removing the blocks alone adds 0.805 ± 0.050.\n",
		);
		expect(summaryText(report)).not.toContain("Quantized");
	});

	it("fits a screen of 24 lines of 80 columns, but for long names", () => {
		// A run without the other measurements has these; seven lines name the method, files and time.
		const { gate, collapse, alternatives, ...usual } = report;
		expect(summaryText(report).split("\n").length + 7).toBeLessThanOrEqual(25);
		expect(summaryText(report)).toMatch(/^The report has more: /m);
		for (const one of [usual, { ...usual, surrogate: undefined, quality: { ...usual.quality!, sources: undefined } }]) {
			const lines = summaryText(one as typeof report, { width: 80 })
				.trimEnd()
				.split("\n");
			expect(lines.length).toBeLessThanOrEqual(24 - 7);
			expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
		}
	});

	it("says that it could be healed, if it was not, can be, and there is space for the line", () => {
		const { gate, collapse, alternatives, surrogate, ...usual } = report;
		const { sources, ...quality } = usual.quality!;
		const text = (other: Partial<typeof report>) => summaryText({ ...usual, quality, ...other }).replace(/\n/g, " ");
		expect(text({ heal: undefined })).toContain("Not healed: --heal can make up for part of what the cuts cost, without training.");
		const heal = { applied: false, tokens: 2048, cuts: [], splits: [], addedBytes: 0 } as unknown as typeof report.heal;
		expect(text({ heal })).not.toContain("Not healed: --heal");
		const reproduce = { ...report.reproduce, options: { ...report.reproduce.options, heal: false } };
		expect(text({ heal: undefined, reproduce })).not.toContain("Not healed: --heal");
		const quantized = { type: "Q4_K_M", from: "f16.gguf" };
		expect(text({ heal: undefined, quality: { ...quality, quantized } })).not.toContain("Not healed: --heal");
		expect(text({ heal: undefined, removal: undefined })).not.toContain("Not healed: --heal");
		expect(summaryText(report)).not.toContain("Not healed: --heal");
	});

	it("shows sources and the surrogate if there is space", () => {
		const { speed, gate, collapse, alternatives, ...usual } = report;
		const text = summaryText(usual);
		expect(text).toMatch(/^code\.txt +1\.00 +3\.150 +3\.955 +\+0\.805$/m);
		expect(text).not.toContain("surrogate");
		const { sources, ...quality } = usual.quality!;
		expect(summaryText({ ...usual, quality })).toMatch(/^surrogate: mixed-gp, 512 masks; R2 0\.93/m);
	});

	it("names sets that are as good, three at most", () => {
		const { gate, collapse, alternatives, speed, heal, ...usual } = report;
		const one = { removed: [4, 5, 6, 14, 16, 17], method: "greedy", above: 0.004, standardError: 0.006 };
		const text = (count: number) =>
			summaryText({ ...usual, removal: { ...report.removal!, tied: Array(count).fill(one) } }, { width: 400 });
		expect(text(1)).toContain("\nThe validation text cannot tell this set from 4-6, 14, 16-17 (greedy, +0.004 ± 0.006).\n");
		expect(text(5)).toMatch(/(4-6.*){3}; and 2 more\.\n/);
		expect(text(0)).not.toContain("cannot tell");
		const page = reportHtml({ ...report, removal: { ...report.removal!, tied: [one] } });
		expect(page).toContain("cannot tell this set from 4-6, 14, 16-17 (greedy, +0.004 ± 0.006).");
	});

	it("does without measurements", () => {
		const { quality, speed, gate, collapse, alternatives, surrogate, ...least } = report;
		expect(summaryText(least)).toContain(report.verdict.reason.slice(0, 20));
		expect(summaryText(least)).not.toMatch(/undefined|NaN/);
	});

	it("counts many sources instead of listing them", () => {
		const source = report.quality!.sources![0]!;
		const { gate, collapse, alternatives, ...usual } = report;
		const many = { ...usual, quality: { ...report.quality!, sources: Array(9).fill(source) } };
		expect(summaryText(many)).toContain("9 sources: the report has each.\n");
	});
});

it("speedText scales bytes and keeps three digits of speed", () => {
	expect(speedText({ name: "memory", unit: "bytes", before: { value: 2e9 }, after: { value: 1e9 }, ratio: 0.5 })).toMatchObject({
		...{ title: "memory in all", before: "2.0 GB", after: "1.0 GB", change: "-50.0 %" },
	});
	expect(
		speedText({ name: "prompt", unit: "tokens per second", before: { value: 1234.5 }, after: { value: 9.8765 }, ratio: 0.008 }),
	).toMatchObject({
		...{ title: "prompt (tokens/s)", before: "1235", after: "9.88" },
	});
});

it("wrapped breaks between words only", () => {
	expect(wrapped("aaa bb c dddddd e", 6)).toBe("aaa bb\nc\ndddddd\ne");
	expect(wrapped("", 5)).toBe("");
});
