import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { entryUrl, fixturePath } from "../helpers/fixture.js";

// A busy machine, or a container with fewer cores than it sees: two threads have one core, which each must give to the other.

const code = `
const { Coalition, makeWindows, Model } = await import(${JSON.stringify(entryUrl)});
const model = await Model.load(${JSON.stringify(fixturePath)}, { threads: 2 });
const windows = makeWindows(Int32Array.from({ length: 256 }, (_, i) => 5 + (i % 300)), 128);
const times = { 1: [], 2: [] };
for (let round = 0; round < 3; round++)
	for (const threads of [1, 2]) {
		const evaluator = model.createEvaluator({ threads });
		const started = performance.now();
		await evaluator.evaluate([Coalition.full(12)], windows);
		times[threads].push(performance.now() - started);
	}
console.log(JSON.stringify({ one: Math.min(...times[1]), two: Math.min(...times[2]) }));
await model.dispose();
`;

const core = process.platform === "linux" ? /^Cpus_allowed_list:\s*(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] : undefined;
const hasTaskset = spawnSync("taskset", ["--version"]).status === 0;

it.runIf(core !== undefined && hasTaskset)("two threads on one core do not wait for each other's time slice to end", () => {
	const args = ["-c", core!, process.execPath, "--input-type=module", "-e", code];
	const { stdout, stderr, status } = spawnSync("taskset", args, { encoding: "utf8" });
	expect(status, stderr).toBe(0);
	const { one, two } = JSON.parse(stdout.trim().split("\n").at(-1)!) as { one: number; two: number };
	// Threads that spin until the system takes the core away: 36 times as long.
	expect(two / one).toBeLessThan(6);
});
