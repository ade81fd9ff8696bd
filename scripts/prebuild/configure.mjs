// How CMake is called for a target.
import { spawnSync } from "node:child_process";
import { realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { nodeApiNames } from "./check.mjs";
import { compilerWrappers } from "./zig.mjs";

const require = createRequire(import.meta.url);
const systems = { linux: "Linux", win32: "Windows" };
const processors = { x64: "x86_64", arm64: "aarch64" };

/**
 * Arguments of the call that configures a build, and the files that they name, to be written before.
 * @param {object} target a row of targets.mjs
 * @param {{ root: string, folder: string, zig?: string[], compiler: string }} context `folder`: of the build; `compiler`: its name in info()
 * @returns {{ args: string[], files: { path: string, text: string, mode?: number }[] }}
 */
export function configuration(target, { root, folder, zig, compiler }) {
	const definitions = {
		CMAKE_BUILD_TYPE: "Release",
		CMAKE_JS_INC: `${dirname(require.resolve("node-api-headers/include/node_api.h"))};${dirname(require.resolve("node-addon-api/napi.h"))}`,
		CMAKE_LIBRARY_OUTPUT_DIRECTORY: join(folder, "Release"),
		CMAKE_RUNTIME_OUTPUT_DIRECTORY: join(folder, "Release"),
		PRUNE_GGUF_COMPILER: compiler,
		PRUNE_GGUF_LEVEL: target.level,
		GGML_NATIVE: "OFF",
		GGML_CCACHE: "OFF",
		// Its library would have to be there on the user's machine.
		GGML_OPENMP: "OFF",
		...allOff(),
		...target.cmake,
	};
	const flags = [...portableFlags(root), ...(target.compilerFlags ?? [])];
	const files = [];
	if (zig) {
		const wrappers = compilerWrappers(join(folder, "bin"), zig, target);
		files.push(...wrappers.files);
		Object.assign(definitions, wrappers.definitions, {
			CMAKE_SYSTEM_NAME: systems[target.platform],
			CMAKE_SYSTEM_PROCESSOR: processors[target.arch],
			CMAKE_SHARED_LINKER_FLAGS: "-s",
		});
		// zig adds debugging information and frame pointers unless told otherwise, and turns -O3 into -O2.
		flags.push("-g0", "-fomit-frame-pointer");
	}
	if (target.platform === "win32") {
		files.push(nodeApiNamesHeader(join(folder, "generated")));
		flags.push(`-I${join(folder, "generated")}`);
		// Node-API comes from the running program: this file finds its functions.
		definitions.CMAKE_JS_SRC = join(root, "native", "win32", "node_api.cpp");
	}
	definitions.CMAKE_C_FLAGS = definitions.CMAKE_CXX_FLAGS = flags.join(" ");
	if (target.platform === "darwin") definitions.CMAKE_SHARED_LINKER_FLAGS = "-undefined dynamic_lookup";
	const generator = spawnSync("ninja", ["--version"]).status === 0 ? ["-G", "Ninja"] : [];
	const defined = Object.entries(definitions).map(([name, value]) => `-D${name}=${value}`);
	return { args: [root, "-B", folder, "--no-warn-unused-cli", ...generator, ...defined], files };
}

/** What ggml would use by default or by what it finds on this machine: each target switches on its own. */
function allOff() {
	const names = ["SSE42", "AVX", "AVX_VNNI", "AVX2", "BMI2", "FMA", "F16C", "AVX512", "METAL", "CUDA", "VULKAN", "RPC", "BLAS"];
	return Object.fromEntries(names.map((name) => [`GGML_${name}`, "OFF"]));
}

/** No path of this machine comes into the file, so two machines make the same one. */
function portableFlags(root) {
	const folders = new Set([root, realpathSync(root)].map((folder) => folder.replace(/\/$/, "")));
	const vendor = realpathSync(join(root, "vendor", "llama.cpp"));
	return [...[...folders].map((folder) => `-ffile-prefix-map=${folder}=.`), `-ffile-prefix-map=${vendor}=./vendor/llama.cpp`];
}

/** The functions of Node-API, for native/win32/node_api.cpp. */
function nodeApiNamesHeader(folder) {
	const list = nodeApiNames.map((name) => ` \\\n    X(${name})`).join("");
	return { path: join(folder, "node_api_names.h"), text: `#define NODE_API_NAMES(X)${list}\n` };
}
