// Runs the command line as a person does, in a separate process, within limits.
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { endWithUs } from "../faults/leftovers.mjs";
import { watchMemory } from "./memory.mjs";
import { FEIGNED } from "./mutations.mjs";

const { escapeUnseen } = await import(new URL("../../dist/characters.js", import.meta.url).href);
const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const peak = new URL("peak.mjs", import.meta.url).href;

/**
 * @typedef {object} Run How a command ended.
 * @property {number | null} code
 * @property {string | null} signal that ended it, its own or ours after `seconds`
 * @property {boolean} hung whether it ran past the time limit
 * @property {number} bytes the most memory that it held, by its own account if it ended by itself; or, on Linux, of a process that it started
 * @property {string} stdout
 * @property {string} stderr
 */

/**
 * @param {string[]} args of prune-gguf
 * @param {{ home: string, peakFile: string, seconds: number }} bounds
 * @returns {Promise<Run>}
 */
export function runCommand(args, { home, peakFile, seconds }) {
	const env = {
		...process.env,
		PRUNE_GGUF_HOME: home,
		PRUNE_GGUF_FUZZ_PEAK: peakFile,
		NODE_OPTIONS: `--import=${peak}`,
		OMP_WAIT_POLICY: "passive",
	};
	return new Promise((resolve, reject) => {
		const child = endWithUs(spawn(process.execPath, [main, ...args], { env, stdio: ["ignore", "pipe", "pipe"] }));
		const run = { stdout: "", stderr: "", hung: false };
		for (const name of ["stdout", "stderr"]) child[name].setEncoding("utf8").on("data", (text) => (run[name] += text));
		const mostSeen = watchMemory(child.pid);
		const timer = setTimeout(() => {
			run.hung = true;
			child.kill("SIGKILL");
		}, seconds * 1000);
		child.on("error", (error) => {
			mostSeen();
			reject(error);
		});
		child.on("close", (code, signal) => {
			clearTimeout(timer);
			const peaks = existsSync(peakFile) ? readFileSync(peakFile, "utf8").trim().split("\n").map(Number) : [0];
			resolve({ ...run, code, signal, bytes: Math.max(mostSeen(), ...peaks.map((kilobytes) => kilobytes * 1024)) });
		});
	});
}

// Characters that we write: line ends and tabs. Anything else in a file must not reach a terminal unchanged.
const acts = (text) => escapeUnseen(text, "\n\t") !== text;

/**
 * Forbidden things that a run did.
 * @param {Run} run
 * @param {number} mostBytes
 * @returns {string[]} empty if it is sound
 */
export function faultsOf({ code, signal, hung, bytes, stdout, stderr }, mostBytes) {
	const faults = [];
	if (hung) faults.push("hung");
	else if (signal !== null || code > 3) faults.push(`ended by ${signal ?? `exit code ${code}`}`);
	if (bytes > mostBytes) faults.push(`${Math.round(bytes / 1e6)} MB`);
	if (/fault of prune-gguf/.test(stderr)) faults.push("a fault of prune-gguf");
	if (!hung && code !== 0 && signal === null && !/^error: \S/m.test(stderr)) faults.push("failed without a word");
	if (`${stdout}\n${stderr}`.split("\n").some((line) => line.startsWith(FEIGNED))) faults.push("a line of the file's own");
	if (acts(stdout) || acts(stderr)) faults.push("control characters");
	return faults;
}
