// Two native builds of one compiler, to compare OpenMP with ggml's own threads (compare.mjs --openmp WITH.node WITHOUT.node).
//
// The first is the usual build. The second is made beside it, in some minutes; it differs in GGML_OPENMP alone, and nothing loads it by itself:
//   npm run build && node scripts/build-native.mjs
//   npx cmake-js build -O build/without-openmp -T prune_gguf --CDGGML_OPENMP=OFF
//   node scripts/prebuild/compare.mjs --openmp build/cpu/Release/prune_gguf.node build/without-openmp/Release/prune_gguf.node
// Several --threads, on a machine that does nothing else, are worth a run each: threads that wait for each other are what differs.
import { createRequire } from "node:module";
import { resolve } from "node:path";

/** What an addon says of itself. */
const infoOf = (file) => createRequire(import.meta.url)(file).info();

/**
 * The two addons by name; times are compared with the first.
 * @param {string[]} files one with OpenMP, and one without
 * @param {(file: string) => { systemInfo: string }} [info] what an addon says of itself
 * @returns {Map<string, string>}
 * @throws {Error} that says which file is not what it should be
 */
export function openmpAddons(files, info = infoOf) {
	if (files.length !== 2) throw new Error("--openmp needs two addons: one with OpenMP, then one without (see scripts/prebuild/openmp.mjs)");
	const [first, second] = files.map((file) => resolve(file));
	const hasOpenmp = (file) => /\bOPENMP = 1\b/.test(info(file).systemInfo);
	if (!hasOpenmp(first)) throw new Error(`${first} is without OpenMP: the first addon must have it. Build it with GGML_OPENMP=ON`);
	if (hasOpenmp(second)) throw new Error(`${second} has OpenMP: the second addon must be without it. Build it with GGML_OPENMP=OFF`);
	return new Map([
		["with OpenMP", first],
		["without OpenMP", second],
	]);
}
