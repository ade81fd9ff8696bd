// Why cmake or a compiler failed, in plain words.
import { tmpdir } from "node:os";
import { isAbsolute, join, relative } from "node:path";
import { howToWrite } from "./build-folder.js";
import { howToInstall } from "./build-tools.js";

interface Failure {
	readonly sign: RegExp;
	/** @param match of the sign; @param text of everything that was written */
	words(match: RegExpExecArray, text: string, written: WrittenFolders): string;
}

/** Folders that a build writes to. */
export interface WrittenFolders {
	/** CMake's. */
	readonly folder: string;
	/** That of compilers, for what they pass on to each other. @default the system's */
	readonly temporary?: string | undefined;
}

const compilerIn = (text: string): string => {
	const found = /The CXX compiler identification is (\S.*)/.exec(text)?.[1]?.trim();
	return found === undefined || found === "unknown" ? "the C++ compiler" : `the C++ compiler (${found})`;
};

/** The file before the words of an error of the system, as compilers, ld and ninja write it. */
const FILE = /(?:((?:[A-Za-z]:)?[^\s'"`‘’:]+)['"`’]?:[ \t]*['"`‘]?)?/.source;

/** The variable that names the folder of temporary files. */
const TEMPORARY = process.platform === "win32" ? "TEMP" : "TMPDIR";

/** Where a file is that could not be written. @param file as a line names it, from the folder of the build if it is relative; or a word that is none */
function placeOf(
	file: string | undefined,
	{ folder, temporary = tmpdir() }: WrittenFolders,
): "build" | "temporary" | "elsewhere" | "unknown" {
	if (file === undefined || !/[\\/]|\.\w+$/.test(file)) return "unknown";
	const isIn = (outer: string) => !/^\.\.|^[A-Za-z]:/.test(relative(outer, file));
	if (!isAbsolute(file) || isIn(folder)) return "build";
	return isIn(temporary) ? "temporary" : "elsewhere";
}

function diskWords(file: string | undefined, written: WrittenFolders): string {
	const { folder, temporary = tmpdir() } = written;
	const elsewhere = `, or set ${TEMPORARY} to a folder on another disk,`;
	const said = (disk: string, others = "") =>
		`the disk of ${disk} became full. Make space${others} and try again: what is compiled is kept`;
	switch (placeOf(file, written)) {
		case "build":
			return said(isAbsolute(file!) ? file! : join(folder, file!));
		case "temporary":
			return said(file!, elsewhere);
		case "elsewhere":
			return said(file!);
		default:
			return said(`${folder} or of ${temporary}, which has temporary files,`, elsewhere);
	}
}

function rightsWords(file: string | undefined, written: WrittenFolders): string {
	const { folder, temporary = tmpdir() } = written;
	if (placeOf(file, written) === "temporary")
		return `temporary files cannot be written to ${temporary}. Make it writable, or set ${TEMPORARY} to a folder that is`;
	return `a file of the build cannot be written to ${folder}. ${howToWrite(folder)}`;
}

const tooOld = "C++17 is needed with all of its library, as GCC 9, Clang 9, Xcode 11 and Visual Studio 2019 have it";

const failures: readonly Failure[] = [
	{
		sign: new RegExp(`${FILE}(?:No space left on device|There is not enough space on the disk)`),
		words: ([, file], _, written) => diskWords(file, written),
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
		sign: /No CMAKE_(?:C|CXX)_COMPILER could be found|is not a full path to an existing compiler tool|There is no Visual C\+\+ compiler installed|C\+\+ Compiler toolset is not available|nvcc fatal\s*: Cannot find compiler/,
		words: () => `there is no C++ compiler. ${howToInstall(["compiler"])}`,
	},
	{
		// ggml also writes the architectures that it takes, which is no error.
		sign: /Unsupported gpu architecture|nvcc fatal|unsupported GNU version|CUDA_ARCHITECTURES:?\s+(?:must be|is (?:empty|set to)|"[^"]*"\s+do not all work)|Failed to detect a default CUDA architecture/,
		words: () => wordsOf("cuda", "the CUDA toolkit does not fit this system's compiler, or is too old"),
	},
	{
		sign: /is not able to compile a simple test program/,
		words: (_, text) => `${compilerIn(text)} cannot make a program: a part of it is missing. ${howToInstall(["compiler"])}`,
	},
	{
		sign: /Killed signal terminated program|internal compiler error: Killed|died due to signal 9|unable to execute command: Killed|LLVM ERROR: out of memory|cannot allocate memory|virtual memory exhausted|out of memory allocating/i,
		words: () => "a compiler was ended, as happens if memory is short. Try again with: npx prune-gguf build --jobs 1",
	},
	{
		sign: new RegExp(`${FILE}(?:Read-only file system|Permission denied)`),
		words: ([, file], _, written) => rightsWords(file, written),
	},
];

const sdkPages = { vulkan: "https://vulkan.lunarg.com/sdk/home", cuda: "https://developer.nvidia.com/cuda-downloads" } as const;
const wordsOf = (backend: keyof typeof sdkPages, problem: string) => `${problem}. A newer one: ${sdkPages[backend]}`;

/** Why a program of a build failed, as far as its lines tell: a sentence without its period. */
export function explainFailure(lines: readonly string[], written: WrittenFolders): string | undefined {
	// CMake breaks its sentences into lines.
	const text = lines.join("\n");
	for (const { sign, words } of failures) {
		const match = sign.exec(text) ?? sign.exec(text.replaceAll(/\s+/g, " "));
		if (match) return words(match, text, written);
	}
	return undefined;
}
