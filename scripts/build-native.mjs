// Compiles the addon of this clone. Needs `npm run build` first.
//   node scripts/build-native.mjs [--backend cpu|cuda|metal|vulkan|rpc] [--reference-tools | --debug | --sanitize address|undefined|thread]
//
// --reference-tools: also llama.cpp's own programs, which tests use for comparison. --debug and --sanitize make another build, in a folder of
// its own; the usual one stays unchanged.
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { sanitizerLibrary } from "./sanitize/library.mjs";

const backends = ["cpu", "cuda", "metal", "vulkan", "rpc"];
const sanitizers = ["address", "undefined", "thread"];

/** What to build. @throws {Error} that says what is wrong with the arguments */
function wanted(args) {
	const options = {
		backend: { type: "string" },
		"reference-tools": { type: "boolean" },
		debug: { type: "boolean" },
		sanitize: { type: "string" },
	};
	const { values } = parseArgs({ args, options });
	const { backend, debug, sanitize, "reference-tools": referenceTools = false } = values;
	if (backend !== undefined && !backends.includes(backend))
		throw new Error(`--backend must be one of ${backends.join(", ")}, not ${JSON.stringify(backend)}`);
	if (sanitize !== undefined && !sanitizers.includes(sanitize))
		throw new Error(`--sanitize must be one of ${sanitizers.join(", ")}, not ${JSON.stringify(sanitize)}`);
	if (debug && sanitize) throw new Error("--debug and --sanitize are two builds: choose one");
	if (referenceTools && (debug || sanitize))
		throw new Error("--reference-tools belongs to the usual build, without --debug and --sanitize");
	if (sanitize && process.platform !== "linux")
		throw new Error("--sanitize needs GCC or Clang on Linux: there its library can be loaded first");
	return { backend, referenceTools, variant: debug ? "debug" : sanitize };
}

/** The command to run tests with such a build. */
function testCommand(variant, addon) {
	const folder = dirname(dirname(addon));
	const settings = {
		debug: () => [],
		address: () => [`LD_PRELOAD=${sanitizerLibrary("address", folder)}`, "ASAN_OPTIONS=detect_leaks=0"],
		undefined: () => [`LD_PRELOAD=${sanitizerLibrary("undefined", folder)}`, "UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1"],
		thread: () => [`LD_PRELOAD=${sanitizerLibrary("thread", folder)}`, "TSAN_OPTIONS=halt_on_error=1"],
	}[variant]();
	return [...settings, `PRUNE_GGUF_ADDON=${addon}`, "node scripts/test.mjs test/native"].join(" \\\n  ");
}

async function build({ backend, referenceTools, variant }) {
	const { buildAddon } = await import("../dist/jobs/build.js");
	let last = -1;
	const { addon, seconds } = await buildAddon({
		backend,
		referenceTools,
		variant,
		onProgress: ({ phase, done }) => {
			const tenth = Math.floor(done / 10);
			if (tenth === last) return;
			last = tenth;
			process.stderr.write(`${phase}: ${done} % after ${Math.round(process.uptime())} s\n`);
		},
	});
	process.stderr.write(`${addon} is ready (${Math.round(seconds)} s)\n`);
	if (variant) process.stderr.write(`Run tests with it:\n${testCommand(variant, addon)}\n`);
}

let options;
try {
	options = wanted(process.argv.slice(2));
} catch (error) {
	process.stderr.write(`error: ${error.message}\n`);
	process.exitCode = 2;
}
if (options)
	await build(options).catch((error) => {
		process.stderr.write(`error: ${error.message}\n`);
		process.exitCode = 1;
	});
