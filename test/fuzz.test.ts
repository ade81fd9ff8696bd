import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { thorough } from "./helpers/slow.js";

// One file of each kind of damage, through the compiled command line (every fifth beyond `inspect`, all in test:full). `npm run fuzz` tries thousands.

interface Fuzz {
	fuzz(options: {
		cases: number;
		seed: number;
		share: number;
	}): Promise<{ cases: number; accepted: Record<string, number>; faults: object[] }>;
}

const load = async <T>(name: string) => (await import(new URL(`../scripts/fuzz/${name}`, import.meta.url).href)) as T;

it("no way to damage a file makes a command crash, hang, or take much memory", async () => {
	const { fuzz } = await load<Fuzz>("fuzz.mjs");
	const { MUTATION_NAMES } = await load<{ MUTATION_NAMES: readonly string[] }>("mutations.mjs");
	const { cases, accepted, faults } = await fuzz({ cases: MUTATION_NAMES.length, seed: 3, share: thorough ? 1 : 8 });
	expect(faults).toEqual([]);
	expect(cases).toBe(MUTATION_NAMES.length);
	// Some damage leaves a model that runs.
	expect(accepted.apply).toBeGreaterThan(0);
}, 600_000);

it("a line that a file fakes is noticed, and a character that acts", async () => {
	const { faultsOf } = await load<{ faultsOf(run: object, mostBytes: number): string[] }>("command.mjs");
	const { FEIGNED } = await load<{ FEIGNED: string }>("mutations.mjs");
	const run = { code: 1, signal: null, hung: false, bytes: 0, stdout: "", stderr: `error: no architecture "gguf\\n${FEIGNED}"\n` };
	expect(faultsOf(run, 1e9)).toEqual([]);
	for (const character of "\u0007\u009B\u061C\u200E\u2028\u2029\u202E\u2066")
		expect(faultsOf({ ...run, stderr: `error: x${character}\n` }, 1e9)).toEqual(["control characters"]);
	expect(faultsOf({ ...run, stderr: `error: no architecture gguf\n${FEIGNED}\n` }, 1e9)).toEqual(["a line of the file's own"]);
	expect(faultsOf({ ...run, stdout: `${FEIGNED}\n` }, 1e9)).toEqual(["a line of the file's own"]);
});

// Not every sandbox shows the children of a process, or its peak memory.
const tells = existsSync(`/proc/self/task/${process.pid}/children`) && /VmHWM/.test(readFileSync("/proc/self/status", "utf8"));
it.runIf(tells)("the memory of a process that another one starts is counted", async () => {
	const { watchMemory } = await load<{ watchMemory(pid: number): () => number }>("memory.mjs");
	const held = "const held = Buffer.alloc(3e8, 1); setTimeout(() => held, 1000);";
	const starts = `require("node:child_process").spawnSync(process.execPath, ["-e", ${JSON.stringify(held)}], { env: { NODE_OPTIONS: "" } });`;
	const child = spawn(process.execPath, ["-e", starts]);
	const most = watchMemory(child.pid!);
	await once(child, "close");
	expect(most()).toBeGreaterThan(3e8);
	expect(most()).toBeLessThan(6e8);
});
