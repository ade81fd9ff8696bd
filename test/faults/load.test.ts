import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { runNode } from "../helpers/fixture.js";
import { thorough } from "../helpers/slow.js";

// 1,000 jobs, with narrower limits of memory and delay, outside: node scripts/faults/load.mjs

const script = fileURLToPath(new URL("../../scripts/faults/load.mjs", import.meta.url));
const [jobs, atOnce] = thorough ? [200, 8] : [10, 4];
/** Loose, for a busy machine: a model that stays with each job would take 480 MB, and 150 candidates in the thread of JavaScript seconds. */
const limits = thorough ? ["--most-growth", "64e6", "--most-delay", "250"] : [];

const { faultsOfFigures } = (await import(new URL("../../scripts/faults/load.mjs", import.meta.url).href)) as {
	faultsOfFigures(found: { growth: number; delay: number }, limits: { growth: number; delay: number }): string[];
};

it("memory that grows and JavaScript that waits are faults", () => {
	const most = { growth: 16e6, delay: 50 };
	expect(faultsOfFigures({ growth: 16e6, delay: 49 }, most)).toEqual([]);
	expect(faultsOfFigures({ growth: 17e6, delay: 49 }, most)).toEqual(["memory grew by 17 MB"]);
	expect(faultsOfFigures({ growth: -1e6, delay: 50 }, most)).toEqual(["JavaScript waits 50 ms during a sweep"]);
});

it.runIf(thorough)(
	`${jobs} small jobs, ${atOnce} at once, leave nothing behind, and each gives what it gives alone (in a process of its own)`,
	async () => {
		const { code, stdout, stderr } = await runNode([
			script,
			...["--jobs", String(jobs), "--at-once", String(atOnce), "--evaluations", thorough ? "150" : "60"],
			...limits,
		]);
		expect(stdout, stderr).not.toContain("WRONG");
		expect(code, stderr).toBe(0);
		// Every kind of job was run, and there are figures.
		const counts = `${jobs} jobs \\(${jobs / 10} prune, ${jobs / 2} rank, ${(2 * jobs) / 5} evaluate\\), ${atOnce} at once`;
		expect(stdout).toMatch(
			new RegExp(
				`^load: ${counts}, in \\d+ s; memory ([\\d.]+ ){10}MB, -?[\\d.]+ MB since .* in a sweep p99 [\\d.]+ ms, .* 0 faults$`,
				"m",
			),
		);
	},
	600_000,
);
