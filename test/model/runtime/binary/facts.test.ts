import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { misfitOf, readFacts, systemMisfitOf } from "../../../../src/model/runtime/binary/binary-facts.js";
import { type BinaryPlaces, candidatesIn } from "../../../../src/model/runtime/binary/candidates.js";
import { fileFault } from "../../../../src/model/runtime/binary/file-fault.js";
import { faultInWords } from "../../../../src/model/runtime/binary/fault-words.js";
import { cpuFlagsOfMac, cpuOfProc, libcOfReport, System } from "../../../../src/model/runtime/binary/system.js";
import { fittingFacts, placeBinary } from "../../../helpers/binaries.js";
import { tempFolder } from "../../../helpers/temp-folder.js";

// What is known of a binary without running anything.

const { targets } = (await import(new URL("../../../../scripts/prebuild/targets.mjs", import.meta.url).href)) as {
	targets: { name: string; needs: string[] }[];
};
const folder = tempFolder();
let made = 0;
const fresh = () => join(folder, String(made++));

describe("a processor", () => {
	it("is read from /proc/cpuinfo, the first one alone", () => {
		const one = (flags: string) =>
			`processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\ncpu MHz\t\t: 2000.1\nflags\t\t: ${flags}\nbugs\t\t:\n\n`;
		expect(cpuOfProc(one("fpu avx avx2 fma") + one("fpu"), "x64")).toEqual({
			model: "Some CPU @ 2 GHz",
			flags: new Set(["fpu", "avx", "avx2", "fma"]),
		});
		const arm = "processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd asimddp\nCPU part\t: 0xd0c\n\n";
		expect(cpuOfProc(arm, "arm64")).toEqual({ model: undefined, flags: new Set(["fp", "asimd", "asimddp"]) });
		expect(cpuOfProc("", "x64")).toEqual({ model: undefined, flags: undefined });
		// Emulated: the file is of the machine below, so the probe decides.
		expect(cpuOfProc(arm, "x64").flags).toBeUndefined();
		expect(cpuOfProc(one("fpu avx2"), "arm64").flags).toBeUndefined();
	});

	it("of a Mac has the names of /proc/cpuinfo", () => {
		expect(cpuFlagsOfMac("FPU SSE3 SSE4.1 AVX1.0 FMA F16C\nAVX2 BMI2 AVX512F AVX512VNNI\n")).toEqual(
			new Set(["fpu", "pni", "sse4_1", "avx", "fma", "f16c", "avx2", "bmi2", "avx512f", "avx512_vnni"]),
		);
		expect(cpuFlagsOfMac("")).toBeUndefined();
	});

	it("of a Mac with Haswell has all that darwin-x64 needs", () => {
		const listing = [
			"FPU VME DE PSE TSC MSR PAE MCE CX8 APIC SEP MTRR PGE MCA CMOV PAT PSE36 CLFSH DS ACPI MMX FXSR SSE SSE2 SS HTT TM PBE SSE3 PCLMULQDQ",
			"DTES64 MON DSCPL VMX EST TM2 SSSE3 FMA CX16 TPR PDCM SSE4.1 SSE4.2 x2APIC MOVBE POPCNT AES PCID XSAVE OSXSAVE SEGLIM64 TSCTMR AVX1.0",
			"RDRAND F16C\nRDWRFSGS TSC_THREAD_OFFSET BMI1 AVX2 SMEP BMI2 ERMS INVPCID FPU_CSDS MDCLEAR IBRS STIBP L1DF SSBD",
			"\nSYSCALL XD 1GBPAGE EM64T LAHF LZCNT RDTSCP TSCI\n",
		].join(" ");
		const { needs } = targets.find(({ name }) => name === "darwin-x64")!;
		expect(needs.length).toBeGreaterThan(10);
		const flags = cpuFlagsOfMac(listing)!;
		expect(needs.filter((need) => !flags.has(need))).toEqual([]);
	});

	it.runIf(process.platform === "linux")("is known here, and so is the C library", () => {
		const { cpu, libc } = new System();
		expect(cpu.model).not.toBe("");
		expect(cpu.flags!.size).toBeGreaterThan(3);
		expect(libc?.name).toMatch(/^(glibc|musl)$/);
	});
});

it("a C library is read from Node.js's report", () => {
	expect(libcOfReport({ header: { glibcVersionRuntime: "2.36" } })).toEqual({ name: "glibc", version: "2.36" });
	expect(libcOfReport({ header: {}, sharedObjects: ["/lib/ld-musl-x86_64.so.1"] })).toEqual({ name: "musl", version: undefined });
	expect(libcOfReport({ header: {}, sharedObjects: ["/usr/lib/libSystem.B.dylib"] })).toBeUndefined();
});

describe("a binary fits", () => {
	const machine = { platform: "linux", arch: "x64", cpu: { model: "Some CPU", flags: new Set(["avx", "avx2", "fma"]) } };
	const facts = { ...fittingFacts, platform: "linux", arch: "x64", libc: "glibc", libcVersion: "2.28", needs: ["avx2", "fma"] };

	it("its machine, its version and its llama.cpp only", () => {
		expect(misfitOf(facts, machine)).toBeUndefined();
		expect(misfitOf({ ...facts, platform: "win32" }, machine)).toEqual({
			why: "elsewhere",
			reason: "it is for win32 x64, and this is linux x64",
		});
		expect(misfitOf({ ...facts, arch: "arm64" }, machine)?.reason).toBe("it is for linux arm64, and this is linux x64");
		expect(misfitOf({ ...facts, needs: ["avx2", "avx512f", "avx512vl"] }, machine)).toEqual({
			why: "elsewhere",
			reason: "this processor lacks avx512f, avx512vl",
		});
		expect(misfitOf({ ...facts, packageVersion: "0.0.1" }, machine)).toMatchObject({ why: "stale", reason: /prune-gguf 0\.0\.1/ });
		expect(misfitOf({ ...facts, llamaCpp: "v0.4.0" }, machine)).toMatchObject({ why: "stale", reason: /llama\.cpp v0\.4\.0/ });
		// Builds and delivered binaries are made from different things. An older one does not say from what.
		const hashes = { native: "a", prebuilt: "b" };
		const whyOf = (other: object) => misfitOf({ ...facts, ...other }, machine, hashes)?.why;
		expect([{}, { sources: "b" }, { sources: "a" }].map((other) => whyOf(other))).toEqual([undefined, undefined, "stale"]);
		expect([{ sources: "b" }, { sources: "a" }].map((other) => whyOf({ backend: "cpu", ...other }))).toEqual(["stale", undefined]);
		expect(misfitOf({ ...facts, sources: "b" }, machine, {})).toBeUndefined();
		// Whose features the system does not tell, the probe decides.
		expect(misfitOf({ ...facts, needs: ["avx512f"] }, { ...machine, cpu: { model: "Some CPU", flags: undefined } })).toBeUndefined();
	});

	it.each([
		["glibc", "2.28", undefined],
		["glibc", "2.36", undefined],
		["glibc", "3.1", undefined],
		["glibc", undefined, undefined],
		["glibc", "2.27", "it needs glibc 2.28 or newer, and this system has glibc 2.27"],
		["glibc", "2.9", "it needs glibc 2.28 or newer, and this system has glibc 2.9"],
		["musl", undefined, "it needs glibc 2.28 or newer, and this system has musl"],
	] as const)("the C library %s %s: %s", (name, version, reason) => {
		expect(systemMisfitOf(facts, { libc: { name, version } })?.reason).toBe(reason);
		expect(systemMisfitOf({ ...facts, libc: null, libcVersion: null }, { libc: { name, version } })).toBeUndefined();
		expect(systemMisfitOf(facts, { libc: undefined })).toBeUndefined();
	});

	it.each([
		["13.3", undefined],
		["13.10", undefined],
		["14.0.1", undefined],
		[undefined, undefined],
		["13.2.1", "it needs macOS 13.3 or newer, and this system has macOS 13.2.1"],
		["12.7", "it needs macOS 13.3 or newer, and this system has macOS 12.7"],
	] as const)("macOS %s: %s", (macos, reason) => {
		const mac = { ...facts, libc: null, libcVersion: null, macos: "13.3" };
		expect(systemMisfitOf(mac, { libc: undefined, macos })?.reason).toBe(reason);
	});

	it("by what its binary.json says, if that is whole", () => {
		const place = fresh();
		const path = placeBinary(place, Buffer.from("x"), { name: "one" });
		expect(readFacts(path)).toMatchObject({ name: "one", bytes: 1 });
		for (const text of ["", "{", "[]", JSON.stringify({ ...fittingFacts, sha256: "short" }), JSON.stringify({ name: "one" })]) {
			writeFileSync(join(place, "binary.json"), text);
			expect(readFacts(path), text).toBeUndefined();
		}
	});
});

describe("candidates", () => {
	const bytes = Buffer.from("x");
	const places = (): BinaryPlaces & { root: string } => {
		const root = fresh();
		return { root, builds: [join(root, "build"), join(root, "cache")], prebuilt: join(root, "prebuilds") };
	};
	const build = (root: string, backend: "cpu" | "cuda" | "vulkan", facts: object | undefined) =>
		placeBinary(join(root, backend, "Release"), bytes, facts && { name: `built-${backend}`, backend, ...facts });
	const namesOf = (where: BinaryPlaces) => candidatesIn(where).map(({ kind, name }) => `${kind} ${name}`);

	it("are a build that was asked for, the delivered ones, the best first, and a build that was not asked for", () => {
		const where = places();
		expect(candidatesIn(where)).toEqual([]);
		for (const [name, needs] of Object.entries({ baseline: [], avx512: ["avx512f", "avx2", "fma"], avx2: ["avx2", "fma"] }))
			placeBinary(join(where.prebuilt, name), bytes, { name, needs });
		mkdirSync(join(where.prebuilt, "empty"));
		build(where.builds[0]!, "cpu", { asked: false });
		expect(namesOf(where)).toEqual(["prebuilt avx512", "prebuilt avx2", "prebuilt baseline", "fallback built-cpu"]);
		build(where.builds[1]!, "vulkan", { asked: true });
		build(where.builds[1]!, "cuda", { asked: true });
		expect(namesOf(where).slice(0, 3)).toEqual(["built built-cuda", "built built-vulkan", "prebuilt avx512"]);
		// The one that was built last.
		writeFileSync(join(where.builds[1]!, "active.json"), JSON.stringify({ backend: "vulkan" }));
		expect(namesOf(where).slice(0, 2)).toEqual(["built built-vulkan", "built built-cuda"]);
		writeFileSync(join(where.builds[1]!, "active.json"), "{");
		expect(namesOf(where)).toHaveLength(6);
	});

	it("are builds that were asked for in any folder, the last one first", () => {
		const where = places();
		const [inPackage, inCache] = where.builds as [string, string];
		build(inPackage, "cpu", { asked: true, askedAt: 2000 });
		build(inPackage, "vulkan", { asked: true });
		build(inCache, "cpu", { name: "cached-cpu", asked: true, askedAt: 1000 });
		build(inCache, "cuda", { asked: true, askedAt: 3000 });
		writeFileSync(join(inPackage, "active.json"), JSON.stringify({ backend: "vulkan" }));
		expect(namesOf(where)).toEqual(["built built-cuda", "built built-cpu", "built cached-cpu", "built built-vulkan"]);
	});

	it("are the one that is named, alone", () => {
		const where = places();
		build(where.builds[0]!, "cpu", { asked: true });
		const named = candidatesIn({ ...where, named: "somewhere/mine.node" });
		expect(named).toEqual([{ kind: "named", path: join(process.cwd(), "somewhere", "mine.node"), name: "mine.node", facts: undefined }]);
	});

	it("without facts have their folder's name and backend, and count as asked for", () => {
		const where = places();
		const path = build(where.builds[0]!, "cuda", { asked: false });
		placeBinary(join(where.prebuilt, "linux-x64-avx2"), bytes, undefined);
		expect(candidatesIn(where)).toMatchObject([{ name: "linux-x64-avx2" }, { kind: "fallback", backend: "cuda" }]);
		writeFileSync(join(path, "..", "binary.json"), '{"name":"built-cu');
		expect(namesOf(where)).toEqual(["built built-cuda", "prebuilt linux-x64-avx2"]);
		expect(candidatesIn(where)[0]).toMatchObject({ backend: "cuda", facts: undefined });
	});
});

describe("a file", () => {
	const elf = (machine: number, size = 64) => {
		const bytes = Buffer.alloc(size);
		bytes.write("\x7fELF\x02", "latin1");
		bytes.writeUInt16LE(machine, 18);
		bytes.writeBigUInt64LE(64n, 40);
		bytes.writeUInt16LE(64, 58);
		bytes.writeUInt16LE(2, 60);
		return bytes;
	};
	const pe = (machine: number) => {
		const bytes = Buffer.alloc(256);
		bytes.write("MZ", "latin1");
		bytes.writeUInt32LE(128, 60);
		bytes.write("PE", 128, "latin1");
		bytes.writeUInt16LE(machine, 132);
		return bytes;
	};
	const mach = (machine: number) => {
		const bytes = Buffer.alloc(64);
		bytes.writeUInt32LE(0xfeedfacf, 0);
		bytes.writeUInt32LE(machine, 4);
		return bytes;
	};
	it.each<[string, Buffer, string, string, string | undefined]>([
		["ELF", elf(62, 192), "linux", "x64", undefined],
		["ELF cut short", elf(62, 191), "linux", "x64", "it is cut short: 191 of at least 192 bytes"],
		["ELF for Arm", elf(183, 192), "linux", "x64", "it is for arm64 processors, and Node.js runs as x64"],
		["ELF for something else", elf(1000, 192), "linux", "x64", "it is for other processors, and Node.js runs as x64"],
		["ELF on Windows", elf(62, 192), "win32", "x64", "it is for Linux, not for this system"],
		["PE", pe(0x8664), "win32", "x64", undefined],
		["PE for Arm", pe(0xaa64), "win32", "x64", "it is for arm64 processors, and Node.js runs as x64"],
		["PE on Linux", pe(0x8664), "linux", "x64", "it is for Windows, not for this system"],
		["Mach-O", mach(0x0100000c), "darwin", "arm64", undefined],
		["Mach-O for Intel", mach(0x01000007), "darwin", "arm64", "it is for x64 processors, and Node.js runs as arm64"],
		["Mach-O on Linux", mach(0x01000007), "linux", "x64", "it is for macOS, not for this system"],
		["text", Buffer.from("404: not found".repeat(9)), "linux", "x64", "it is no program library, or damaged"],
		["empty", Buffer.alloc(0), "linux", "x64", "it is no program library, or damaged"],
	])("%s is looked at before it is loaded", async (_, bytes, platform, arch, reason) => {
		const path = placeBinary(fresh(), bytes, undefined);
		expect(await fileFault(path, undefined, { platform, arch })).toBe(reason);
	});

	it("has the stated size, is a file, and can be read", async () => {
		const path = placeBinary(fresh(), elf(62, 192), undefined);
		expect(await fileFault(path, 200, { platform: "linux", arch: "x64" })).toBe("it is cut short: 192 of 200 bytes");
		expect(await fileFault(folder, undefined)).toMatch(/it is no regular file|it cannot be read/);
		expect(await fileFault(join(folder, "nowhere"), undefined)).toMatch(/it cannot be read: .*ENOENT/);
	});
});

describe("a failure is said in plain words", () => {
	it.each([
		[
			"/lib/libc.so.6: version `GLIBC_2.38' not found (required by x.node)",
			/^it needs glibc 2\.38 or newer, and this system's is older \(/,
		],
		["libstdc++.so.6: version `GLIBCXX_3.4.32' not found (required by x.node)", /^it needs a newer libstdc\+\+ \(GLIBCXX_3\.4\.32\) \(/],
		["libgomp.so.1: version `GOMP_5.0' not found", /^it needs a newer system library \(GOMP_5\.0\)/],
		[
			"libcudart.so.12: cannot open shared object file: No such file or directory",
			/^the library libcudart\.so\.12 that it needs is not installed/,
		],
		["libc.musl-x86_64.so.1: cannot open shared object file: No such file or directory", /^it was made for another C library/],
		[
			"Error loading shared library ld-linux-x86-64.so.2: No such file or directory (needed by x.node)",
			/^it was made for another C library/,
		],
		["Error relocating x.node: __memcpy_chk: symbol not found", /^it was made for another C library/],
		["dlopen(x.node, 0x1): Library not loaded: @rpath/libomp.dylib", /^the library @rpath\/libomp\.dylib that it needs/],
		["x.node: invalid ELF header", /^it is no program library, or damaged/],
		["x.node: file too short", /^it is no program library, or damaged/],
		["\\\\?\\C:\\x.node is not a valid Win32 application.", /^it is no program library, or damaged/],
		["The specified module could not be found.", /^it, or a library that it needs, is not installed/],
		["x.node: failed to map segment from shared object", /^the system does not let it be loaded from that folder/],
		["code signature in (x.node) not valid for use in process", /^macOS refuses its signature/],
		["Module did not self-register: 'x.node'.", /^it was built for another version of Node\.js or prune-gguf/],
		["it computes wrong numbers", /^it computes wrong numbers$/],
		["one line\nanother", /^one line$/],
	])("%s", (message, words) => {
		const mayPass = /that it needs|from that folder|wrong numbers|one line/.test(words.source);
		expect(faultInWords({ message })).toEqual({
			...{ reason: expect.stringMatching(words), lasts: "once" },
			...(mayPass ? {} : { lasting: true }),
		});
	});

	it.each([
		["SIGILL", "always", /^it uses an instruction that this processor lacks \(SIGILL while loading it\)$/],
		["exit code 3221225501", "always", /^it uses an instruction that this processor lacks \(SIGILL/],
		["SIGBUS", "once", /^its file is damaged or cut short/],
		["SIGKILL", "once", /memory/],
		["exit code 3221225477", "once", /^it ends the process \(SIGSEGV while loading it\): last words$/],
		["SIGABRT", "once", /^it ends the process \(SIGABRT while loading it\): last words$/],
	])("an end by %s", (cause, lasts, words) => {
		expect(faultInWords({ cause, stage: "loading it", log: ["first", "last words"] })).toEqual({
			reason: expect.stringMatching(words),
			lasts,
			...(/instruction|damaged/.test(words.source) ? { lasting: true } : {}),
		});
	});
});
