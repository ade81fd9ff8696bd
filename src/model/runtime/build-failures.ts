// Why cmake or a compiler failed, in plain words.
import { howToInstall } from "./build-tools.js";

interface Failure {
	readonly sign: RegExp;
	/** @param match of the sign; @param text of everything that was written */
	words(match: RegExpExecArray, text: string): string;
}

const compilerIn = (text: string): string => {
	const found = /The CXX compiler identification is (\S.*)/.exec(text)?.[1]?.trim();
	return found === undefined || found === "unknown" ? "the C++ compiler" : `the C++ compiler (${found})`;
};

const tooOld = "C++17 is needed with all of its library, as GCC 9, Clang 9, Xcode 11 and Visual Studio 2019 have it";

const failures: readonly Failure[] = [
	{
		sign: /No space left on device|There is not enough space on the disk/,
		words: () => "the disk became full. Make space and try again: what is compiled is kept",
	},
	{
		sign: /CMake ([\d.]+) or higher is required\.\s+You are running version ([\d.]+)/,
		words: ([, wanted, have]) =>
			`cmake ${have} is too old: ${wanted} or newer is needed. Newer ones: pip install cmake, or https://cmake.org/download`,
	},
	{
		// Of CMakeLists.txt.
		sign: /The compiler (.+?) is too old/,
		words: ([, compiler]) =>
			`the C++ compiler (${compiler}) is too old: ${tooOld}. Name a newer one in CXX and CC, such as CXX=g++-12 CC=gcc-12`,
	},
	{
		sign: /language dialect "CXX17"|feature\s+"cxx_std_17" is not known|-std=(?:c|gnu)\+\+17['’]|invalid value 'c\+\+17'|fatal error: '?filesystem'?[: ]/,
		words: (_, text) => `${compilerIn(text)} is too old: ${tooOld}. Name a newer one in CXX and CC, such as CXX=g++-12 CC=gcc-12`,
	},
	{
		sign: /CMAKE_MAKE_PROGRAM is not set|unable to find a build program corresponding to/,
		words: () => `make or ninja is missing. ${howToInstall(["make"])}`,
	},
	{
		sign: /Could not find compiler set in environment\s+variable (\w+):\s+(\S+?)\.?\s/,
		words: ([, variable, path]) => `${path} is not there: ${variable} in the environment names it. Correct or unset ${variable}`,
	},
	{
		sign: /package configuration file provided by "SPIRV-Headers"/,
		words: () => wordsOf("vulkan", "the headers of SPIR-V are missing"),
	},
	{
		sign: /Could NOT find Vulkan|vulkan-shaders-gen: cannot compile|ggml-vulkan[^\n]*: error: .*(?:vk::|VK_|Vk)/,
		words: () =>
			wordsOf("vulkan", "the Vulkan SDK is incomplete, or too old for this llama.cpp. VULKAN_SDK in the environment names another one"),
	},
	{
		sign: /Unsupported gpu architecture|nvcc fatal|unsupported GNU version|CUDA_ARCHITECTURES/,
		words: () => wordsOf("cuda", "the CUDA toolkit does not fit this system's compiler, or is too old"),
	},
	{
		sign: /No CMAKE_(?:C|CXX)_COMPILER could be found|is not a full path to an existing compiler tool|There is no Visual C\+\+ compiler installed|C\+\+ Compiler toolset is not available/,
		words: () => `there is no C++ compiler. ${howToInstall(["compiler"])}`,
	},
	{
		sign: /is not able to compile a simple test program/,
		words: (_, text) => `${compilerIn(text)} cannot make a program: a part of it is missing. ${howToInstall(["compiler"])}`,
	},
	{
		sign: /Killed signal terminated program|internal compiler error: Killed|cannot allocate memory|virtual memory exhausted|out of memory allocating/i,
		words: () => "a compiler was ended, as happens if memory is short. Try again with: npx prune-gguf build --jobs 1",
	},
	{
		sign: /Read-only file system|Permission denied/,
		words: () => "a file of the build cannot be written. Make the folder writable, or set PRUNE_GGUF_HOME to one that is",
	},
];

const sdkPages = { vulkan: "https://vulkan.lunarg.com/sdk/home", cuda: "https://developer.nvidia.com/cuda-downloads" } as const;
const wordsOf = (backend: keyof typeof sdkPages, problem: string) => `${problem}. A newer one: ${sdkPages[backend]}`;

/** Why a program of a build failed, as far as its lines tell: a sentence without its period. */
export function explainFailure(lines: readonly string[]): string | undefined {
	// CMake breaks its sentences into lines.
	const text = lines.join("\n");
	for (const { sign, words } of failures) {
		const match = sign.exec(text) ?? sign.exec(text.replaceAll(/\s+/g, " "));
		if (match) return words(match, text);
	}
	return undefined;
}
