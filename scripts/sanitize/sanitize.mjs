// Runs the native tests with the addon under sanitizers, and a small run under valgrind.
//   npm run test:sanitize [-- --only address,undefined,thread,valgrind] [-- --tests test/native]
// Builds llama.cpp and the addon once for each sanitizer: tens of minutes at first. Needs Linux, GCC or Clang, and valgrind for its part.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { growthOf } from "./leaks.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const here = (name) => fileURLToPath(new URL(name, import.meta.url));
/** What uses the addon, without the tests that demand a time. */
const TESTS = [
	"test/native",
	"test/model/runtime/model.test.ts",
	"test/model/runtime/sampling.test.ts",
	"test/model/runtime/cancelling.test.ts",
];

/** Settings of each sanitizer. `halt_on_error`: what it finds ends the process, so the test fails. */
const SANITIZERS = {
	address: { ASAN_OPTIONS: `detect_leaks=0:halt_on_error=1:suppressions=${here("address.supp")}` },
	undefined: { UBSAN_OPTIONS: `halt_on_error=1:print_stacktrace=1:suppressions=${here("undefined.supp")}` },
	thread: { TSAN_OPTIONS: `halt_on_error=1:second_deadlock_stack=1:suppressions=${here("thread.supp")}` },
};
const NAMES = [...Object.keys(SANITIZERS), "valgrind"];

function step(command, args, env = {}) {
	process.stderr.write(`\n> ${command} ${args.join(" ")}\n`);
	const { status, signal, error } = spawnSync(command, args, { cwd: root, stdio: "inherit", env: { ...process.env, ...env } });
	if (error) throw new Error(`${command} cannot be started: ${error.message}`);
	return status === 0 && signal === null;
}

/** The library of a sanitizer, as the build names it at its end. */
function libraryOf(name) {
	const short = { address: "asan", undefined: "ubsan", thread: "tsan" }[name];
	const { stdout } = spawnSync("c++", [`-print-file-name=lib${short}.so`], { encoding: "utf8" });
	return stdout?.includes("/") ? stdout.trim() : `lib${short}.so`;
}

/** @returns {boolean} whether the tests pass */
function runSanitizer(name, tests) {
	if (!step(process.execPath, ["scripts/build-native.mjs", "--sanitize", name])) return false;
	const addon = join(root, "build", `cpu-${name}`, "RelWithDebInfo", "prune_gguf.node");
	if (!existsSync(addon)) throw new Error(`${addon} is not there: the build says why`);
	const env = { ...SANITIZERS[name], LD_PRELOAD: libraryOf(name), PRUNE_GGUF_ADDON: addon };
	// ThreadSanitizer needs memory at fixed places.
	const [command, ...before] = name === "thread" ? ["setarch", "-R", process.execPath] : [process.execPath];
	return step(command, [...before, "scripts/test.mjs", ...tests], env);
}

/** @returns {boolean} whether what is lost in a long run is no more than in a short one */
function runValgrind() {
	const folder = mkdtempSync(join(tmpdir(), "prune-gguf-valgrind-"));
	try {
		const { growth, detail } = growthOf(folder);
		process.stderr.write(`valgrind: ${detail}\n`);
		return growth <= 0;
	} finally {
		rmSync(folder, { recursive: true });
	}
}

function main() {
	const { values } = parseArgs({ options: { only: { type: "string", default: NAMES.join(",") }, tests: { type: "string" } } });
	const chosen = values.only.split(",");
	const wrong = chosen.filter((name) => !NAMES.includes(name));
	if (wrong.length > 0) throw new Error(`--only: expected some of ${NAMES.join(", ")}, got ${wrong.join(", ")}`);
	if (process.platform !== "linux") throw new Error("sanitizers need Linux: there their libraries can be loaded first");
	const results = chosen.map((name) => ({
		name,
		clean: name === "valgrind" ? runValgrind() : runSanitizer(name, values.tests?.split(",") ?? TESTS),
	}));
	for (const { name, clean } of results) process.stdout.write(`${name}: ${clean ? "clean" : "NOT CLEAN"}\n`);
	process.exitCode = results.every(({ clean }) => clean) ? 0 : 1;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
	try {
		main();
	} catch (error) {
		process.stderr.write(`error: ${error.message}\n`);
		process.exitCode = 2;
	}
}
