// The library of a sanitizer, which must be loaded before Node.js starts.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * @param {"address" | "undefined" | "thread"} sanitize
 * @param {string} folder of the build
 * @returns {string} the library of the compiler that made it
 */
export function sanitizerLibrary(sanitize, folder) {
	const compiler = /^CMAKE_CXX_COMPILER:\w+=(.*)$/m.exec(readFileSync(join(folder, "CMakeCache.txt"), "utf8"))?.[1] ?? "c++";
	const short = { address: "asan", thread: "tsan", undefined: "ubsan" }[sanitize];
	const arch = { x64: "x86_64", arm64: "aarch64" }[process.arch] ?? process.arch;
	for (const name of [`libclang_rt.${short}-${arch}.so`, `libclang_rt.${short}.so`, `lib${short}.so`]) {
		const { stdout } = spawnSync(compiler, [`-print-file-name=${name}`], { encoding: "utf8" });
		// A compiler without such a file prints only its name.
		if (stdout?.includes("/")) return stdout.trim();
	}
	return `lib${short}.so`;
}
