// The prebuilt binaries, as data. A binary runs where platform, architecture and libc fit and the CPU has all of `needs`.

/** Oldest glibc that the binaries for Linux run with. Node.js 20 and newer ask for the same. */
export const glibcVersion = "2.28";

/** What a CPU of x86-64 must have, named as in /proc/cpuinfo. Each level holds the ones before it. */
const sse42 = ["ssse3", "sse4_1", "sse4_2", "popcnt", "cx16", "lahf_lm"];
const avx2 = [...sse42, "avx", "avx2", "fma", "f16c", "bmi1", "bmi2", "abm", "movbe"];
const avx512 = [...avx2, "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"];

/** ggml's own switches; `-mcpu` of the whole build covers the files of this project. */
const ggml = {
	sse42: { GGML_SSE42: "ON" },
	avx2: { GGML_SSE42: "ON", GGML_AVX: "ON", GGML_AVX2: "ON", GGML_FMA: "ON", GGML_F16C: "ON", GGML_BMI2: "ON" },
};
const levels = {
	baseline: { level: "baseline", cpu: "x86_64_v2", needs: sse42, cmake: ggml.sse42 },
	avx2: { level: "avx2", cpu: "x86_64_v3", needs: avx2, cmake: ggml.avx2 },
	avx512: { level: "avx512", cpu: "x86_64_v4", needs: avx512, cmake: { ...ggml.avx2, GGML_AVX512: "ON" } },
};

const linux = { platform: "linux", libc: "glibc", libcVersion: glibcVersion, madeOn: "any" };
const windows = { platform: "win32", libc: null, libcVersion: null, madeOn: "any" };
const macos = { platform: "darwin", libc: null, libcVersion: null, madeOn: "darwin" };

const linuxX64 = (level) => ({
	name: `linux-x64-${level.level}`,
	arch: "x64",
	...linux,
	...level,
	zigTarget: `x86_64-linux-gnu.${glibcVersion}`,
});
const windowsX64 = (level) => ({ name: `win32-x64-${level.level}`, arch: "x64", ...windows, ...level, zigTarget: "x86_64-windows-gnu" });

/** Accelerate's newer LAPACK, which ggml uses, came with this version. */
const macosVersion = { CMAKE_OSX_DEPLOYMENT_TARGET: "13.3" };

export const targets = [
	linuxX64(levels.baseline),
	linuxX64(levels.avx2),
	linuxX64(levels.avx512),
	{
		name: "linux-arm64",
		arch: "arm64",
		...linux,
		level: "armv8",
		cpu: "generic",
		// Every 64-bit ARM CPU that runs Linux has floating point and NEON.
		needs: [],
		// No GGML_CPU_ARM_ARCH: it becomes -march, in which zig sees one more -mcpu, and armv8-a is no name of a CPU.
		cmake: {},
		zigTarget: `aarch64-linux-gnu.${glibcVersion}`,
	},
	windowsX64(levels.baseline),
	windowsX64(levels.avx2),
	{
		name: "darwin-arm64",
		arch: "arm64",
		...macos,
		level: "apple-m1",
		needs: [],
		cmake: { ...macosVersion, CMAKE_OSX_ARCHITECTURES: "arm64", GGML_METAL: "ON", GGML_CPU_ARM_ARCH: "armv8.4-a+fp16" },
	},
	{
		name: "darwin-x64",
		arch: "x64",
		...macos,
		level: "avx2",
		needs: avx2,
		compilerFlags: ["-march=x86-64-v3"],
		cmake: { ...macosVersion, CMAKE_OSX_ARCHITECTURES: "x86_64", GGML_METAL: "OFF", ...ggml.avx2 },
	},
];

/** The machine that a target can be built on: zig builds for Linux and Windows anywhere but on Windows itself. */
export const canBuild = (target, host = process.platform) => (target.madeOn === "any" ? host !== "win32" : host === target.madeOn);

/** The targets of one machine, all levels. */
export const targetsOf = (platform, arch) => targets.filter((target) => target.platform === platform && target.arch === arch);
