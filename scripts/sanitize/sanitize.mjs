// Runs the native tests with the addon under sanitizers, and a small run under valgrind.
//   npm run test:sanitize [-- --only address,undefined,thread,valgrind] [-- --tests test/native] [-- --state FILE]
// Builds llama.cpp and the addon once for each sanitizer: tens of minutes at first. Needs Linux, GCC or Clang, and valgrind for its part.
// With --state, a test file that was clean with the same build and has not changed is not run again. The last line has the figures.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { cleanOnSignals, endWithUs } from "../faults/leftovers.mjs";
import { keptState } from "../faults/state.mjs";
import { addonForValgrind, growthOf } from "./leaks.mjs";
import { sanitizerLibrary } from "./library.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const here = (name) => fileURLToPath(new URL(name, import.meta.url));
/** What uses the addon. Times that a test demands are stretched (PATIENCE). */
export const TESTS = [
	"test/native",
	"test/model/runtime/model.test.ts",
	"test/model/runtime/sampling.test.ts",
	"test/model/runtime/cancelling.test.ts",
	"test/model/runtime/disposing.test.ts",
	"test/model/runtime/exit.test.ts",
];
const PATIENCE = 30;

/** Settings of each sanitizer. `halt_on_error`: what it finds ends the process, so the test fails. */
const SANITIZERS = {
	address: { ASAN_OPTIONS: `detect_leaks=0:halt_on_error=1:suppressions=${here("address.supp")}` },
	undefined: { UBSAN_OPTIONS: `halt_on_error=1:print_stacktrace=1:suppressions=${here("undefined.supp")}` },
	// Programs that are not built with it, such as Node.js and parts of vitest, copy memory under locks that it does not see.
	thread: { TSAN_OPTIONS: `ignore_noninstrumented_modules=1:halt_on_error=1:second_deadlock_stack=1:suppressions=${here("thread.supp")}` },
};
const NAMES = [...Object.keys(SANITIZERS), "valgrind"];

/** Runs a step, and shows what it says. @returns {Promise<{ ok: boolean, said: string }>} */
async function step(command, args) {
	process.stderr.write(`\n> ${command} ${args.join(" ")}\n`);
	const child = endWithUs(spawn(command, args, { cwd: root, stdio: ["ignore", "pipe", "inherit"] }));
	let said = "";
	child.stdout.setEncoding("utf8").on("data", (text) => {
		process.stderr.write(text);
		said = (said + text).slice(-4000);
	});
	const [code, signal] = await new Promise((resolve, reject) => {
		child.on("error", (error) => reject(new Error(`${command} cannot be started: ${error.message}`)));
		child.on("close", (...end) => resolve(end));
	});
	return { ok: code === 0 && signal === null, said };
}

/**
 * Tests with doubles of devices load another addon, which is not under a sanitizer; those that load a library of their own before Node.js would put it
 * in the place of the sanitizer's.
 */
const isLeftOut = (path) => /useFakeDevices\(|LD_PRELOAD/.test(readFileSync(join(root, path), "utf8"));

/** Files of tests, by path or folder. */
function filesOf(tests) {
	const files = tests.flatMap((path) =>
		statSync(join(root, path)).isDirectory() ? readdirSync(join(root, path)).map((name) => join(path, name)) : [path],
	);
	return files.filter((path) => path.endsWith(".test.ts") && !isLeftOut(path));
}

const hashOf = (path) => createHash("sha256").update(readFileSync(path)).digest("hex");

/** Tests of a file that were clean with this build; undefined if it must run, as it must once it is another file. @returns {number | undefined} */
export const knownClean = (clean, file, hash) => (clean[file]?.hash === hash ? clean[file].tests : undefined);

/** @returns {Promise<{ files: number, tests: number, failed: string[] }>} `tests` that passed */
async function runSanitizer(name, { tests, found, save }) {
	const { ok } = await step(process.execPath, ["scripts/build-native.mjs", "--sanitize", name]);
	if (!ok) throw new Error(`the build for ${name} failed: it says above why`);
	const addon = join(root, "build", `cpu-${name}`, "RelWithDebInfo", "prune_gguf.node");
	if (!existsSync(addon)) throw new Error(`${addon} is not there: the build says why`);
	const settings = { ...SANITIZERS[name], PRUNE_GGUF_ADDON: addon, PRUNE_GGUF_TEST_PATIENCE: PATIENCE };
	settings.LD_PRELOAD = sanitizerLibrary(name, join(root, "build", `cpu-${name}`));
	const build = hashOf(addon);
	if (found[name]?.build !== build) found[name] = { build, clean: {} };
	const { clean } = found[name];
	const failed = [];
	const files = filesOf(tests);
	let passedTests = 0;
	for (const file of files) {
		const hash = hashOf(join(root, file));
		const known = knownClean(clean, file, hash);
		passedTests += known ?? 0;
		if (known !== undefined) continue;
		// ThreadSanitizer needs memory at fixed places. The library is for Node.js, not for the programs that start it.
		const before = [...(name === "thread" ? ["setarch", "-R"] : []), "env", ...Object.entries(settings).map((pair) => pair.join("="))];
		const [command, ...args] = [...before, process.execPath, "scripts/test.mjs", file];
		const { ok: passed, said } = await step(command, args);
		// The last line says how many; a file without a test that ran has shown nothing.
		const count = Number(/^(\d+) passed, 0 failed/m.exec(said)?.[1] ?? 0);
		if (passed && count > 0) clean[file] = { hash, tests: count };
		else {
			delete clean[file];
			failed.push(file);
		}
		passedTests += knownClean(clean, file, hash) ?? 0;
		save();
	}
	return { files: files.length, tests: passedTests, failed };
}

/** @returns {{ clean: boolean, detail: string }} */
function runValgrind() {
	const folder = mkdtempSync(join(tmpdir(), "prune-gguf-valgrind-"));
	try {
		return growthOf(folder, addonForValgrind(root));
	} finally {
		rmSync(folder, { recursive: true });
	}
}

/** @returns {Promise<{ clean: boolean, line: string }>} */
async function run(name, setting) {
	if (name === "valgrind") {
		const { clean, detail } = runValgrind();
		return { clean, line: `valgrind ${clean ? "clean" : "NOT CLEAN"} (${detail})` };
	}
	const { files, tests, failed } = await runSanitizer(name, setting);
	const wrong = failed.length > 0 ? `; not clean: ${failed.join(", ")}` : "";
	return {
		clean: failed.length === 0,
		line: `${name} ${wrong ? "NOT CLEAN" : "clean"} (${tests} tests in ${files - failed.length} of ${files} files${wrong})`,
	};
}

async function main() {
	const { values } = parseArgs({
		options: { only: { type: "string", default: NAMES.join(",") }, tests: { type: "string" }, state: { type: "string" } },
	});
	const chosen = values.only.split(",");
	const wrong = chosen.filter((name) => !NAMES.includes(name));
	if (wrong.length > 0) throw new Error(`--only: expected some of ${NAMES.join(", ")}, got ${wrong.join(", ")}`);
	if (process.platform !== "linux") throw new Error("sanitizers need Linux: there their libraries can be loaded first");
	cleanOnSignals();
	const { found, save } = keptState(values.state, {}, {});
	const results = [];
	for (const name of chosen) results.push(await run(name, { tests: values.tests?.split(",") ?? TESTS, found, save }));
	process.stdout.write(`sanitize: ${results.map(({ line }) => line).join("; ")}\n`);
	process.exitCode = results.every(({ clean }) => clean) ? 0 : 1;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
	main().catch((error) => {
		process.stderr.write(`error: ${error.message}\n`);
		process.exitCode = 2;
	});
}
