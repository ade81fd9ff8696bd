// One small run of the command line on the 12-block model, and what it must leave behind: nothing that is chosen goes by the clock.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { endWithUs } from "./leftovers.mjs";

const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const { Ledger } = await import(new URL("../../dist/storage/ledger.js", import.meta.url).href);
const { parsePartHeader } = await import(new URL("../../dist/storage/part-ledger.js", import.meta.url).href);

export const modelPath = fileURLToPath(new URL("../../fixture/fixture-12l.gguf", import.meta.url));
export const OUTPUT = "out.gguf";
/** What a run that ended well leaves beside its model. */
const FILES = ["", ".plan.json", ".report.html", ".report.json"].map((end) => OUTPUT + end);
const ALIKE =
	"-n 2 --max-evaluations 30 --max-time 2h --windows 2 --window-length 32 --threads 1 --ubatch 128 --seed 3 --no-speed --no-samples";

/**
 * Options by job: between them the search, also on a copy of the model, half-block cuts, healing, and every file that a run writes. The time
 * limit is never reached.
 */
export const JOBS = {
	healed: `${ALIKE} --granularity block --working-weights own --heal=1024`.split(" "),
	"half-block": `${ALIKE} --working-weights Q4_0`.split(" "),
};

/**
 * Runs the command line in a folder, which holds its cache too.
 * @param {string} folder
 * @param {string[]} args
 * @param {{ env?: Record<string, string>, onStart?: (child: import("node:child_process").ChildProcess) => void,
 * onOutput?: (stderr: string) => void }} [setup]
 * @returns {Promise<{ code: number | null, signal: string | null, stdout: string, stderr: string }>}
 */
export function runProgram(folder, args, { env = {}, onStart, onOutput } = {}) {
	return new Promise((resolve, reject) => {
		const setup = {
			cwd: folder,
			env: { ...process.env, NODE_OPTIONS: "", NO_COLOR: "1", OMP_WAIT_POLICY: "passive", PRUNE_GGUF_HOME: homeOf(folder), ...env },
			stdio: ["ignore", "pipe", "pipe"],
		};
		const child = endWithUs(spawn(process.execPath, [main, ...args], setup));
		const said = { stdout: "", stderr: "" };
		child.stdout.setEncoding("utf8").on("data", (text) => (said.stdout += text));
		child.stderr.setEncoding("utf8").on("data", (text) => {
			said.stderr += text;
			onOutput?.(said.stderr);
		});
		child.on("error", reject);
		child.on("close", (code, signal) => resolve({ code, signal, ...said }));
		onStart?.(child);
	});
}

/** Runs one of JOBS. @param {string} folder @param {{ model?: string, options?: string[] }} [setup] and that of `runProgram` */
export const runJob = (folder, { model = modelPath, options = JOBS.healed, ...setup } = {}) =>
	runProgram(folder, [model, OUTPUT, ...options], setup);

export const homeOf = (folder) => join(folder, "home");

/** Files below a folder, as paths relative to it. */
export function filesBelow(folder) {
	if (!existsSync(folder)) return [];
	return readdirSync(folder, { recursive: true, withFileTypes: true })
		.filter((entry) => entry.isFile())
		.map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}

const hashOf = (path) => createHash("sha256").update(readFileSync(path)).digest("hex");

/** A plan without what differs from run to run, and nothing else: when it was made, and how long that took. */
function comparable({ created, timings, heal, ...rest }) {
	const { seconds, ...healed } = heal ?? {};
	return JSON.stringify({ ...rest, heal: heal && healed });
}

/** What a run has chosen and written, to compare with another. @returns {{ model: string, plan: string }} */
export function resultOf(folder) {
	const plan = JSON.parse(readFileSync(join(folder, `${OUTPUT}.plan.json`), "utf8"));
	return { model: hashOf(join(folder, OUTPUT)), plan: comparable(plan) };
}

/** Distinct parts of an evaluation's cache, without a last line that was torn. @throws if it is damaged before that */
function partsIn(path) {
	const [first, ...lines] = readFileSync(path, "utf8").split("\n").slice(0, -1);
	const { parts } = parsePartHeader(first, path);
	const found = lines.map((line) => JSON.parse(line).part);
	const wrong = found.find((part) => !Number.isInteger(part) || part < 0 || part >= parts);
	if (wrong !== undefined) throw new Error(`${path} has a part ${wrong} of ${parts}`);
	return new Set(found).size;
}

/** Distinct candidates, and parts of evaluations, in the caches of a folder. @throws if a cache is damaged before its last line */
export async function cachedMeasurements(folder) {
	let count = 0;
	for (const path of filesBelow(homeOf(folder))) {
		const kind = /[/\\][0-9a-f]{12}\.(evaluation\.)?ledger\.jsonl$/.exec(path);
		if (!kind || readFileSync(path).indexOf(10) < 0) continue;
		if (kind[1]) {
			count += partsIn(path);
			continue;
		}
		const { measurements } = await Ledger.read(path);
		count += new Set(measurements.map(({ coalition }) => coalition.key)).size;
	}
	return count;
}

/** Whether a run has written all its files. */
export const isFinished = (folder) => FILES.every((name) => existsSync(join(folder, name)));

/** Locks, what a process that takes or takes over one has in its hand, and unfinished files. */
const LEFT = /\.partial-|\.lock(\.|$)/;

/** What a lock says of its holder: a lock of the same name may be another one. Empty for what is no lock, or is gone by now. */
function holderIn(path) {
	try {
		return path.endsWith(".lock") ? readFileSync(path, "utf8") : "";
	} catch (error) {
		if (error.code !== "ENOENT") throw error;
		return "";
	}
}

/**
 * Locks and unfinished files in a folder: only a run that was killed may leave them, and the next ones may leave those alone.
 * @returns {Map<string, string>} who holds it, by path
 */
export const leftIn = (folder) =>
	new Map(
		filesBelow(folder)
			.filter((path) => LEFT.test(path))
			.map((path) => [path, holderIn(path)]),
	);

/**
 * @param {string} folder
 * @param {ReadonlyMap<string, string>} [before]
 * @returns {string[]} locks and unfinished files that were not there before, and locks that a later run has taken over and not freed
 */
export function faultsOfStop(folder, before = new Map()) {
	return [...leftIn(folder)].filter(([path, holder]) => before.get(path) !== holder).map(([path]) => `left ${path}`);
}

/** @returns {string[]} what a run that ended well left and should not have, or lacks @param {string} folder @param {ReadonlyMap<string, string>} [before] */
export function faultsOfEnd(folder, before) {
	const faults = FILES.filter((name) => !existsSync(join(folder, name))).map((name) => `${name} is missing`);
	const written = filesBelow(homeOf(folder)).filter((path) => path.endsWith(".written.json"));
	return [...faults, ...written.map((path) => `left ${path}`), ...faultsOfStop(folder, before)];
}
