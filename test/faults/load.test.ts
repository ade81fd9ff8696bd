import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { runNode } from "../helpers/fixture.js";
import { thorough } from "../helpers/slow.js";

// 1,000 jobs, with limits of memory and delay, outside: node scripts/faults/load.mjs

const script = fileURLToPath(new URL("../../scripts/faults/load.mjs", import.meta.url));
const [jobs, atOnce] = thorough ? [200, 8] : [20, 4];

it(`${jobs} small jobs, ${atOnce} at once, leave nothing behind, and each gives what it gives alone (in a process of its own)`, async () => {
	const { code, stdout, stderr } = await runNode([
		script,
		...["--jobs", String(jobs), "--at-once", String(atOnce), "--evaluations", thorough ? "150" : "60"],
	]);
	expect(stdout, stderr).not.toContain("WRONG");
	expect(code, stderr).toBe(0);
	// Every kind of job was run, and there are figures.
	const counts = `${jobs} jobs \\(${jobs / 10} prune, ${jobs / 2} rank, ${(2 * jobs) / 5} evaluate\\), ${atOnce} at once`;
	expect(stdout).toMatch(
		new RegExp(`^load: ${counts}, in \\d+ s; memory ([\\d.]+ ){10}MB, -?[\\d.]+ MB since .* in a sweep p99 [\\d.]+ ms, .* 0 faults$`, "m"),
	);
}, 600_000);
