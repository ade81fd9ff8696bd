import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, it } from "vitest";

interface Binary {
	name: string;
	sha256: string;
	bytes: number;
	packageVersion: string;
	llamaCpp: string;
}

const load = async <T>(name: string) => (await import(new URL(`../../scripts/prebuild/${name}`, import.meta.url).href)) as T;
const { describeBinary } = await load<{
	describeBinary(target: object, made: { root: string; file: string; compiler: string; asks: object }): Binary;
}>("record.mjs");
const { unfit } = await load<{ unfit(root: string): { name: string; reason: string }[] }>("prepack.mjs");
const { targets } = await load<{ targets: { name: string }[] }>("targets.mjs");

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
let root: string;
const inRoot = (...path: string[]) => join(root, ...path);
const binaryJson = () => inRoot("prebuilds", "linux-arm64", "binary.json");

beforeEach(() => {
	root = mkdtempSync(join(tmpdir(), "prune-gguf-pack-"));
	for (const path of ["native", "CMakeLists.txt", "package.json", "package-lock.json", "vendor/llama.cpp.json", "scripts/prebuild"])
		cpSync(join(ROOT, path), inRoot(path), { recursive: true });
	mkdirSync(inRoot("prebuilds", "linux-arm64"), { recursive: true });
	const file = inRoot("prebuilds", "linux-arm64", "prune_gguf.node");
	writeFileSync(file, "the binary");
	const target = targets.find((one) => one.name === "linux-arm64")!;
	const record = describeBinary(target, { root, file, compiler: "zig 1.2.3 (clang 4.5.6)", asks: { glibc: "2.27" } });
	writeFileSync(binaryJson(), JSON.stringify(record));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const change = (path: string, edit: (text: string) => string) => writeFileSync(path, edit(readFileSync(path, "utf8")));

it("binary.json says what the binary is", () => {
	const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };
	expect(JSON.parse(readFileSync(binaryJson(), "utf8"))).toMatchObject({
		name: "linux-arm64",
		platform: "linux",
		arch: "arm64",
		libc: "glibc",
		libcVersion: "2.28",
		level: "armv8",
		needs: [],
		compiler: "zig 1.2.3 (clang 4.5.6)",
		packageVersion: version,
		bytes: 10,
		sha256: "c9798c8b717225ba988b01e15f41967cbab9a4974dc4ac448866bd06a0619259",
	});
});

it("a binary that fits is packed", () => expect(unfit(root)).toEqual([]));

it("binary.json of a Mac's binary says which macOS it needs", () => {
	const file = inRoot("prebuilds", "linux-arm64", "prune_gguf.node");
	const target = targets.find((one) => one.name === "darwin-x64")!;
	expect(describeBinary(target, { root, file, compiler: "Apple clang 15", asks: { macos: "13.3", libraries: [] } })).toMatchObject({
		libcVersion: null,
		macos: "13.3",
	});
});

it("a file that editors and systems put beside the code does not count", () => {
	for (const name of ["losses.cpp.orig", ".DS_Store", ".gitignore", ".losses.cpp.swp", "._losses.cpp"])
		writeFileSync(inRoot("native", name), "");
	expect(unfit(root)).toEqual([]);
});

/** Another version of a package, as a lock file has it. */
const locking = (name: string) =>
	change(inRoot("package-lock.json"), (text) => {
		const lock = JSON.parse(text) as { packages: Record<string, { version: string }> };
		lock.packages[`node_modules/${name}`]!.version = "0.0.1";
		return JSON.stringify(lock);
	});

it("a package that is not compiled in may change", () => {
	locking("valibot");
	expect(unfit(root)).toEqual([]);
});

it.each<[string, () => void]>([
	["the sources changed after it was made", () => change(inRoot("native", "losses.cpp"), (text) => `${text}\n`)],
	["the sources changed after it was made", () => writeFileSync(inRoot("native", "new.h"), "")],
	[
		"the sources changed after it was made",
		() => change(inRoot("vendor", "llama.cpp.json"), (text) => text.replace('"version"', '"version "')),
	],
	[
		"the sources changed after it was made",
		() => change(inRoot("scripts", "prebuild", "zig.mjs"), (text) => text.replace("0.17.1", "0.17.2")),
	],
	["the sources changed after it was made", () => locking("node-addon-api")],
	["the sources changed after it was made", () => locking("node-api-headers")],
	[
		"it was made for version 0.0.1",
		() => change(binaryJson(), (text) => text.replace(/"packageVersion":"[^"]*"/, '"packageVersion":"0.0.1"')),
	],
	[
		"the file is not the one that binary.json describes",
		() => writeFileSync(inRoot("prebuilds", "linux-arm64", "prune_gguf.node"), "another"),
	],
	["the binary is missing", () => rmSync(inRoot("prebuilds", "linux-arm64", "prune_gguf.node"))],
	["binary.json is missing", () => rmSync(binaryJson())],
	["binary.json is of linux-x64", () => change(binaryJson(), (text) => text.replace('"linux-arm64"', '"linux-x64"'))],
])("packing is refused: %s", (reason, damage) => {
	damage();
	expect(unfit(root)).toEqual([{ name: "linux-arm64", reason }]);
});
