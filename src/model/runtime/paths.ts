import { accessSync, constants, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheFolder } from "../../storage/cache-folder.js";

/** Folder of this package: the one that holds package.json, native/ and vendor/. */
export const packageRoot = fileURLToPath(new URL("../../..", import.meta.url)).replace(/[\\/]$/, "");

/** Version of this package. */
export const packageVersion: string = (JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")) as { version: string }).version;

/** The pinned llama.cpp (vendor/llama.cpp.json). */
export const llamaPin = JSON.parse(readFileSync(join(packageRoot, "vendor", "llama.cpp.json"), "utf8")) as {
	version: string;
	commit: string;
};

/** Graphics backends that can be compiled in; the CPU is always there. */
export const backends = ["cpu", "cuda", "metal", "vulkan", "rpc"] as const;
export type Backend = (typeof backends)[number];

/** Folder of builds: in the package, or in the cache folder if the package cannot be written to (a global installation). */
export function buildRoot(): string {
	const inPackage = join(packageRoot, "build");
	try {
		mkdirSync(inPackage, { recursive: true });
		accessSync(inPackage, constants.W_OK);
		return inPackage;
	} catch {
		return join(cacheFolder(), "build", `${packageVersion}-${process.platform}-${process.arch}`);
	}
}

/** The addon of one backend, whether it exists or not. */
export function builtAddon(backend: Backend, root = buildRoot()): string {
	return join(root, backend, "Release", "prune_gguf.node");
}
