import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { describe, expect, it } from "vitest";
import { findAddon } from "../../src/model/runtime/load-addon.js";

interface Elf {
	arch: string;
	libraries: string[];
	versions: string[];
	undefined: string[];
	exported: string[];
	debug: boolean;
}
interface Pe {
	arch: string;
	imports: Record<string, string[]>;
	delayed: string[];
	exported: string[];
}

const load = async <T>(name: string) => (await import(new URL(`../../scripts/prebuild/${name}`, import.meta.url).href)) as T;
const { readElf } = await load<{ readElf(bytes: Buffer): Elf }>("elf.mjs");
const { readPe } = await load<{ readPe(bytes: Buffer): Pe }>("pe.mjs");
const { machLibraries, oldestMacos } = await load<{ machLibraries(text: string): string[]; oldestMacos(text: string): string | undefined }>(
	"mach.mjs",
);
const { linuxFaults, macFaults, windowsFaults, versionAbove, highestGlibc, nodeApiNames } = await load<{
	linuxFaults(elf: Elf): string[];
	macFaults(asks: { libraries: string[]; macos: string | undefined }, limit: string): string[];
	windowsFaults(pe: Pe): string[];
	versionAbove(version: string, limit: string): boolean;
	highestGlibc(versions: string[]): string;
	nodeApiNames: string[];
}>("check.mjs");

/** A library that passes every check. */
const good: Elf = {
	arch: "x64",
	libraries: ["libc.so.6", "libm.so.6"],
	versions: ["GLIBC_2.2.5", "GLIBC_2.28"],
	undefined: ["napi_create_object", "memcpy"],
	exported: ["napi_register_module_v1", "node_api_module_get_api_version_v1"],
	debug: false,
};

describe("the checks of a binary for Linux", () => {
	it("pass one that asks for glibc 2.28 and Node-API 8", () => expect(linuxFaults(good)).toEqual([]));

	it.each<[Partial<Elf>, string]>([
		[{ versions: ["GLIBC_2.29"] }, "it needs symbols of GLIBC_2.29, newer than 2.28"],
		[{ versions: ["GLIBC_2.101"] }, "it needs symbols of GLIBC_2.101, newer than 2.28"],
		[{ versions: ["GLIBCXX_3.4.30"] }, "it needs symbols of GLIBCXX_3.4.30"],
		[{ versions: ["GLIBC_PRIVATE"] }, "it needs symbols of GLIBC_PRIVATE"],
		[{ libraries: ["libstdc++.so.6"] }, "it loads libstdc++.so.6"],
		[{ libraries: ["libgomp.so.1"] }, "it loads libgomp.so.1"],
		[{ undefined: ["node_api_get_module_file_name"] }, "it calls node_api_get_module_file_name, which Node-API 8 lacks"],
		[{ exported: [...good.exported, "ggml_init"] }, "it shows ggml_init"],
		[{ exported: [] }, "it lacks napi_register_module_v1"],
		[{ debug: true }, "it is not stripped"],
	])("refuse %j", (change, fault) => expect(linuxFaults({ ...good, ...change })).toEqual([fault]));

	it("compare versions by their numbers", () => {
		expect(versionAbove("2.9", "2.28")).toBe(false);
		expect(versionAbove("2.28", "2.28")).toBe(false);
		expect(versionAbove("2.2.5", "2.2")).toBe(true);
		expect(highestGlibc(["GLIBC_2.9", "GLIBC_2.14", "GLIBC_2.2.5"])).toBe("2.14");
	});
});

const addon = findAddon();
describe.runIf(process.platform === "linux")("an ELF file", () => {
	it("of this addon, built by the compiler of this machine", () => {
		const elf = readElf(readFileSync(addon!));
		expect(elf.arch).toBe(process.arch);
		expect(elf.libraries).toContain("libc.so.6");
		expect(elf.versions.some((version) => version.startsWith("GLIBC_2."))).toBe(true);
		expect(elf.undefined).toContain("napi_create_function");
		expect(elf.exported).toContain("napi_register_module_v1");
		expect(elf.undefined.filter((name) => /^(napi|node_api)_/.test(name) && !nodeApiNames.includes(name))).toEqual([]);
	});

	it("with a newer version in its bytes is seen to need it", () => {
		const bytes = readFileSync(addon!);
		const { versions } = readElf(bytes);
		const highest = `GLIBC_${highestGlibc(versions)}`;
		const newer = highest.replace(/\d+$/, (minor) => "9".repeat(minor.length));
		for (let at = bytes.indexOf(`\0${highest}\0`); at >= 0; at = bytes.indexOf(`\0${highest}\0`, at + 1))
			bytes.write(newer, at + 1, "latin1");
		expect(readElf(bytes).versions).toContain(newer);
		expect(linuxFaults(readElf(bytes))).toContain(`it needs symbols of ${newer}, newer than 2.28`);
	});

	it("that is cut off or of another kind is an error", () => {
		const bytes = readFileSync(addon!);
		expect(() => readElf(bytes.subarray(0, bytes.length >> 1))).toThrow();
		expect(() => readElf(Buffer.from("#!/bin/sh\n".padEnd(100)))).toThrow("this is not an ELF file");
	});
});

describe("a PE file", () => {
	it("shows what it takes and gives", () => {
		const pe = readPe(smallPe());
		expect(pe).toMatchObject({ arch: "x64", imports: { "kernel32.dll": ["Sleep", "#7"] }, exported: ["napi_register_module_v1"] });
		expect(windowsFaults(pe)).toEqual([]);
	});

	it("must not load node.exe, another library, or show anything else", () => {
		const pe = readPe(smallPe());
		expect(windowsFaults({ ...pe, imports: { "node.exe": ["napi_create_object"] } })).toEqual(["it loads node.exe"]);
		expect(windowsFaults({ ...pe, delayed: ["vcomp140.dll"] })).toEqual(["it loads vcomp140.dll"]);
		expect(windowsFaults({ ...pe, exported: ["DllMain"] })).toEqual(["it shows DllMain", "it lacks napi_register_module_v1"]);
	});

	it("is not any other file", () => {
		expect(() => readPe(Buffer.alloc(200))).toThrow("this is not a PE file");
		expect(() => readPe(Buffer.from("MZ".padEnd(200, "\0")))).toThrow("this is not a PE file");
	});
});

describe("a Mach-O file", () => {
	const command = (lines: string) => `Load command 7\n${lines}Load command 8\n      cmd LC_SOURCE_VERSION\n  cmdsize 16\n  version 0.0\n`;
	const build = (minos: string) =>
		command(
			`      cmd LC_BUILD_VERSION\n  cmdsize 32\n platform 1\n    minos ${minos}\n      sdk 15.2\n   ntools 1\n     tool 3\n  version 1115.7\n`,
		);
	const older = command("      cmd LC_VERSION_MIN_MACOSX\n  cmdsize 16\n  version 10.13\n      sdk 10.15\n");

	it("says which macOS it needs, in either way", () => {
		expect(oldestMacos(build("13.3"))).toBe("13.3");
		expect(oldestMacos(older)).toBe("10.13");
		expect(oldestMacos("x.node:\nLoad command 0\n      cmd LC_SEGMENT_64\n")).toBeUndefined();
	});

	it("must load with the macOS that is stated, and with what every Mac has", () => {
		const system = "/usr/lib/libSystem.B.dylib";
		const told = `x/prune_gguf.node:\n\t@rpath/prune_gguf.node (compatibility version 0.0.0)\n\t${system} (compatibility version 1.0.0)\n`;
		expect(machLibraries(told)).toEqual([system]);
		expect(macFaults({ libraries: [system], macos: "13.3" }, "13.3")).toEqual([]);
		expect(macFaults({ libraries: [system], macos: "13.10" }, "13.3")).toEqual(["it needs macOS 13.10, newer than 13.3"]);
		expect(macFaults({ libraries: ["/opt/homebrew/lib/libomp.dylib"], macos: undefined }, "13.3")).toEqual([
			"it loads /opt/homebrew/lib/libomp.dylib",
			"it does not say which macOS it needs",
		]);
	});
});

/** One section at address 0x1000 with a table of exports and one of imports. */
function smallPe(): Buffer {
	const bytes = Buffer.alloc(0x600);
	const [header, section, from] = [0x80, 0x200, 0x1000];
	bytes.write("MZ", 0);
	bytes.writeUInt32LE(header, 60);
	bytes.write("PE\0\0", header);
	bytes.writeUInt16LE(0x8664, header + 4);
	bytes.writeUInt16LE(1, header + 6);
	bytes.writeUInt16LE(240, header + 20);
	bytes.writeUInt16LE(0x20b, header + 24);
	const directories = header + 24 + 112;
	bytes.writeUInt32LE(from, directories);
	bytes.writeUInt32LE(from + 0x100, directories + 8);
	const table = header + 24 + 240;
	for (const [i, value] of [0x400, from, 0x400, section].entries()) bytes.writeUInt32LE(value, table + 8 + 4 * i);
	const put = (at: number, ...values: number[]) =>
		values.forEach((value, i) => {
			bytes.writeUInt32LE(value, section + at + 4 * i);
		});
	const text = (at: number, value: string) => bytes.write(`${value}\0`, section + at, "latin1");
	put(24, 1);
	put(32, from + 0x60);
	put(0x60, from + 0x70);
	text(0x70, "napi_register_module_v1");
	put(0x100, from + 0x180, 0, 0, from + 0x1a0);
	put(0x180, from + 0x1c0, 0, 7, 0x80000000);
	text(0x1a0, "KERNEL32.dll");
	text(0x1c2, "Sleep");
	return bytes;
}

it("the list of Node-API functions is the one of the headers", () => {
	const { symbols } = createRequire(import.meta.url)("node-api-headers") as { symbols: Record<string, { node_api_symbols: string[] }> };
	expect(nodeApiNames).toContain("napi_type_tag_object");
	const later = symbols.v9!.node_api_symbols.filter((name) => !symbols.v8!.node_api_symbols.includes(name));
	expect(later.length).toBeGreaterThan(0);
	expect(nodeApiNames.filter((name) => later.includes(name))).toEqual([]);
});
