import { describe, expect, it } from "vitest";
import { chart, frontierTable } from "../../src/report/frontier.js";

const figure = (mean: number) => ({ mean, standardError: 0.01 });

describe("chart", () => {
	const points = [
		{ x: 100, y: 0, series: "own" },
		{ x: 50, y: 0.4, series: "own" },
		{ x: 20, y: 0.2, series: "Q4_0", chosen: true },
		{ x: 10, y: null, series: "Q4_0" },
	];

	it("puts each point where it belongs, and names the series", () => {
		const text = chart(points, "by size", (x) => `${x} B`, { width: 60 });
		const lines = text.split("\n");
		expect(lines[0]).toBe("by size");
		const column = (line: string, mark: string) => line.indexOf(mark, 9) - 9;
		// Height 14: the largest on the first row, the smallest on the last; 50 characters from 20 to 100.
		expect(column(lines[1]!, "o")).toBe(Math.round((30 / 80) * 49));
		expect(column(lines[14]!, "o")).toBe(49);
		expect(column(lines.find((line) => line.indexOf("*", 9) >= 0)!, "*")).toBe(0);
		expect(text).toContain("o own  A Q4_0  * best choice");
		expect(lines.at(-3)).toMatch(/20 B +100 B$/);
		expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(60);
	});

	it("draws what breaks out of the picture on its edge, and nothing without points", () => {
		const wild = [...points.slice(0, 3), { x: 60, y: 50, series: "own" }, { x: 70, y: 0.1, series: "own" }];
		const text = chart(wild, "t", String, { width: 60 });
		expect(text.split("\n")[1]).toContain("o");
		expect(text).not.toContain("50.00");
		expect(chart([{ x: 1, y: null, series: "own" }], "t", String)).toBe("");
	});
});

describe("tables", () => {
	it("show figures, and a reference only where there is one", () => {
		const row = {
			type: "Q4_0",
			removed: [3, 4, 9],
			bytes: 1.5e6,
			blocks: 9,
			added: figure(0.25),
			divergence: figure(0.31),
			agreement: figure(0.8),
		};
		const text = frontierTable([{ ...row, chosen: true }]);
		expect(text).toMatch(/weights +removed +file size +kept +added +KL +same top +blocks/);
		expect(text).toMatch(/^> +Q4_0 +3 +1\.5 MB +9 +\+0\.250 ± 0\.010 +0\.310 +80 % +3-4, 9$/m);
		const plain = frontierTable([{ ...row, divergence: null, agreement: null }]);
		expect(plain).toMatch(/file size +kept +added +blocks/);
		expect(plain).toMatch(/^ +Q4_0 +3 +1\.5 MB +9 +\+0\.250 ± 0\.010 +3-4, 9$/m);
	});
});
