import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { tempFolder } from "../helpers/temp-folder.js";

type Results = Record<string, Record<string, { sha256?: string }>>;
const load = async <T>(name: string) => (await import(new URL(`../../scripts/prebuild/${name}`, import.meta.url).href)) as T;
const { recordResult, readResults } = await load<{
	recordResult(name: string, part: string, value: object, path: string): void;
	readResults(path?: string): Results;
}>("results.mjs");
const { withBinaryTables } = await load<{ withBinaryTables(page: string, results: object, sources: string): string }>("table.mjs");

const folder = tempFolder();
const [first, second] = ["1".repeat(64), "2".repeat(64)];
const page = readFileSync(fileURLToPath(new URL("../../docs/developers/binaries.md", import.meta.url)), "utf8");
/** Rows of all tables that name a binary. */
const rowsOf = (name: string, results: object) =>
	withBinaryTables(page, results, "today")
		.split("\n")
		.filter((line) => line.startsWith(`| \`${name}\` |`));

const build = {
	sha256: second,
	bytes: 5_600_000,
	packedBytes: 2_200_000,
	compiler: "zig 1.2.3",
	asks: { glibc: "2.27" },
	sources: "today",
};
const tests = { passed: 429, failed: 3 };
const run = { how: "one run in Wine 8" };
const speed = {
	works: { "12-block model": { ratio: 0.731, seconds: 0.08, lossDifference: 0 } },
	beside: "GNU 12.2.0, native",
	cpu: "AMD EPYC",
	threads: 2,
	rounds: 15,
	run: "2026-11-28T13:10:41Z",
};

describe("what is recorded of a binary", () => {
	it("names the file that it was seen of", () => {
		const path = join(folder, "results.json");
		recordResult("linux-x64-avx2", "tests", { sha256: first, ...tests }, path);
		recordResult("linux-x64-avx2", "build", build, path);
		expect(readResults(path)["linux-x64-avx2"]).toMatchObject({ tests: { sha256: first, passed: 429 }, build: { sha256: second } });
		expect(() => recordResult("linux-x64-avx2", "run", run, path)).toThrow("run of linux-x64-avx2: sha256 must be that of a file");
	});

	it("names it everywhere in results.json", () => {
		const parts = Object.values(readResults()).flatMap((parts) => Object.values(parts));
		expect(parts.length).toBeGreaterThan(6);
		for (const { sha256 } of parts) expect(sha256).toMatch(/^[0-9a-f]{64}$/);
	});

	it("stands in the tables if it is of the file that was built", () => {
		const of = { sha256: second };
		const rows = rowsOf("linux-x64-avx2", {
			"linux-x64-avx2": { build, tests: { ...of, ...tests }, run: { ...of, ...run }, speed: { ...of, ...speed } },
		});
		expect(rows[0]).toContain("checked; 429 tests passed, 3 failed; one run in Wine 8 |");
		expect(rows.at(-1)).toContain("| 0.73 | GNU 12.2.0, native | AMD EPYC, 2 threads | 2026-11-28 13:10, 15 rounds |");
	});

	it.each([["others"], [undefined]])("is marked in both tables if its sources were %s", (sources) => {
		const seen = { build: { ...build, sources }, speed: { sha256: second, ...speed } };
		const rows = rowsOf("linux-x64-avx2", { "linux-x64-avx2": seen });
		expect(rows[0]).toContain("| of older sources; symbols and libraries checked; not tested |");
		expect(rows.at(-1)).toContain("15 rounds, of older sources |");
	});

	it.each([
		["an earlier file", { sha256: first }],
		["a file that nobody named", {}],
	])("does not stand there if it is of %s", (_, of) => {
		const rows = rowsOf("linux-x64-avx2", {
			"linux-x64-avx2": { build, tests: { ...of, ...tests }, run: { ...of, ...run }, speed: { ...of, ...speed } },
		});
		expect(rows).toHaveLength(2);
		expect(rows[0]).toContain("| 5.6 MB | 2.2 MB | symbols and libraries checked; not tested |");
		expect(rows.join()).not.toMatch(/429|Wine|0\.73/);
	});

	it("stands in the table of speeds if it is of the newest run", () => {
		const all = (name: string, run: string | undefined, threads: number) => ({
			[name]: { build, speed: { sha256: second, ...speed, run, threads } },
		});
		const results = {
			...all("linux-x64-baseline", undefined, 1),
			...all("linux-x64-avx2", "2026-11-28T13:10:41Z", 2),
			...all("linux-x64-avx512", "2026-11-28T13:17:20Z", 1),
			...all("win32-x64-avx2", "2026-11-28T13:17:20Z", 1),
		};
		for (const [name, line] of [
			["linux-x64-baseline", undefined],
			["linux-x64-avx2", undefined],
			["linux-x64-avx512", "AMD EPYC, 1 thread | 2026-11-28 13:17"],
			["win32-x64-avx2", "AMD EPYC, 1 thread | 2026-11-28 13:17"],
		] as const) {
			const row = rowsOf(name, results).find((one) => one.includes("0.73"));
			if (line === undefined) expect(row).toBeUndefined();
			else expect(row).toContain(line);
		}
	});
});
