import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

// Tables of what was measured, by results made up for the purpose; and that the page holds those of the real ones.

interface Result {
	readonly [key: string]: unknown;
}
type Tables = Record<"compared" | "stopped" | "expected", string>;

const load = async <T>(name: string) => (await import(new URL(`../../scripts/shapes/${name}`, import.meta.url).href)) as T;
const { pages, tablesOf, readResults, withTables } = await load<{
	pages: Readonly<Record<string, readonly (keyof Tables)[]>>;
	tablesOf(results: readonly Result[]): Tables;
	readResults(path: string): Result[];
	withTables(text: string, tables: Partial<Tables>): string;
}>("expect.mjs");
const { factsOfShape } = await load<{ factsOfShape(name: string, type: string): object }>("facts.mjs");
const { predict } = await load<{ predict(facts: object, how: object): { seconds: number } }>("predict.mjs");
const { correctionOf } = await load<{ correctionOf(results: readonly Result[]): number }>("tables.mjs");
const { duration, size } = await load<{ duration(seconds: number): string; size(bytes: number): string }>("units.mjs");

const recorded = fileURLToPath(new URL("../../bench/shapes.jsonl", import.meta.url));
const machine = { processor: "Made Up", logicalProcessors: 2, memoryGigabytes: 8 };
const speeds = { by: "llama-bench", prompt: 60, generation: 12 };
const facts = factsOfShape("1b", "Q8_0");
const predicted = predict(facts, { prompt: 60, generation: 12, removed: 4 }).seconds;
const straight = { code: 0, seconds: 1.5 * predicted, peak: { resident: 2e9 }, timings: { search: 100, validation: 50 } };
const asked = { removed: 4, granularity: "half-block" };
const run = { date: "2026-01-01", machine, model: "1b.gguf", facts, asked, speeds };

describe("tables of what was measured", () => {
	it("say so where nothing was", () => {
		expect(tablesOf([])).toEqual({
			compared: "Nothing is measured yet.",
			stopped: "Nothing is measured yet.",
			expected: "Nothing is measured yet.",
		});
	});

	it("set predicted beside measured, and multiply what is computed by the error", () => {
		const results = [{ ...run, straight }];
		expect(correctionOf(results)).toBeCloseTo(1.5, 6);
		const { compared, expected } = tablesOf(results);
		expect(compared).toContain("x 1.50");
		const lines = expected.split("\n").slice(2);
		expect(lines.map((line) => line.split(" | ").at(-1))).toEqual([
			"measured |",
			...Array.from({ length: 4 }, () => "computed from the 1B shape |"),
			...Array.from({ length: 8 }, () => "computed from published speeds |"),
		]);
		expect(lines[0]).toContain("4 of 16");
	});

	it("take no failed run and no shortened one for the default job", () => {
		const { compared, expected } = tablesOf([{ ...run, straight: { ...straight, code: 1 } }]);
		expect([compared, expected]).toEqual(["Nothing is measured yet.", "Nothing is measured yet."]);
		const shortened = tablesOf([{ ...run, asked: { ...asked, windows: 4 }, straight }]).expected;
		expect(shortened).not.toContain("| measured |");
		// Rows that are computed are those of the default text, however short that of the nearest run was.
		const timesOf = (more: object) =>
			tablesOf([{ ...run, asked: { ...asked, ...more }, straight }])
				.expected.split("\n")
				.slice(3, 7);
		const correction = (more: object) => correctionOf([{ ...run, asked: { ...asked, ...more }, straight }]);
		const short = { windowLength: 64, effort: "quick" };
		const seconds = predict(factsOfShape("8b", "Q4_0"), {
			...{ prompt: 60 * (973_144_064 / 6_979_584_000), generation: 12 * (1_313_243_136 / 4_357_857_280) },
			...{ removed: 8, windowLength: 128, effort: "standard", correction: correction(short), available: 0.9 * 8 * 2 ** 30 },
		}).seconds;
		expect(timesOf(short)[1]).toContain(` ${duration(seconds)} |`);
	});

	it("predict runs of whole blocks as such, and take none for the default job", () => {
		const whole = { ...run, asked: { removed: 4 } };
		const seconds = predict(facts, { prompt: 60, generation: 12, removed: 4, granularity: "block" }).seconds;
		expect(seconds).toBeLessThan(0.9 * predicted);
		const { compared, expected } = tablesOf([{ ...whole, straight: { ...straight, seconds } }]);
		expect(compared).toContain("| 1b.gguf, whole blocks |");
		expect(compared).toContain("x 1.00");
		expect(expected).not.toContain("| measured |");
	});

	it("say how long Ctrl+C took", () => {
		const stopped = {
			interrupted: { code: 130, interruptedAt: 120.2, endedIn: 1.24, seconds: 121, peak: { resident: 3e9 } },
			resumed: { code: 0, seconds: 300, peak: { resident: 2e9 } },
		};
		const { compared } = tablesOf([{ ...run, ...stopped }]);
		expect(compared).toContain("1b.gguf, in two parts");
		expect(compared).toContain(` / ${duration(421)} |`);
		expect(compared).toContain(`/ ${size(3e9)} |`);
		expect(tablesOf([{ ...run, ...stopped }]).stopped).toContain(
			"| 1b.gguf | 5 of 128 | 120 s | 1.2 s | 5 min | Made Up, 2 logical processors |",
		);
	});

	it.each(Object.entries(pages))("are those of %s", (name, held) => {
		const text = readFileSync(new URL(`../../${name}`, import.meta.url), "utf8");
		const tables = tablesOf(readResults(recorded));
		expect(withTables(text, Object.fromEntries(held.map((table) => [table, tables[table]])) as Partial<Tables>)).toBe(text);
	});
});

it("seconds and bytes are said shortly", () => {
	expect([3, 89, 600, 9000, 40_000, 400_000].map(duration)).toEqual(["3 s", "89 s", "10 min", "2.5 h", "11 h", "4.6 days"]);
	expect([0, 5e8, 1.32e9, 4.3e10].map(size)).toEqual(["none", "500 MB", "1.3 GB", "43 GB"]);
});
