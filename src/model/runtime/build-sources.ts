// The sources of llama.cpp: fetched into a clone, carried by a package.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { BuildError } from "../../errors.js";
import { packageRoot } from "./paths.js";

/** Whether some are there, of whatever version. */
export function hasSources(root: string): boolean {
	return existsSync(join(root, "vendor", "llama.cpp", "CMakeLists.txt"));
}

/** Fetches the pinned ones if they are not there. @throws BuildError if they cannot be downloaded or put in place */
export async function ensureSources(root: string, log: (line: string) => void, signal: AbortSignal | undefined): Promise<void> {
	// A packed prune-gguf carries the sources without the pin's stamp; a clone fetches them.
	if (hasSources(root) && !existsSync(join(root, "vendor", "llama.cpp", ".pin"))) return;
	const { fetchLlama } = (await import(pathToFileURL(join(packageRoot, "scripts", "fetch-llama.mjs")).href)) as {
		fetchLlama(options: { root: string; log(line: string): void; signal?: AbortSignal | undefined }): Promise<string>;
	};
	try {
		await fetchLlama({ root, log, signal });
	} catch (cause) {
		signal?.throwIfAborted();
		throw new BuildError(`the sources of llama.cpp could not be downloaded: ${(cause as Error).message}`, { cause });
	}
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
