import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { tempFolder } from "../helpers/temp-folder.js";

// What npm packs: no work of the project in it, and nothing missing.

const ROOT = fileURLToPath(new URL("../..", import.meta.url)).replace(/[\\/]$/, "");
interface Packed {
	readonly size: number;
	readonly unpackedSize: number;
	readonly files: readonly { readonly path: string; readonly size: number }[];
}
const { contentFaults, packedFiles } = (await import(new URL("../../scripts/package/contents.mjs", import.meta.url).href)) as {
	contentFaults(packed: Packed, options?: { release?: boolean; targets?: readonly string[] }): string[];
	packedFiles(root: string): Packed;
};

const packed = packedFiles(ROOT);
/** Bytes of everything but binaries, unpacked: 19.5 MB, and a quarter more. */
const LARGEST = 25e6;

describe("the package", () => {
	it("holds what it needs, and nothing of the work on it", () => {
		expect(contentFaults(packed)).toEqual([]);
		const paths = packed.files.map(({ path }) => path);
		// Those that the program opens by their place in the package.
		for (const path of ["package.json", "vendor/llama.cpp.json", "scripts/fetch-llama.mjs"]) expect(paths).toContain(path);
		// What is packed says little: binaries are in it, if they were made.
		const sizes = packed.files.filter(({ path }) => !path.startsWith("prebuilds/")).map(({ size }) => size);
		expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(LARGEST);
	});

	it("holds of a binary's folder the binary and what is written beside it", () => {
		const { files } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { files: string[] };
		const root = tempFolder();
		writeFileSync(join(root, "package.json"), JSON.stringify({ name: "x", version: "1.0.0", files }));
		const folder = join(root, "prebuilds", "linux-x64-avx2");
		mkdirSync(folder, { recursive: true });
		for (const name of ["prune_gguf.node", "binary.json", "prune_gguf.node.partial", "notes.txt"]) writeFileSync(join(folder, name), name);
		const paths = packedFiles(root).files.map(({ path }) => path);
		expect(paths.filter((path) => path.startsWith("prebuilds/")).sort()).toEqual([
			"prebuilds/linux-x64-avx2/binary.json",
			"prebuilds/linux-x64-avx2/prune_gguf.node",
		]);
	});

	it("is refused with a file too many, a file too few, or too many bytes", () => {
		const files = (...paths: string[]) => ({ ...packed, files: [...packed.files, ...paths.map((path) => ({ path, size: 1 }))] });
		const foreign = ["test/x.test.ts", "dist/index.js.map", "scripts/docs.mjs", "dist/.DS_Store", "prebuilds/x/prune_gguf.node.partial"];
		expect(contentFaults(files(...foreign))).toHaveLength(foreign.length);
		const children = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".mjs"));
		expect(children.length).toBeGreaterThan(2);
		for (const opened of ["dist/sources.json", ...children.map((path) => `dist/${path.replaceAll("\\", "/")}`)])
			expect(contentFaults({ ...packed, files: packed.files.filter(({ path }) => path !== opened) })).toEqual([
				`the package lacks ${opened}`,
			]);
		expect(contentFaults({ ...packed, files: packed.files.filter(({ path }) => !path.startsWith("native/")) })).toEqual([
			expect.stringContaining("lacks /^native"),
		]);
		expect(contentFaults({ ...packed, size: 250e6 })).toEqual([expect.stringContaining("npm takes 200 MB")]);
	});

	it("of a release holds binaries, notices and a bill of materials too", () => {
		const bare: Packed = { size: 1, unpackedSize: 1, files: [] };
		const missing = contentFaults(bare, { release: true }).join("\n");
		for (const name of ["prebuilds", "binary\\.json", "THIRD_PARTY_NOTICES", "sbom.cdx.json", "vendor/llama.cpp/LICENSE"])
			expect(missing).toContain(name);
		expect(contentFaults(bare).join("\n")).not.toContain("prebuilds");
	});

	it("lacks a platform without both of its files", () => {
		const both = ["prune_gguf.node", "binary.json"];
		const holding = (...paths: string[]) => ({ ...packed, files: [...packed.files, ...paths.map((path) => ({ path, size: 1 }))] });
		const names = ["some-x64", "some-arm64"];
		const all = names.flatMap((name) => both.map((file) => `prebuilds/${name}/${file}`));
		expect(contentFaults(holding(...all), { targets: names })).toEqual([]);
		for (const path of all)
			expect(contentFaults(holding(...all.filter((one) => one !== path)), { targets: names })).toEqual([`the package lacks ${path}`]);
	});
});
