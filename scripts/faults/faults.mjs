// Makes the system fail in the middle of a run, and checks what the run says and leaves. Then the same command must finish, with the same result.
//   node scripts/faults/faults.mjs [--only "part of a name"]
import { execFileSync } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { faultsOfEnd, faultsOfStop, filesBelow, modelPath, OUTPUT, resultOf, runJob } from "./job.mjs";
import { cleanOnSignals, temporaryFolder } from "./leftovers.mjs";

const { ENOSPC, EIO, EROFS, EACCES } = constants.errno;
const MODEL = "model.gguf";
const CACHE = ".ledger.jsonl";

/**
 * @typedef {object} Fault
 * @property {string} name
 * @property {Record<string, string>} [env] of the run that fails
 * @property {(folder: string) => void} [during] done as soon as the search has begun
 * @property {RegExp} [says] what the run says before it ends with 1; undefined: it ends well
 */

const call = (name, kind, errno, path, says, after = 0) => ({
	name,
	env: { FAULT_CALL: kind, FAULT_ERRNO: String(errno), FAULT_PATH: path, FAULT_AFTER: String(after) },
	says,
});

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
	call("ENOSPC while the cache is begun", "write", ENOSPC, CACHE, /the disk is full/),
	call("ENOSPC while the cache grows", "write", ENOSPC, CACHE, /cache .* cannot be written: .*free some space/, 6),
	call("EIO while the cache is flushed to the disk", "sync", EIO, CACHE, /cache .* cannot be (written|used): .*EIO/),
	call("EACCES in the cache", "create", EACCES, CACHE, /home\/runs\/.* cannot be (used|written): .*EACCES/),
	call("EIO while the model is read", "read", EIO, `/${MODEL}`, /cannot be read|EIO/, 1),
	{ name: "the clock jumps back by a day", env: { FAULT_CLOCK: "86400", FAULT_CLOCK_AFTER: "2500" } },
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

/** A folder with the model, and the job run in it. */
function jobIn(folder) {
	mkdirSync(folder, { recursive: true });
	copyFileSync(modelPath, join(folder, MODEL));
	return (setup = {}) => runJob(folder, { model: MODEL, ...setup });
}

/** What an undisturbed run gives. @param {string} root a folder of its own */
export async function undisturbed(root) {
	const folder = join(root, "straight");
	const { code, signal, stderr } = await jobIn(folder)();
	if (code !== 0) throw new Error(`the undisturbed run ended with ${code ?? signal}: ${stderr}`);
	return { folder, result: resultOf(folder) };
}

/** Runs the same command again, which must give what an undisturbed run gives. @returns {Promise<string[]>} what is wrong */
async function finish(run, folder, expected) {
	const { code, signal, stderr } = await run();
	if (code !== 0) return [`the next run ended with ${code ?? signal}: ${stderr.slice(-500)}`];
	const found = resultOf(folder);
	const other = ["model", "plan"].filter((part) => found[part] !== expected[part]).map((part) => `the next run gives another ${part}`);
	return [...faultsOfEnd(folder), ...other];
}

/**
 * Lets one thing fail in a run.
 * @param {string} name one of FAULT_NAMES
 * @param {{ root: string, shim: string, expected: { model: string, plan: string } }} setting
 * @returns {Promise<string[]>} what is wrong; empty if all is as it must be
 */
export async function tryFault(name, { root, shim, expected }) {
	const fault = FAULTS.find((one) => one.name === name);
	const folder = join(root, name.replace(/\W+/g, "-"));
	const run = jobIn(folder);
	let done = false;
	const { code, signal, stderr } = await run({
		env: { ...(fault.env ? { LD_PRELOAD: shim, UV_USE_IO_URING: "0" } : {}), ...fault.env },
		onOutput: (text) => {
			if (done || !/Searching|Measuring blocks/.test(text)) return;
			done = true;
			fault.during?.(folder);
		},
	});
	const faults = [];
	if (fault.says === undefined ? code !== 0 : code !== 1) faults.push(`ended with ${code ?? signal}: ${stderr.slice(-500)}`);
	if (/fault of prune-gguf/.test(stderr)) faults.push("a fault of prune-gguf");
	if (fault.says && !fault.says.test(stderr)) faults.push(`said something else: ${stderr.slice(-500)}`);
	faults.push(...faultsOfStop(folder));
	copyFileSync(modelPath, join(folder, MODEL));
	if (fault.says !== undefined) faults.push(...(await finish(run, folder, expected)));
	else if (faults.length === 0 && JSON.stringify(resultOf(folder)) !== JSON.stringify(expected)) faults.push("gives something else");
	rmSync(folder, { recursive: true, force: true });
	return faults;
}

/** Two runs at once with one cache: one of them may be refused, and the other ends well. @returns {Promise<string[]>} what is wrong */
export async function tryTwoAtOnce({ root, expected }) {
	const folders = ["first", "second"].map((name) => join(root, "two", name));
	const home = join(root, "two", "home");
	const runs = await Promise.all(folders.map((folder) => jobIn(folder)({ env: { PRUNE_GGUF_HOME: home } })));
	const faults = [];
	const ended = runs.filter(({ code }) => code === 0).length;
	if (ended === 0) faults.push("none of the two runs ended well");
	for (const [i, { code, stderr }] of runs.entries()) {
		if (code !== 0 && !(code === 1 && /is in use by process \d+\. Wait until that run has ended/.test(stderr)))
			faults.push(stderr.slice(-500));
		if (code === 0 && JSON.stringify(resultOf(folders[i])) !== JSON.stringify(expected)) faults.push("another result");
	}
	for (const path of filesBelow(home)) if (path.endsWith(".lock")) faults.push(`left ${path}`);
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
	const { values } = parseArgs({ options: { only: { type: "string", default: "" } } });
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
			if (!name.includes(values.only)) continue;
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
