import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

// What npm packs: no work of the project in it, and nothing missing.

const ROOT = fileURLToPath(new URL("../..", import.meta.url)).replace(/[\\/]$/, "");
interface Packed {
	readonly size: number;
	readonly unpackedSize: number;
	readonly files: readonly { readonly path: string }[];
}
const { contentFaults, packedFiles } = (await import(new URL("../../scripts/package/contents.mjs", import.meta.url).href)) as {
	contentFaults(packed: Packed, options?: { release?: boolean }): string[];
	packedFiles(root: string): Packed;
};

const packed = packedFiles(ROOT);

describe("the package", () => {
	it("holds what it needs, and nothing of the work on it", () => {
		expect(contentFaults(packed)).toEqual([]);
		const paths = packed.files.map(({ path }) => path);
		// Those that the program opens by their place in the package.
		for (const path of ["package.json", "vendor/llama.cpp.json", "scripts/fetch-llama.mjs", "dist/model/runtime/trial-child.mjs"])
			expect(paths).toContain(path);
		expect(packed.size).toBeLessThan(20e6);
	});

	it("is refused with a file too many, a file too few, or too many bytes", () => {
		const files = (...paths: string[]) => ({ ...packed, files: [...packed.files, ...paths.map((path) => ({ path }))] });
		expect(contentFaults(files("test/x.test.ts", "dist/index.js.map", "scripts/docs.mjs", "dist/.DS_Store"))).toHaveLength(4);
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
});
