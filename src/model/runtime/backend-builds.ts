// What a build for each backend tells CMake, and what it needs beside a compiler.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type PackageSystem, packageSystem } from "./build-tools.js";
import type { Backend } from "./paths.js";

const onOff = (value: boolean) => (value ? "ON" : "OFF");

/** CMake's settings for a backend. RPC adds two sources, so it comes with every backend but the plain CPU: its devices and local ones go together. */
export function backendDefinitions(backend: Backend, search: PartSearch = {}): Readonly<Record<string, string>> {
	const nvcc = backend === "cuda" ? findNvcc(search) : undefined;
	return {
		GGML_CUDA: onOff(backend === "cuda"),
		GGML_VULKAN: onOff(backend === "vulkan"),
		GGML_RPC: onOff(backend !== "cpu"),
		// It would tie the binary to the libraries of a network card.
		...(backend === "cpu" ? {} : { GGML_RPC_RDMA: "OFF" }),
		GGML_METAL: onOff(backend === "metal"),
		// The kernels are part of the binary: no file must lie beside it.
		...(backend === "metal" ? { GGML_METAL_EMBED_LIBRARY: "ON" } : {}),
		// A toolkit need not be in the path.
		...(nvcc === undefined ? {} : { CMAKE_CUDA_COMPILER: nvcc }),
	};
}

/** llama.cpp's name of the program that offers devices to other machines. */
export const rpcServer = "ggml-rpc-server";

/** Where a build puts it; undefined if it makes none. @param root of the package, whose sources of llama.cpp may lack it */
export function rpcServerOf(backend: Backend, folder: string, root: string): string | undefined {
	if (backend === "cpu" || !existsSync(join(root, "vendor", "llama.cpp", "tools", "rpc"))) return undefined;
	return join(folder, process.platform === "win32" ? `${rpcServer}.exe` : rpcServer);
}

/** Something that a build for a backend needs, and that is not there. */
export interface MissingPart {
	/** For people, such as "nvcc of the CUDA toolkit". */
	readonly what: string;
	/** A command that brings it, or where it is found; undefined if nothing does. */
	readonly command: string | undefined;
}

/** Where parts are looked for. */
export interface PartSearch {
	/** Whether a program can be run. @default it is run with `--version` */
	readonly runs?: ((program: string) => boolean) | undefined;
	/** Whether a file is there. @default on this machine */
	readonly exists?: ((path: string) => boolean) | undefined;
	/** @default that of this process */
	readonly platform?: NodeJS.Platform | undefined;
	/** @default that of this process */
	readonly env?: NodeJS.ProcessEnv | undefined;
	/** Whose commands are named. @default this one */
	readonly system?: PackageSystem | null | undefined;
}

/** What a build for a backend would miss, beside compilers and CMake. */
export function missingParts(backend: Backend, search: PartSearch = {}): MissingPart[] {
	const { platform = process.platform } = search;
	const system = search.system === undefined ? packageSystem() : search.system;
	switch (backend) {
		case "cuda":
			if (platform === "darwin") return [{ what: "an NVIDIA GPU (on a Mac use metal)", command: undefined }];
			return findNvcc(search) === undefined ? [{ what: "nvcc of the CUDA toolkit", command: cudaCommand(system) }] : [];
		case "metal":
			return platform === "darwin" ? [] : [{ what: "macOS", command: undefined }];
		case "vulkan":
			return vulkanParts(search).map((what) => ({ what, command: vulkanCommand(system) }));
		default:
			return [];
	}
}

/** Says what is missing, and how to get it. @param missing not empty */
export function missingPartsMessage(backend: Backend, missing: readonly MissingPart[]): string {
	const list = missing.map(({ what }) => what).join(" and ");
	const command = missing.find((part) => part.command !== undefined)?.command;
	const how = command === undefined ? "" : ` ${howToGet(command)}`;
	return `a build for ${backend} needs ${list}, which ${missing.length > 1 ? "are" : "is"} not there.${how}`;
}

const howToGet = (command: string) => (command.startsWith("https:") ? `Get it from ${command}` : `Install with: ${command}`);

function findNvcc({
	runs: found = runs,
	exists = existsSync,
	platform = process.platform,
	env = process.env,
}: PartSearch): string | undefined {
	const program = platform === "win32" ? "nvcc.exe" : "nvcc";
	if (env.CUDACXX && (exists(env.CUDACXX) || found(env.CUDACXX))) return env.CUDACXX;
	const folders = [env.CUDAToolkit_ROOT, env.CUDA_PATH, env.CUDA_HOME].filter(Boolean) as string[];
	const named = folders.map((folder) => join(folder, "bin", program)).find(exists);
	if (named !== undefined) return named;
	if (found("nvcc")) return "nvcc";
	const usual = join("/usr/local/cuda/bin", program);
	return platform !== "win32" && exists(usual) ? usual : undefined;
}

function vulkanParts({ runs: found = runs, exists = existsSync, platform = process.platform, env = process.env }: PartSearch): string[] {
	const sdk = env.VULKAN_SDK;
	if (platform === "win32") return sdk ? [] : ["the Vulkan SDK (VULKAN_SDK in the environment names it)"];
	const folders = [...(sdk ? [join(sdk, "include")] : []), "/usr/include", "/usr/local/include", "/opt/homebrew/include"];
	const hasHeaders = folders.some((folder) => exists(join(folder, "vulkan", "vulkan.hpp")));
	const hasCompiler = (sdk !== undefined && exists(join(sdk, "bin", "glslc"))) || found("glslc");
	return [...(hasHeaders ? [] : ["the headers of Vulkan"]), ...(hasCompiler ? [] : ["glslc"])];
}

const cudaCommand = (system: PackageSystem | null): string =>
	system === "debian"
		? "apt install nvidia-cuda-toolkit"
		: system === "windows"
			? "winget install Nvidia.CUDA"
			: "https://developer.nvidia.com/cuda-downloads";

const vulkanCommands: Readonly<Record<PackageSystem, string>> = {
	debian: "apt install libvulkan-dev glslc spirv-headers",
	fedora: "dnf install vulkan-headers vulkan-loader-devel glslc spirv-headers-devel",
	alpine: "apk add vulkan-headers vulkan-loader-dev shaderc spirv-headers",
	macos: "brew install vulkan-headers vulkan-loader shaderc spirv-headers molten-vk",
	windows: "winget install KhronosGroup.VulkanSDK",
};

const vulkanCommand = (system: PackageSystem | null): string => (system ? vulkanCommands[system] : "https://vulkan.lunarg.com/sdk/home");

const runs = (program: string): boolean => spawnSync(program, ["--version"], { stdio: "ignore" }).status === 0;
