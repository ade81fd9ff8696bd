import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Found, missingOf, setting } from "../../../src/jobs/doctor/missing.js";
import { packageRoot } from "../../../src/model/runtime/paths.js";

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
const ofDisk = (found: Found) => missingOf(found, []).filter(({ what }) => /^space/.test(what));

describe("a disk that is too full for a build", () => {
	it("is missing space, with both figures", () => {
		expect(ofDisk(bare)).toEqual([]);
		const builds = { ...folder, freeBytes: 12.9e6 };
		expect(ofDisk({ ...bare, builds })).toEqual([
			{
				what: "space on the disk of /somewhere/build",
				why: "a build needs 40 MB, and the disk has 12 MB free",
				command: expect.stringContaining("PRUNE_GGUF_HOME=FOLDER"),
			},
		]);
		expect(ofDisk({ ...bare, builds: { ...folder, freeBytes: 40e6 } })).toEqual([]);
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

it("a variable is set as the shells of the system understand it", () => {
	expect(setting("PRUNE_GGUF_HOME", "FOLDER", "linux")).toBe("export PRUNE_GGUF_HOME=FOLDER");
	expect(setting("PRUNE_GGUF_ADDON", "", "darwin")).toBe("unset PRUNE_GGUF_ADDON");
	expect(setting("PRUNE_GGUF_HOME", "FOLDER", "win32")).toBe('set PRUNE_GGUF_HOME=FOLDER (in PowerShell: $env:PRUNE_GGUF_HOME="FOLDER")');
	expect(setting("PRUNE_GGUF_ADDON", "", "win32")).toBe("set PRUNE_GGUF_ADDON= (in PowerShell: Remove-Item Env:PRUNE_GGUF_ADDON)");
});
