// A long run of fuzzing in slices: after each one, what was found is kept, and the same command goes on from there.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { endWithUs } from "../faults/leftovers.mjs";
import { keptState } from "../faults/state.mjs";

const guided = fileURLToPath(new URL("guided.mjs", import.meta.url));
/** Minutes of one target at a time. */
const SLICE = 3;

/**
 * Fuzzes one reader in a process of its own, since what it finds may end it.
 * @param {string} target
 * @param {{ cases?: number, minutes?: number, seed: number, keep?: string, corpus?: string }} options
 * @returns {Promise<object>} as `fuzzGuided`
 */
export async function fuzzReader(target, options) {
	const given = Object.entries(options).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, String(value)]));
	const child = endWithUs(spawn(process.execPath, ["--max-old-space-size=1024", guided, "--target", target, ...given]));
	const said = { stdout: "", stderr: "" };
	for (const name of ["stdout", "stderr"]) child[name].setEncoding("utf8").on("data", (text) => (said[name] += text));
	const [status, signal] = await new Promise((resolve, reject) => {
		child.on("error", reject);
		child.on("close", (...end) => resolve(end));
	});
	if (status === 0 || status === 1) return JSON.parse(said.stdout);
	const fault = `the process ended with ${signal ?? status} (with --keep the input is ${target}-current): ${said.stderr.slice(-1000)}`;
	return { target, cases: 0, faults: [{ fault }] };
}

/** Two results of a target as one: numbers are summed, or the larger one is taken of what is no sum. */
export function merged(a, b) {
	if (a === undefined) return b;
	const both = { ...a };
	for (const [key, value] of Object.entries(b)) {
		const before = a[key];
		if (before === undefined || typeof value === "string") both[key] = value;
		else if (Array.isArray(value)) both[key] = [...before, ...value];
		else if (typeof value === "object") both[key] = key === "most" ? larger(before, value) : merged(before, value);
		else both[key] = ["corpus", "reached", "slowest"].includes(key) ? Math.max(before, value) : before + value;
	}
	return both;
}

const larger = (a, b) => Object.fromEntries(Object.keys(b).map((key) => [key, Math.max(a[key] ?? 0, b[key])]));

/**
 * Gives each target its minutes, in slices, the one first that has had the least of its share.
 * @param {{ shares: Record<string, number>, minutes: number, seed: number, folder?: string, slice?: number,
 * run: (target: string, slice: { minutes: number, seed: number, corpus?: string }) => Promise<object>,
 * onSlice?: (target: string, result: object, minutes: number) => void }} options `shares` of the minutes, which sum to 1; `folder` keeps what was found
 * @returns {Promise<Record<string, { minutes: number, slices: number, result: object }>>} by target
 */
export async function inSlices({ shares, minutes, seed, folder, slice = SLICE, run, onSlice = () => {} }) {
	const empty = Object.fromEntries(Object.keys(shares).map((target) => [target, { minutes: 0, slices: 0 }]));
	const { found, save } = keptState(folder && join(folder, "state.json"), { seed, targets: Object.keys(shares) }, empty);
	const left = (target) => shares[target] * minutes - found[target].minutes;
	const done = (target) => found[target].minutes / shares[target];
	for (;;) {
		// Less than a second is no slice.
		const [target] = Object.keys(shares)
			.filter((one) => left(one) > 1 / 60)
			.sort((a, b) => done(a) - done(b));
		if (target === undefined) return found;
		const one = found[target];
		const started = Date.now();
		const result = await run(target, {
			minutes: Math.min(slice, left(target)),
			// Another seed, since each slice counts its inputs from 0.
			seed: seed + 1000 * one.slices,
			...(folder === undefined ? {} : { corpus: join(folder, "corpus") }),
		});
		one.minutes += (Date.now() - started) / 60_000;
		one.slices++;
		one.result = merged(one.result, result);
		save();
		onSlice(target, one.result, one.minutes);
	}
}
