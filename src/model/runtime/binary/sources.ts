// What native parts are made from, as a hash: two states of the sources may have the same version.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../paths.js";

/** Hashes of what this program's native parts are made from; undefined if nobody wrote them (`npm run build` does). */
export interface SourceHashes {
	/** Hash for a build of this machine. */
	readonly native?: string | undefined;
	/** The same for a delivered binary. It also covers the scripts that make one, which are in no package. */
	readonly prebuilt?: string | undefined;
}

/** The pin stands for llama.cpp. */
const inputs = ["native", "CMakeLists.txt", join("vendor", "llama.cpp.json")];

/** Paths of what a build of this machine is made from. @param root folder that holds native/ and vendor/ */
function nativeFiles(root: string): string[] {
	return inputs.flatMap((input) => {
		const status = statSync(join(root, input), { throwIfNoEntry: false });
		if (!status?.isDirectory()) return status ? [input] : [];
		const inside = readdirSync(join(root, input), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
		return inside.map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1));
	});
}

/** Hash of what a build of this machine is made from. @param root folder that holds native/ and vendor/, without a separator at its end */
export function nativeSources(root: string): string {
	const hash = createHash("sha256");
	const named = nativeFiles(root).map((path) => ({ path, name: path.replaceAll("\\", "/") }));
	for (const { path, name } of named.sort((a, b) => (a.name < b.name ? -1 : 1))) {
		const text = readFileSync(join(root, path));
		hash.update(`${name}\0${text.length}\0`).update(text);
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
