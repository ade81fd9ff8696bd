import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { nativeSources } from "../../src/model/runtime/binary/sources.js";
import { tempFolder } from "../helpers/temp-folder.js";

interface Files {
	readonly files: readonly { readonly path: string }[];
}
const script = (name: string) => new URL(`../../scripts/package/${name}`, import.meta.url).href;
const { packedFiles } = (await import(script("contents.mjs"))) as { packedFiles(root: string): Files };
const { sourceFaults } = (await import(script("packed-sources.mjs"))) as { sourceFaults(root: string, files: Files["files"]): string[] };

/** A package whose program was compiled beside these files in native/. */
function packageWith(...names: string[]): string {
	const root = tempFolder();
	for (const folder of ["native/inner", "dist"]) mkdirSync(join(root, folder), { recursive: true });
	writeFileSync(join(root, "package.json"), JSON.stringify({ name: "x", version: "1.0.0", files: ["native", "dist", "CMakeLists.txt"] }));
	for (const path of ["CMakeLists.txt", "native/a.cpp", "native/inner/a.h", ...names]) writeFileSync(join(root, path), path);
	writeFileSync(join(root, "dist", "sources.json"), JSON.stringify({ native: nativeSources(root) }));
	return root;
}
const faultsOf = (root: string) => sourceFaults(root, packedFiles(root).files);

it("a package holds the code that its program belongs to, whatever else lies beside it", () => {
	const root = packageWith("native/a.cpp.orig", "native/.DS_Store", "native/.gitignore", "native/.a.cpp.swp", "native/._a.cpp");
	expect(packedFiles(root).files.map(({ path }) => path)).not.toContain("native/a.cpp.orig");
	expect(faultsOf(root)).toEqual([]);
});

it("one that lacks a file of it, has another one, or does not say is refused", () => {
	const fault = "the package holds other sources of the native part than dist/sources.json names";
	const left = packageWith("native/b.h");
	writeFileSync(join(left, "native", ".npmignore"), "b.h");
	expect(faultsOf(left)).toEqual([fault]);
	const edited = packageWith();
	writeFileSync(join(edited, "native", "a.cpp"), "edited");
	expect(faultsOf(edited)).toEqual([fault]);
	const unsaid = packageWith();
	writeFileSync(join(unsaid, "dist", "sources.json"), "{}");
	expect(faultsOf(unsaid)).toEqual(["dist/sources.json does not say what the native part is made from"]);
});

it("the code in native/ has no other endings than those that count", () => {
	const { files } = packedFiles(fileURLToPath(new URL("../..", import.meta.url)));
	const code = files.map(({ path }) => path).filter((path) => path.startsWith("native/"));
	expect(code.length).toBeGreaterThan(50);
	expect(code.filter((path) => !/\.(?:c|cpp|h|map)$/.test(path))).toEqual([]);
});
