import { mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { misfitOf, readFacts } from "../../../../src/model/runtime/binary/binary-facts.js";
import { candidatesIn } from "../../../../src/model/runtime/binary/candidates.js";
import type { PassedOver } from "../../../../src/model/runtime/binary/choose.js";
import { neededBy, stampBuild } from "../../../../src/model/runtime/binary/stamp.js";
import { System } from "../../../../src/model/runtime/binary/system.js";
import type { LoadedBinary } from "../../../../src/model/runtime/load-addon.js";
import { binaryEvents } from "../../../../src/model/runtime/load-model.js";
import { builtAddon } from "../../../../src/model/runtime/paths.js";
import { fittingFacts, placeBinary } from "../../../helpers/binaries.js";
import { tempFolder } from "../../../helpers/temp-folder.js";

// What a build writes beside its binary, and what a run says of the binary that it uses.

const root = tempFolder();
const places = { builds: [root], prebuilt: join(root, "prebuilds") };

it("a build is stamped with what it was made from and for", async () => {
	const addon = builtAddon("cpu", root);
	const folder = join(root, "cpu");
	mkdirSync(join(folder, "CMakeFiles", "3.25.1"), { recursive: true });
	writeFileSync(
		join(folder, "CMakeFiles", "3.25.1", "CMakeCXXCompiler.cmake"),
		'set(CMAKE_CXX_COMPILER "/usr/bin/c++")\nset(CMAKE_CXX_COMPILER_ID "GNU")\nset(CMAKE_CXX_COMPILER_VERSION "12.2.0")\n',
	);
	mkdirSync(join(folder, "Release"));
	writeFileSync(addon, "code");
	const sources = "1".repeat(64);
	const build = { addon, folder, sources, backend: "cpu" } as const;
	// An earlier state of this version wrote no stamp.
	expect(candidatesIn(places)).toMatchObject([{ kind: "built", name: "built-cpu", facts: undefined }]);
	await stampBuild({ ...build, asked: false });
	const facts = readFacts(addon)!;
	expect(facts).toMatchObject({
		name: "built-cpu",
		level: "native",
		compiler: "GNU 12.2.0",
		backend: "cpu",
		asked: false,
		bytes: 4,
		sources,
	});
	const system = new System();
	expect(misfitOf(facts, system, { native: sources })).toBeUndefined();
	expect(candidatesIn(places)).toMatchObject([{ kind: "fallback", path: addon, facts }]);
	if (process.platform === "linux") {
		expect(facts.needs.length).toBeGreaterThan(0);
		expect(facts.needs.every((need) => system.cpu.flags!.has(need))).toBe(true);
		const [need] = facts.needs;
		const other = {
			...system,
			libc: undefined,
			cpu: { model: "older", flags: new Set([...system.cpu.flags!].filter((flag) => flag !== need)) },
		};
		expect(misfitOf(facts, other, {})).toEqual({ why: "elsewhere", reason: `this processor lacks ${need}` });
	}
	// The same bytes keep their needs on a machine with more, unless they were made here.
	const needsAfter = async (anew: boolean) => {
		placeBinary(join(folder, "Release"), Buffer.from("code"), { needs: ["some"], backend: "cpu" });
		return (await stampBuild({ ...build, asked: false, anew })).needs;
	};
	expect(await needsAfter(false)).toEqual(["some"]);
	expect(await needsAfter(true)).toEqual(facts.needs);
	const kindAfter = async (asked: boolean) => {
		await stampBuild({ ...build, asked });
		return candidatesIn(places)[0]!.kind;
	};
	// It appears whole: as another file, put in place of the one before.
	const fileOf = () => statSync(join(folder, "Release", "binary.json")).ino;
	const before = fileOf();
	await stampBuild({ ...build, asked: false });
	expect(fileOf()).not.toBe(before);
	expect(readdirSync(join(folder, "Release")).sort()).toEqual(["binary.json", "prune_gguf.node"]);
	const begun = Date.now();
	expect(await kindAfter(true)).toBe("built");
	const { askedAt } = readFacts(addon)!;
	expect(askedAt).toBeGreaterThanOrEqual(begun);
	// The same code: what was asked for stays so, since then.
	expect(await kindAfter(false)).toBe("built");
	expect(readFacts(addon)!.askedAt).toBe(askedAt);
	writeFileSync(addon, "other code");
	expect(await kindAfter(false)).toBe("fallback");
	expect(readFacts(addon)!.askedAt).toBeUndefined();
});

it("a build needs the instruction sets of its processor, and no other feature", () => {
	// The line of a Xeon with AMX in /proc/cpuinfo.
	const xeon =
		"fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse sse2 ss ht syscall nx pdpe1gb rdtscp lm " +
		"constant_tsc rep_good nopl xtopology nonstop_tsc cpuid tsc_known_freq pni pclmulqdq ssse3 fma cx16 pcid sse4_1 sse4_2 x2apic movbe popcnt " +
		"tsc_deadline_timer aes xsave avx f16c rdrand hypervisor lahf_lm abm 3dnowprefetch cpuid_fault fsgsbase tsc_adjust bmi1 hle avx2 smep bmi2 " +
		"erms invpcid rtm avx512f avx512dq rdseed adx smap avx512ifma clflushopt clwb avx512cd sha_ni avx512bw avx512vl xsaveopt xsavec xgetbv1 " +
		"xsaves avx_vnni avx512_bf16 arat avx512vbmi umip avx512_vbmi2 gfni vaes vpclmulqdq avx512_vnni avx512_bitalg avx512_vpopcntdq rdpid " +
		"cldemote movdiri movdir64b fsrm serialize tsxldtrk amx_bf16 avx512_fp16 amx_tile amx_int8 arch_capabilities";
	const needs =
		"abm amx_bf16 amx_int8 amx_tile avx avx2 avx512_bf16 avx512_bitalg avx512_fp16 avx512_vbmi2 avx512_vnni avx512_vpopcntdq avx512bw " +
		"avx512cd avx512dq avx512f avx512ifma avx512vbmi avx512vl avx_vnni bmi1 bmi2 f16c fma gfni movbe pni popcnt sse sse2 sse4_1 sse4_2 ssse3 " +
		"vaes";
	expect(neededBy(xeon.split(" "), "x64")).toEqual(needs.split(" "));
	// An AMD EPYC encrypts memory, and protects its kernel.
	expect(neededBy("sse4a misalignsse smep smap sme sev".split(" "), "x64")).toEqual(["sse4a"]);
	const arm = "fp asimd evtstrm aes sha2 crc32 atomics fphp asimdhp cpuid asimddp sve sme smei16i64 i8mm bf16 ssbs bti".split(" ");
	expect(neededBy(arm, "arm64")).toEqual("asimd asimddp asimdhp atomics bf16 fphp i8mm sme smei16i64 sve".split(" "));
});

it("a build without a compiler's name says so", async () => {
	const addon = placeBinary(join(root, "vulkan", "Release"), Buffer.from("code"), undefined);
	await stampBuild({ addon, folder: join(root, "vulkan"), backend: "vulkan", asked: true, sources: "" });
	expect(readFacts(addon)!.compiler).toBe("unknown");
});

it("a run says what it uses, and warns of what should work and does not", () => {
	const system = { platform: "linux", arch: "x64", node: "22.0.0", cpu: { model: "Some CPU", flags: undefined }, libc: undefined };
	const over = (kind: "built" | "prebuilt" | "fallback", why: PassedOver["why"], backend?: "cpu" | "cuda" | "metal"): PassedOver => ({
		// As if nothing could be read beside a build.
		candidate: { kind, path: "/x", name: `${kind}-${why}`, facts: backend ? undefined : fittingFacts, backend },
		...{ why, reason: "it is wrong" },
	});
	const binary: LoadedBinary = {
		...{
			path: "/p/prune_gguf.node",
			name: "linux-x64-avx2",
			kind: "prebuilt",
			level: "avx2",
			compiler: "zig 1",
			sha256: "0".repeat(64),
			system,
		},
		passedOver: [
			over("prebuilt", "broken"),
			over("prebuilt", "elsewhere"),
			over("prebuilt", "stale"),
			over("built", "stale", "cuda"),
			// The delivered binary stands in for it.
			over("built", "stale", process.platform === "darwin" && process.arch === "arm64" ? "metal" : "cpu"),
			over("fallback", "stale", "cuda"),
		],
	};
	expect(binaryEvents(binary).map(({ level, message }) => `${level}: ${message}`)).toEqual([
		"debug: System: linux x64, Some CPU, Node.js 22.0.0",
		"debug: Native part: linux-x64-avx2 (avx2, zig 1), delivered with prune-gguf: /p/prune_gguf.node",
		"warning: the native part prebuilt-broken is not used: it is wrong. linux-x64-avx2 is used instead; prune-gguf doctor says more.",
		"warning: the native part built-stale, built here by prune-gguf build, is not used: it is wrong. linux-x64-avx2 is used instead; prune-gguf doctor says more.",
	]);
});
