import { describe, expect, it } from "vitest";
import { backendDefinitions, missingParts, missingPartsMessage, type PartSearch } from "../../../src/model/runtime/backend-builds.js";
import { backends } from "../../../src/model/runtime/paths.js";

const on = (...there: string[]): PartSearch => ({
	...{ platform: "linux", env: {}, system: "debian" },
	runs: (program) => there.includes(program),
	exists: (path) => there.includes(path),
});

describe("what CMake is told", () => {
	const switches = ["GGML_CUDA", "GGML_VULKAN", "GGML_METAL", "GGML_RPC"];

	it.each(backends)("of %s: this backend, and RPC beside every one but the CPU", (backend) => {
		const said = backendDefinitions(backend, on("nvcc"));
		const wanted = new Set([`GGML_${backend.toUpperCase()}`, ...(backend === "cpu" ? [] : ["GGML_RPC"])]);
		for (const name of switches) expect(said[name], name).toBe(wanted.has(name) ? "ON" : "OFF");
	});

	it("puts Metal's kernels into the binary", () => {
		expect(backendDefinitions("metal").GGML_METAL_EMBED_LIBRARY).toBe("ON");
		expect(backendDefinitions("cpu")).not.toHaveProperty("GGML_METAL_EMBED_LIBRARY");
	});

	it("names a compiler of CUDA that is not in the path", () => {
		const compiler = (search: PartSearch) => backendDefinitions("cuda", search).CMAKE_CUDA_COMPILER;
		expect(compiler(on("/usr/local/cuda/bin/nvcc"))).toBe("/usr/local/cuda/bin/nvcc");
		expect(compiler({ ...on("/opt/cuda/bin/nvcc", "nvcc"), env: { CUDA_PATH: "/opt/cuda" } })).toBe("/opt/cuda/bin/nvcc");
		expect(compiler({ ...on("/x/nvcc", "nvcc"), env: { CUDACXX: "/x/nvcc" } })).toBe("/x/nvcc");
		expect(compiler(on())).toBeUndefined();
	});
});

describe("what a build needs beside a compiler", () => {
	const what = (...search: Parameters<typeof missingParts>) => missingParts(...search).map((part) => part.what);

	it("is nothing for the CPU and for RPC", () => {
		for (const backend of ["cpu", "rpc"] as const) expect(missingParts(backend, on())).toEqual([]);
	});

	it("is nvcc for CUDA, and a GPU that no Mac has", () => {
		expect(missingParts("cuda", on())).toEqual([{ what: "nvcc of the CUDA toolkit", command: "apt install nvidia-cuda-toolkit" }]);
		expect(missingParts("cuda", on("nvcc"))).toEqual([]);
		expect(what("cuda", { ...on("nvcc"), platform: "darwin" })).toEqual(["an NVIDIA GPU (on a Mac use metal)"]);
	});

	it("is headers and glslc for Vulkan, of the system or of an SDK", () => {
		expect(what("vulkan", on())).toEqual(["the headers of Vulkan", "glslc"]);
		expect(what("vulkan", on("glslc"))).toEqual(["the headers of Vulkan"]);
		expect(missingParts("vulkan", on("glslc", "/usr/include/vulkan/vulkan.hpp"))).toEqual([]);
		const sdk = on("/sdk/include/vulkan/vulkan.hpp", "/sdk/bin/glslc");
		expect(missingParts("vulkan", { ...sdk, env: { VULKAN_SDK: "/sdk" } })).toEqual([]);
		expect(what("vulkan", { ...on(), platform: "win32" })).toEqual(["the Vulkan SDK (VULKAN_SDK in the environment names it)"]);
	});

	it("is macOS for Metal", () => {
		expect(missingParts("metal", on())).toEqual([{ what: "macOS", command: undefined }]);
		expect(missingParts("metal", { ...on(), platform: "darwin" })).toEqual([]);
	});

	it("is said with the command that brings it, or the page", () => {
		const message = (backend: "cuda" | "metal" | "vulkan", search: PartSearch) =>
			missingPartsMessage(backend, missingParts(backend, search));
		expect(message("vulkan", on())).toBe(
			"a build for vulkan needs the headers of Vulkan and glslc, which are not there. Install with: apt install libvulkan-dev glslc spirv-headers",
		);
		expect(message("cuda", { ...on(), system: null })).toMatch(/is not there\. Get it from https:\/\/developer\.nvidia\.com/);
		expect(message("metal", on())).toBe("a build for metal needs macOS, which is not there.");
	});
});
