// Builds the addon with libFuzzer: minutes at first, seconds if nothing changed.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const folder = join(root, "build", "cpu-fuzz");
const HELP =
	"libFuzzer comes with Clang: on Debian and Ubuntu `apt-get install clang libclang-rt-dev` (Debian 12: libclang-rt-14-dev). " +
	"CLANG=clang-18 chooses another one";

const starts = (program) => spawnSync(program, ["--version"]).status === 0;

/**
 * What is missing for the build, with what to do; undefined if nothing is.
 * @param {string} clang
 * @param {{ starts?: (program: string) => boolean, hasRuntime?: (clang: string) => boolean }} of
 */
export function missingFor(clang, { starts: has = starts, hasRuntime = canLink } = {}) {
	if (process.platform !== "linux") return "the addon is fuzzed on Linux only";
	if (!has("cmake")) return "cmake is missing: install it";
	if (!has(clang) || !has(compilerOf(clang))) return `${clang} is missing. ${HELP}`;
	if (!hasRuntime(clang)) return `${clang} has no libFuzzer. ${HELP}`;
	return existsSync(join(root, "vendor/llama.cpp/CMakeLists.txt")) ? undefined : "the sources of llama.cpp are missing: npm run fetch";
}

/** clang++-18 of clang-18. */
const compilerOf = (clang) => clang.replace(/clang(?!.*clang)/, "clang++");

function canLink(clang) {
	const source = "int LLVMFuzzerTestOneInput(const char *, unsigned long) { return 0; }";
	const args = ["-x", "c", "-fsanitize=fuzzer,address,undefined", "-o", "/dev/null", "-"];
	return spawnSync(clang, args, { input: source }).status === 0;
}

/** @throws {Error} with the last lines of a step that failed */
function run(step, args) {
	process.stderr.write(`> cmake ${args.join(" ")}\n`);
	const { status, signal, stdout, stderr } = spawnSync("cmake", args, { cwd: root, encoding: "utf8", maxBuffer: 2 ** 28 });
	if (status !== 0) throw new Error(`${step} failed (${signal ?? status}):\n${`${stdout}${stderr}`.slice(-3000)}`);
}

/**
 * @param {{ clang: string, jobs: number }} options
 * @returns {string} path of the program
 */
export function buildFuzzer({ clang, jobs }) {
	const include = ["node-api-headers/include", "node-addon-api"].map((name) => join(root, "node_modules", name)).join(";");
	const flags = "-O1 -gline-tables-only -DNDEBUG";
	run("configuring", [
		...["-S", fileURLToPath(new URL(".", import.meta.url)), "-B", folder, "-DCMAKE_BUILD_TYPE=RelWithDebInfo"],
		...[`-DCMAKE_C_COMPILER=${clang}`, `-DCMAKE_CXX_COMPILER=${compilerOf(clang)}`],
		...[`-DCMAKE_C_FLAGS_RELWITHDEBINFO=${flags}`, `-DCMAKE_CXX_FLAGS_RELWITHDEBINFO=${flags}`],
		...["-DGGML_OPENMP=OFF", `-DNODE_API_INCLUDE=${include}`],
	]);
	run("the build", ["--build", folder, "--parallel", String(jobs), "--target", "prune-gguf-fuzz"]);
	return join(folder, "prune-gguf-fuzz");
}

/** Settings of the program: what a sanitizer finds ends it, and its input is kept. */
export function fuzzerSettings() {
	const suppressions = join(root, "scripts/fuzz/native/undefined.supp");
	return {
		PRUNE_GGUF_FUZZ_MODEL: join(root, "fixture/fixture-12l.gguf"),
		GGML_NO_BACKTRACE: "1",
		ASAN_OPTIONS: "halt_on_error=1:abort_on_error=0",
		UBSAN_OPTIONS: `halt_on_error=1:print_stacktrace=1:suppressions=${suppressions}`,
	};
}
