// Whether a package holds the code of the native part that its own program belongs to.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { nativeSources } from "../../dist/model/runtime/binary/sources.js";

/**
 * What is wrong with the code in a package, as sentences: a build of other code than dist/sources.json names would be refused.
 * @param {readonly { path: string }[]} files of the package, from its root
 */
export function sourceFaults(root, files) {
	const path = join(root, "dist", "sources.json");
	const { native } = existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : {};
	if (native === undefined) return ["dist/sources.json does not say what the native part is made from"];
	const packed = nativeSources(
		root,
		files.map((file) => file.path),
	);
	return packed === native ? [] : ["the package holds other sources of the native part than dist/sources.json names"];
}
