// Makes the system fail in the middle of a run, and checks what the run says and leaves. Then the same command must finish, with the same result.
//   node scripts/faults/faults.mjs [--only "part of a name"]...
import { execFileSync } from "node:child_process";
import {
	copyFileSync,
	cpSync,
	existsSync,
	mkdirSync,
	readdirSync,
	readFileSync,
	renameSync,
	rmSync,
	unlinkSync,
	writeFileSync,
} from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { cachedMeasurements, faultsOfEnd, faultsOfStop, filesBelow, JOBS, modelPath, OUTPUT, resultOf, runProgram } from "./job.mjs";
import { cleanOnSignals, temporaryFolder } from "./leftovers.mjs";

const { ENOSPC, EIO, EROFS, EACCES } = constants.errno;
const MODEL = "model.gguf";
const TEXT = "text.txt";
/** Ends of the names of caches: their locks are other files. */
const CACHE = ".ledger.jsonl";
const PRUNE = [MODEL, OUTPUT, ...JOBS["half-block"]];
const EVALUATE = ["evaluate", MODEL, "--text", TEXT, "--remove", "3", "--window-length", "32", "--threads", "1", "--json"];
/** Made by the library once it has acted. */
const MARK = "acted";
const words = "The captain looked at the sea, and the sea was quiet. A ship far away sailed over the water to the land. ";

/**
 * @typedef {object} Fault
 * @property {string} name
 * @property {string[]} [args] of the command line; default PRUNE
 * @property {Record<string, string>} [env] of the run that fails
 * @property {(folder: string) => void} [during] done as soon as the search has begun
 * @property {RegExp} [says] what the run says
 * @property {number} [ends] its exit code; default 1
 * @property {boolean} [keeps] whether its caches hold what it had measured
 */

const call = (name, kind, errno, path, says, { after = 0, ...how } = {}) => ({
	name,
	env: { FAULT_CALL: kind, FAULT_ERRNO: String(errno), FAULT_PATH: path, FAULT_AFTER: String(after) },
	says,
	...how,
});
const ofEvaluation = (name, kind, errno, says, how) => call(name, kind, errno, `.evaluation${CACHE}$`, says, { ...how, args: EVALUATE });

/** @type {Fault[]} */
const FAULTS = [
	call("ENOSPC while the model is written", "write", ENOSPC, `.${OUTPUT}.partial-`, /cannot be written: .*(full|space)/i),
	call("EIO while the model is written", "write", EIO, `.${OUTPUT}.partial-`, /cannot be written: .*EIO|i\/o error/i),
	call("EIO while the model is flushed to the disk", "sync", EIO, `.${OUTPUT}.partial-`, /cannot be written: .*EIO|i\/o error/i),
	call("EIO while the model gets its name", "rename", EIO, OUTPUT, /cannot be written: .*EIO|i\/o error/i),
	call("EROFS where the model is to be", "create", EROFS, `.${OUTPUT}.partial-`, /read-only file system/),
	call("EACCES where the model is to be", "create", EACCES, `.${OUTPUT}.partial-`, /no permission/),
	call("ENOSPC while the plan is written", "write", ENOSPC, ".plan.json.partial-", /(full|space)/i),
	call("ENOSPC while the page is written", "write", ENOSPC, ".report.html.partial-", /(full|space)/i),
	call("ENOSPC while the cache is begun", "write", ENOSPC, `${CACHE}$`, /the cache \S+ cannot be written: the disk is full/),
	call("ENOSPC while the cache grows", "write", ENOSPC, `${CACHE}$`, /the cache \S+ cannot be written: .*free some space/, {
		...{ after: 6, keeps: true },
	}),
	call("EIO while the cache is flushed to the disk", "sync", EIO, `${CACHE}$`, /the cache \S+ cannot be (written|used): .*EIO|i\/o error/),
	call("EACCES in the cache", "create", EACCES, `${CACHE}$`, /the cache \S+ cannot be used: .*EACCES/),
	ofEvaluation(
		"ENOSPC while the cache of an evaluation is begun",
		"write",
		ENOSPC,
		/not cached: the evaluation \S+ cannot be kept: the disk is full/,
		{
			ends: 0,
		},
	),
	ofEvaluation("EACCES in the cache of an evaluation", "create", EACCES, /not cached: the evaluation \S+ cannot be kept: .*EACCES/, {
		ends: 0,
	}),
	ofEvaluation("ENOSPC while the cache of an evaluation grows", "write", ENOSPC, /the evaluation \S+ cannot be kept: the disk is full/, {
		...{ after: 3, keeps: true },
	}),
	ofEvaluation("EIO while the cache of an evaluation is flushed", "sync", EIO, /the evaluation \S+ cannot be kept: .*(EIO|i\/o error)/),
	call("EIO while the model is read", "read", EIO, `/${MODEL}`, /cannot be read|EIO/, { after: 1 }),
	{ name: "the clock jumps back by a day", env: { FAULT_CLOCK: "86400", FAULT_CLOCK_AFTER: "2500" }, ends: 0 },
	{
		name: "the model is deleted",
		during: (folder) => unlinkSync(join(folder, MODEL)),
		says: /changed while it was worked on|cannot be read/,
	},
	{
		name: "another model takes its name",
		during: (folder) => {
			const other = readFileSync(modelPath);
			// The last byte of the weights.
			other[other.length - 1] ^= 1;
			writeFileSync(join(folder, "other.gguf"), other);
			renameSync(join(folder, "other.gguf"), join(folder, MODEL));
		},
		says: /changed while it was worked on|changed since its header was read/,
	},
];

export const FAULT_NAMES = FAULTS.map(({ name }) => name);

/** Compiles the library that makes calls fail. Needs a C compiler, and Linux. @returns {string} its path in the folder */
export function compileShim(folder) {
	const library = join(folder, "shim.so");
	execFileSync("cc", ["-shared", "-fPIC", "-O1", "-o", library, fileURLToPath(new URL("shim.c", import.meta.url)), "-ldl"]);
	return library;
}

/** A folder with the model and a text, and a job run in it. */
function jobIn(folder, args = PRUNE) {
	mkdirSync(folder, { recursive: true });
	copyFileSync(modelPath, join(folder, MODEL));
	writeFileSync(join(folder, TEXT), words.repeat(40));
	return (setup = {}) => runProgram(folder, args, setup);
}

/** What a run gives, to compare: files, or figures. */
function given(folder, args, { stdout }) {
	if (args === PRUNE) return resultOf(folder);
	const { seconds, ...figures } = JSON.parse(stdout);
	return { figures: JSON.stringify(figures) };
}

/** What undisturbed runs give. @param {string} root a folder of its own */
export async function undisturbed(root) {
	const results = [];
	for (const [name, args] of Object.entries({ straight: PRUNE, "straight-evaluation": EVALUATE })) {
		const folder = join(root, name);
		const run = await jobIn(folder, args)();
		if (run.code !== 0) throw new Error(`the undisturbed run ended with ${run.code ?? run.signal}: ${run.stderr}`);
		results.push(given(folder, args, run));
	}
	return { folder: join(root, "straight"), result: Object.assign({}, ...results) };
}

/** @returns {string[]} what a run that ended well gives otherwise than an undisturbed one, or has left */
function faultsOfResult(folder, args, run, expected) {
	const found = given(folder, args, run);
	const other = Object.keys(found).filter((part) => found[part] !== expected[part]);
	return [...(args === PRUNE ? faultsOfEnd(folder) : faultsOfStop(folder)), ...other.map((part) => `gives another ${part}`)];
}

/** Runs the same command again, which must give what an undisturbed run gives. @returns {Promise<string[]>} what is wrong */
async function finish(run, folder, args, expected) {
	const last = await run();
	const { code, signal, stderr } = last;
	if (code !== 0) return [`the next run ended with ${code ?? signal}: ${stderr.slice(-500)}`];
	return faultsOfResult(folder, args, last, expected).map((fault) => `the next run: ${fault}`);
}

/** @returns {Promise<string[]>} what is wrong with how a run ended that something failed in */
async function faultsOfFailed({ code, signal, stderr }, { says, ends = 1, keeps = false, env }, folder) {
	const faults = [];
	if (code !== ends) faults.push(`ended with ${code ?? signal}: ${stderr.slice(-500)}`);
	if (/fault of prune-gguf/.test(stderr)) faults.push("a fault of prune-gguf");
	if (says && !says.test(stderr)) faults.push(`said something else: ${stderr.slice(-500)}`);
	if (env && !existsSync(join(folder, MARK))) faults.push("no call failed, and no time was wrong");
	if (keeps && (await cachedMeasurements(folder)) === 0) faults.push("nothing is kept of what was measured");
	return [...faults, ...faultsOfStop(folder)];
}

/**
 * Lets one thing fail in a run.
 * @param {string} name one of FAULT_NAMES
 * @param {{ root: string, shim: string, expected: { model: string, plan: string, figures: string } }} setting
 * @returns {Promise<string[]>} what is wrong; empty if all is as it must be
 */
export async function tryFault(name, { root, shim, expected }) {
	const fault = FAULTS.find((one) => one.name === name);
	const { args = PRUNE, env, during, ends } = fault;
	const folder = join(root, name.replace(/\W+/g, "-"));
	const run = jobIn(folder, args);
	let done = during === undefined;
	const failed = await run({
		env: env ? { LD_PRELOAD: shim, UV_USE_IO_URING: "0", FAULT_MARK: join(folder, MARK), ...env } : {},
		onOutput: (text) => {
			if (done || !/Searching|Measuring blocks/.test(text)) return;
			done = true;
			during(folder);
		},
	});
	const faults = await faultsOfFailed(failed, fault, folder);
	if (!done) faults.push("the run did not get to its search");
	if (ends === 0 && faults.length === 0) faults.push(...faultsOfResult(folder, args, failed, expected));
	copyFileSync(modelPath, join(folder, MODEL));
	if (ends !== 0 || args !== PRUNE) faults.push(...(await finish(run, folder, args, expected)));
	rmSync(folder, { recursive: true, force: true });
	return faults;
}

/** @returns {string[]} what is wrong with how two runs at once ended @param {{ code: number | null, stderr: string }[]} runs */
export function faultsOfTwo(runs) {
	const codes = runs.map(({ code }) => code).sort();
	const faults = codes.join() === "0,1" ? [] : [`ended with ${codes.join(" and ")}, expected 0 and 1`];
	for (const { code, stderr } of runs)
		if (code !== 0 && !/is in use by process \d+\. Wait until that run has ended/.test(stderr)) faults.push(stderr.slice(-500));
	return faults;
}

/** Two runs at once with one cache: one of them is refused, and the other ends well. @returns {Promise<string[]>} what is wrong */
export async function tryTwoAtOnce({ root, expected }) {
	const folders = ["first", "second"].map((name) => join(root, "two", name));
	const home = join(root, "two", "home");
	const runs = await Promise.all(folders.map((folder) => jobIn(folder)({ env: { PRUNE_GGUF_HOME: home } })));
	const faults = faultsOfTwo(runs);
	for (const [i, run] of runs.entries()) if (run.code === 0) faults.push(...faultsOfResult(folders[i], PRUNE, run, expected));
	faults.push(...faultsOfStop(home));
	rmSync(join(root, "two"), { recursive: true });
	return faults;
}

/** A cache that a later version wrote: it is refused and left as it is. @param {string} straight folder of an undisturbed run */
export async function tryNewerCache({ root, straight }) {
	const folder = join(root, "newer");
	const run = jobIn(folder);
	cpSync(join(straight, "home"), join(folder, "home"), { recursive: true });
	const ledgers = filesBelow(join(folder, "home")).filter((path) => path.endsWith(CACHE));
	for (const path of ledgers) writeFileSync(path, readFileSync(path, "utf8").replace('"version":1', '"version":2'));
	const before = ledgers.map((path) => readFileSync(path, "utf8"));
	const { code, stderr } = await run();
	const faults = [];
	if (code !== 1 || !/cache version 2, this program reads version 1.*Move the file away/.test(stderr))
		faults.push(`ended with ${code}: ${stderr.slice(-500)}`);
	if (ledgers.some((path, i) => readFileSync(path, "utf8") !== before[i])) faults.push("the cache was changed");
	if (readdirSync(folder).some((name) => name.includes("out.gguf"))) faults.push("an output was written");
	faults.push(...faultsOfStop(folder));
	rmSync(folder, { recursive: true });
	return faults;
}

async function main() {
	const { values } = parseArgs({ options: { only: { type: "string", multiple: true, default: [""] } } });
	cleanOnSignals();
	const { path: root, remove } = temporaryFolder("faults");
	try {
		const shim = compileShim(root);
		const { folder: straight, result: expected } = await undisturbed(root);
		const checks = {
			...Object.fromEntries(FAULT_NAMES.map((name) => [name, () => tryFault(name, { root, shim, expected })])),
			"two runs at once": () => tryTwoAtOnce({ root, expected }),
			"a cache of a later version": () => tryNewerCache({ root, straight }),
		};
		let [tried, wrong] = [0, 0];
		for (const [name, check] of Object.entries(checks)) {
			if (!values.only.some((part) => name.includes(part))) continue;
			const faults = await check();
			tried++;
			wrong += faults.length;
			process.stdout.write(`${faults.length === 0 ? "ok   " : "WRONG"} ${name}\n${faults.map((fault) => `      ${fault}\n`).join("")}`);
		}
		process.stdout.write(`faults: ${tried} of ${Object.keys(checks).length} tried; ${wrong} not as they must end\n`);
		process.exitCode = wrong > 0 || tried === 0 ? 1 : 0;
	} finally {
		remove();
	}
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) await main();
