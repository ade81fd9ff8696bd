// The sources of llama.cpp: fetched into a clone, carried by a package.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { BuildError } from "../../errors.js";
import { nativeSources } from "./binary/sources.js";
import { packageRoot } from "./paths.js";

/** scripts/fetch-llama.mjs, as far as it is called. */
interface Fetching {
	fetchLlama(options: { root: string; log(line: string): void; signal?: AbortSignal | undefined }): Promise<string>;
	isPinned(root: string): Promise<boolean>;
}

const fetching = () => import(pathToFileURL(join(packageRoot, "scripts", "fetch-llama.mjs")).href) as Promise<Fetching>;

/** Whether those that this program needs are there. */
export async function hasSources(root: string): Promise<boolean> {
	const folder = join(root, "vendor", "llama.cpp");
	if (!existsSync(join(folder, "CMakeLists.txt"))) return false;
	// A packed prune-gguf carries the sources without the pin's stamp; a clone fetches them.
	return !existsSync(join(folder, ".pin")) || (await fetching()).isPinned(root);
}

/** Fetches the pinned ones if they are not there. @throws BuildError if they cannot be downloaded or put in place */
export async function ensureSources(root: string, log: (line: string) => void, signal: AbortSignal | undefined): Promise<void> {
	if (await hasSources(root)) return;
	const { fetchLlama } = await fetching();
	try {
		await fetchLlama({ root, log, signal });
	} catch (cause) {
		signal?.throwIfAborted();
		throw new BuildError(`the sources of llama.cpp could not be downloaded: ${(cause as Error).message}`, { cause });
	}
}

/**
 * Hash of what is compiled.
 * @param expected that of the sources that this program belongs to; undefined if it does not say
 * @throws BuildError if they are others: what is made from them would count as stale, and be made again by each run
 */
export function checkedSources(root: string, expected: string | undefined): string {
	const sources = nativeSources(root);
	if (expected === undefined || sources === expected) return sources;
	// In no package.
	if (existsSync(join(root, "tsconfig.json")))
		throw new BuildError(
			"native/ changed since this program was compiled, or CMakeLists.txt or vendor/llama.cpp.json did. Run npm run build first.",
		);
	throw new BuildError(
		`the sources of the native part in ${root} are not those of this program: the package is damaged, or was changed. ` +
			"Uninstall prune-gguf, and install the same package file again.",
	);
}

/**
 * A packed prune-gguf carries what the addon needs; llama.cpp's own tools are left out.
 * @throws BuildError that says where to build them
 */
export function requireReferenceSources(root: string): void {
	const needed = ["tools/perplexity/CMakeLists.txt", "tools/quantize/CMakeLists.txt", "tests/test-llama-archs.cpp"];
	const missing = needed.filter((path) => !existsSync(join(root, "vendor", "llama.cpp", path)));
	if (missing.length === 0) return;
	throw new BuildError(
		`the reference tools (--reference-tools) need sources of llama.cpp that this installation lacks (${missing.join(", ")}): only the tests use them. ` +
			"Build them in a clone of prune-gguf's repository, or build without --reference-tools.",
	);
}
