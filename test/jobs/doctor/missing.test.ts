import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Found, type Graphics, missingOf, setting } from "../../../src/jobs/doctor/missing.js";
import type { Examination } from "../../../src/model/runtime/binary/examine.js";
import { defaultBackend } from "../../../src/model/runtime/build.js";
import { buildBytes } from "../../../src/model/runtime/build-folder.js";
import { packageRoot } from "../../../src/model/runtime/paths.js";
import { fittingFacts } from "../../helpers/binaries.js";

// What doctor says is missing on machines that are not this one.

const folder = { folder: "/somewhere/build", writable: true, freeBytes: 10e9 };
const bare: Found = {
	...{
		usable: false,
		used: null,
		versions: { "prune-gguf": "1", "llama.cpp": "2" },
		binaries: [],
		devices: [],
		backends: [],
		tools: [],
		sources: true,
	},
	system: { platform: "linux", arch: "x64", libc: null, node: "22.0.0", processor: "Some CPU", features: null },
	cache: folder,
	builds: folder,
};
const ofDisk = (found: Found) => missingOf(found, [], { own: undefined }).filter(({ what }) => /^space/.test(what));

describe("a disk that is too full for a build", () => {
	it("is missing space, with both figures", () => {
		expect(ofDisk(bare)).toEqual([]);
		const needed = buildBytes[defaultBackend()];
		const builds = { ...folder, freeBytes: 12.9e6 };
		expect(ofDisk({ ...bare, builds })).toEqual([
			{
				what: "space on the disk of /somewhere/build",
				why: `a build needs ${needed / 1e6} MB, and the disk has 12 MB free`,
				command: expect.stringContaining("PRUNE_GGUF_HOME=FOLDER"),
			},
		]);
		expect(ofDisk({ ...bare, builds: { ...folder, freeBytes: needed } })).toEqual([]);
	});

	it("is not, if nothing is built, or it does not say how full it is", () => {
		const builds = { ...folder, freeBytes: 0 };
		expect(ofDisk({ ...bare, usable: true, used: "x", builds })).toEqual([]);
		expect(ofDisk({ ...bare, builds: { ...folder, freeBytes: null } })).toEqual([]);
	});

	it("of the package is not mended by another cache folder", () => {
		const builds = { folder: join(packageRoot, "build"), writable: true, freeBytes: 0 };
		expect(ofDisk({ ...bare, builds }).map(({ command }) => command)).toEqual(["npm cache clean --force"]);
	});
});

const usable: Found = { ...bare, usable: true, used: "the used one" };
const ofBuild = (
	name: string,
	backend: "cpu" | "cuda" | "vulkan" | undefined,
	reason?: string,
	why: "stale" | "broken" = "stale",
): Examination => ({
	candidate: {
		...{ kind: backend ? "built" : "prebuilt", name, path: `/${name}`, backend },
		// Whether anything can be read beside a build does not matter.
		facts: backend ? undefined : fittingFacts,
	},
	...(reason === undefined ? { usable: true, sha256: "", key: "" } : { usable: false, why, reason }),
});

describe("a build that someone asked for and that cannot be used", () => {
	const whatOf = (...examinations: Examination[]) => missingOf(usable, examinations, { own: [], nvidia: false }).map(({ what }) => what);

	it("is missing if it comes before the one that is used, once for each backend", () => {
		expect(whatOf(ofBuild("one", "cuda", "old"), ofBuild("two", "cuda", "old"), ofBuild("three", "cpu"))).toEqual([
			"the build for cuda (/one)",
		]);
		expect(whatOf(ofBuild("three", "cpu"), ofBuild("one", "cuda", "old"))).toEqual([]);
	});

	it("is not, if another one for the same backend works", () => {
		expect(whatOf(ofBuild("old", "vulkan", "old"), ofBuild("three", "cpu"), ofBuild("new", "vulkan"))).toEqual([]);
		const mine = defaultBackend() as "cpu";
		expect(whatOf(ofBuild("old", mine, "old"), ofBuild("delivered", undefined))).toEqual([]);
		expect(whatOf(ofBuild("bad", mine, "it ends", "broken"), ofBuild("delivered", undefined))).toEqual([`the build for ${mine} (/bad)`]);
	});
});

describe("a build for an NVIDIA GPU", () => {
	const cuda = { what: "a build for the NVIDIA GPU", why: "the used one computes on the processor only" };
	const ofGpu = (found: Found, graphics: Graphics) => missingOf(found, [], graphics).map(({ what, why }) => ({ what, why }));

	it("is missing if the used one has no backend for a graphics device", () => {
		expect(ofGpu(usable, { own: [], nvidia: true })).toEqual([cuda]);
		expect(ofGpu(usable, { own: [], nvidia: false })).toEqual([]);
	});

	it("is not if it has one that finds no device, if it did not say, or if it was named", () => {
		expect(ofGpu(usable, { own: ["CUDA"], nvidia: true })).toEqual([]);
		expect(ofGpu(usable, { own: undefined, nvidia: true })).toEqual([]);
		const named = { kind: "named", name: "the used one", path: "/x", verdict: "used", reason: "" } as const;
		const binaries = [{ ...named, level: null, compiler: null, bytes: null, sha256: null }];
		expect(ofGpu({ ...usable, binaries }, { own: [], nvidia: true })).toEqual([]);
	});
});

describe("what an advised build needs and is not there", () => {
	const tools = [
		{ name: "C++ compiler", found: "GNU 12", needed: true },
		{ name: "cmake", found: null, needed: true },
		{ name: "git", found: null, needed: false },
	] as const;
	const cuda = { name: "cuda", built: false, missing: ["nvcc of the CUDA toolkit"], command: "install it" } as const;
	const whatOf = (found: Partial<Found>, examinations: Examination[] = []) =>
		missingOf({ ...usable, tools, ...found }, examinations, { own: [], nvidia: true }).map(({ what }) => what);
	const build = "a build for the NVIDIA GPU";

	it("comes before it, once", () => {
		expect(whatOf({ backends: [cuda] })).toEqual(["cmake", cuda.missing[0], build]);
		expect(whatOf({ backends: [{ ...cuda, missing: [] }], tools: [] })).toEqual([build]);
		const old = [ofBuild("one", "cuda", "old"), ofBuild("two", "vulkan", "old"), ofBuild("three", undefined)];
		expect(whatOf({ backends: [cuda] }, old)).toEqual([
			...["cmake", cuda.missing[0], "the build for cuda (/one)", "the build for vulkan (/two)", build],
		]);
		expect(whatOf({ usable: false, used: null })).toEqual(["cmake", "a binary for this machine"]);
	});

	it("leaves a build out that nothing makes possible here", () => {
		expect(whatOf({ backends: [{ ...cuda, command: null }] })).toEqual([]);
	});
});

it("a variable is set as the shells of the system understand it", () => {
	expect(setting("PRUNE_GGUF_HOME", "FOLDER", "linux")).toBe("export PRUNE_GGUF_HOME=FOLDER");
	expect(setting("PRUNE_GGUF_ADDON", "", "darwin")).toBe("unset PRUNE_GGUF_ADDON");
	expect(setting("PRUNE_GGUF_HOME", "FOLDER", "win32")).toBe('set PRUNE_GGUF_HOME=FOLDER (in PowerShell: $env:PRUNE_GGUF_HOME="FOLDER")');
	expect(setting("PRUNE_GGUF_ADDON", "", "win32")).toBe("set PRUNE_GGUF_ADDON= (in PowerShell: Remove-Item Env:PRUNE_GGUF_ADDON)");
});
