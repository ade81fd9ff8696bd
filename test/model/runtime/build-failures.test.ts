import { describe, expect, it, vi } from "vitest";
import { explainFailure } from "../../../src/model/runtime/build-failures.js";

/** Signs as CMake 3.25, GCC 12, Ninja and cmake-js write them, and words of what is said instead. */
const cases: readonly (readonly [name: string, lines: readonly string[], words: RegExp])[] = [
	[
		"a full disk",
		["[7/90] Building CXX object a.o", "/tmp/x.s: fatal error: can't write 4096 bytes to section .text of a.o: 'No space left on device'"],
		/^the disk of .package.build.cpu.a\.o became full\. Make space and try again: what is compiled is kept$/,
	],
	[
		"a full disk of temporary files",
		["a.cpp:1:1: fatal error: error writing to /scratch/ccX1.s: No space left on device"],
		/^the disk of \/scratch\/ccX1\.s became full\. Make space, or set (TMPDIR|TEMP) to a folder on another disk, and try again: what is compiled is kept$/,
	],
	[
		"a full disk that no line names",
		["/usr/bin/ld: final link failed: No space left on device"],
		/^the disk of \/package\/build\/cpu or of \/scratch, which has temporary files, became full\. Make space, or set/,
	],
	[
		"a full disk of something else",
		["CMake Error: /var/x/y.cmake: 'No space left on device'"],
		/^the disk of \/var\/x\/y\.cmake became full\. Make space and try/,
	],
	[
		"an old cmake",
		["CMake Error at CMakeLists.txt:1 (cmake_minimum_required):", "  CMake 3.15 or higher is required.  You are running version 3.10.2"],
		/^cmake 3\.10\.2 is too old: 3\.15 or newer/,
	],
	[
		"a compiler that CMakeLists.txt refuses",
		["CMake Error at CMakeLists.txt:14 (message):", "  The compiler GNU 8.2.0 is too old: 9 or newer is needed"],
		/^the C\+\+ compiler \(GNU 8\.2\.0\) is too old: C\+\+17.*GCC 9/,
	],
	[
		"a compiler without C++17",
		[
			"-- The CXX compiler identification is GNU 4.2.0",
			'  target_compile_features The compiler feature "cxx_std_17" is not known to',
			"  CXX compiler",
		],
		/^the C\+\+ compiler \(GNU 4\.2\.0\) is too old/,
	],
	[
		"a library without std::filesystem",
		["a.cpp:1:10: fatal error: filesystem: No such file or directory"],
		/^the C\+\+ compiler is too old/,
	],
	[
		"no make",
		['CMake was unable to find a build program corresponding to "Unix Makefiles".  CMAKE_MAKE_PROGRAM is not set.'],
		/^make or ninja is missing\. Install with: /,
	],
	["no compiler", ["  No CMAKE_CXX_COMPILER could be found."], /^there is no C\+\+ compiler\. Install with: /],
	[
		"no compiler on Windows",
		["There is no Visual C++ compiler installed. Install Visual C++ Build Toolset"],
		/^there is no C\+\+ compiler/,
	],
	[
		"a compiler that CXX names and is not there",
		["  Could not find compiler set in environment variable CXX:", "", "  /opt/gcc/bin/g++.", "", "CMake Error"],
		/^\/opt\/gcc\/bin\/g\+\+ is not there: CXX .* unset CXX$/,
	],
	[
		"a compiler that lacks a part",
		['  The C++ compiler "/usr/bin/c++"', "  is not able to compile a simple test program."],
		/^the C\+\+ compiler cannot make a program/,
	],
	[
		"no compiler for CUDA, beside the architectures that ggml writes",
		["-- Using CMAKE_CUDA_ARCHITECTURES=native CMAKE_CUDA_ARCHITECTURES_NATIVE=90-real", "  No CMAKE_CXX_COMPILER could be found."],
		/^there is no C\+\+ compiler/,
	],
	["no compiler that nvcc finds", ["nvcc fatal   : Cannot find compiler 'cl.exe' in PATH"], /^there is no C\+\+ compiler/],
	["too little memory", ["c++: fatal error: Killed signal terminated program cc1plus"], /^a compiler was ended.*--jobs 1$/],
	["too little memory for nvcc", ["nvcc error   : 'cicc' died due to signal 9 (Kill signal)"], /^a compiler was ended.*--jobs 1$/],
	["too little memory for clang", ["clang++: error: unable to execute command: Killed"], /^a compiler was ended.*--jobs 1$/],
	[
		"headers of SPIR-V",
		['  Could not find a package configuration file provided by "SPIRV-Headers" with any of'],
		/^the headers of SPIR-V are missing/,
	],
	[
		"an old Vulkan SDK",
		["/x/ggml/src/ggml-vulkan/ggml-vulkan.cpp:12:3: error: 'PhysicalDeviceCooperativeMatrixFeaturesKHR' is not a member of 'vk::x'"],
		/^the Vulkan SDK is incomplete, or too old.*VULKAN_SDK.*lunarg/,
	],
	["an old CUDA", ["nvcc fatal   : Unsupported gpu architecture 'compute_120a'"], /^the CUDA toolkit does not fit.*nvidia\.com/],
	[
		"architectures that CUDA lacks",
		["  CMAKE_CUDA_ARCHITECTURES:", "", '    "120a"', "", "  do not all work with this compiler.  Try:"],
		/^the CUDA toolkit does not fit/,
	],
	[
		"rights",
		["Error: cannot open a.o: Permission denied"],
		/^a file of the build cannot be written to \/package\/build\/cpu\. Make it writable, or delete it$/,
	],
	[
		"rights to temporary files",
		["Cannot create temporary file in /scratch/: Read-only file system"],
		/^temporary files cannot be written to \/scratch\. Make it writable, or set (TMPDIR|TEMP) to a folder that is$/,
	],
];

const written = { folder: "/package/build/cpu", temporary: "/scratch" };
const explain = (lines: readonly string[]) => explainFailure(lines, written);

describe("explainFailure", () => {
	it.each(cases)("says what is meant: %s", (_name, lines, words) => {
		expect(explain(["-- first", ...lines, "ninja: build stopped: subcommand failed."])).toMatch(words);
	});

	it("tells each of them from the others, and is silent about an error in the code", () => {
		const said = cases.map(([, lines]) => explain(lines));
		expect(new Set(said).size).toBeGreaterThan(cases.length - 8);
		expect(explain(["native/addon.cpp:3:1: error: expected ';' before '}' token"])).toBeUndefined();
		expect(explain([])).toBeUndefined();
		expect(explain(["-- Using CMAKE_CUDA_ARCHITECTURES=native", "a.cpp:3:1: error: x"])).toBeUndefined();
	});

	it("names the variable of the cache folder only for a build in it", () => {
		vi.stubEnv("PRUNE_GGUF_HOME", "/package");
		expect(explain(["a.o: Permission denied"])).toMatch(/Make it writable, or set PRUNE_GGUF_HOME to a folder that is$/);
		vi.unstubAllEnvs();
	});

	it("reads CMake's sentences across its lines", () => {
		expect(explain(["CMake 3.15 or higher is", "required.  You are running", "version 3.1"])).toMatch(/^cmake 3\.1 is too old/);
	});
});
