// What native parts are made from, as a hash: two states of the sources may have the same version.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../paths.js";

/** Hashes of what this program's native parts are made from; undefined if nobody wrote them (`npm run build` does). */
export interface SourceHashes {
	/** Hash for a build of this machine. */
	readonly native?: string | undefined;
	/** The same for a delivered binary. It also covers the scripts that make one, which are in no package. */
	readonly prebuilt?: string | undefined;
}

/** The pin stands for llama.cpp. What editors and systems put beside the code is in no package, so it must not count. */
const isSource = (path: string) =>
	/^(?:native\/.+\.(?:c|cpp|h|map)|CMakeLists\.txt|vendor\/llama\.cpp\.json)$/.test(path) && !/\/\./.test(path);

/** Paths of what a build of this machine is made from, with slashes. @param root folder that holds native/ and vendor/ */
function nativeFiles(root: string): string[] {
	const folder = join(root, "native");
	const inside = existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: "utf8" }) : [];
	return [...inside.map((path) => `native/${path.replaceAll("\\", "/")}`), "CMakeLists.txt", "vendor/llama.cpp.json"].filter(
		(path) => isSource(path) && existsSync(join(root, path)),
	);
}

/**
 * Hash of what a build of this machine is made from.
 * @param root folder that holds native/ and vendor/
 * @param paths those of files in it, with slashes; others than sources do not count. @default all that are there
 */
export function nativeSources(root: string, paths: readonly string[] = nativeFiles(root)): string {
	const hash = createHash("sha256");
	for (const path of paths.filter(isSource).sort((a, b) => (a < b ? -1 : 1))) {
		const text = readFileSync(join(root, path));
		hash.update(`${path}\0${text.length}\0`).update(text);
	}
	return hash.digest("hex");
}

/** When the newest of these files was written, in milliseconds since 1970. */
export function newestSource(root: string): number {
	return Math.max(0, ...nativeFiles(root).map((path) => statSync(join(root, path)).mtimeMs));
}

let known: SourceHashes | undefined;

/** Those that `npm run build` wrote beside the compiled program. */
export function sourceHashes(): SourceHashes {
	known ??= readHashes();
	return known;
}

function readHashes(): SourceHashes {
	try {
		return JSON.parse(readFileSync(join(packageRoot, "dist", "sources.json"), "utf8")) as SourceHashes;
	} catch {
		return {};
	}
}
