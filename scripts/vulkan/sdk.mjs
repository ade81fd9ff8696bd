// A Vulkan SDK for the tests, in .cache/vulkan-sdk. Users have a real one; this is for machines whose system carries an older one than the
// pinned llama.cpp needs (Debian 12: glslc 2023.2, headers 1.3.239).
//
// The loader and the driver (Mesa's lavapipe, which computes on the CPU) are the system's. Two Rust crates carry the sources of a newer
// glslc, of the headers of SPIR-V, and vulkan.hpp. Needs cargo, which only downloads and checks them, and cmake.
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { root } from "../device/build.mjs";

const crates = { "shaderc-sys": "0.10.1", "vulkanalia-vma": "0.9.0" };
const install = "apt install mesa-vulkan-drivers libvulkan-dev";

/** Where Debian and others put libraries. */
const libraryFolders = [`/usr/lib/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu`, "/usr/lib64", "/usr/lib"];

/** The driver that computes on the CPU. @throws {Error} with the command that installs it */
export function lavapipe() {
	const folder = "/usr/share/vulkan/icd.d";
	const name = existsSync(folder) ? readdirSync(folder).find((file) => /^lvp_icd.*\.json$/.test(file)) : undefined;
	if (!name) throw new Error(`Mesa's lavapipe is not there. Debian, Ubuntu: ${install}`);
	return join(folder, name);
}

/** Makes the SDK unless it is there. @returns its folder, for VULKAN_SDK */
export function makeSdk() {
	const folder = join(root, ".cache", "vulkan-sdk");
	const done = join(folder, "done.json");
	if (existsSync(done)) return folder;
	const loader = libraryFolders.map((place) => join(place, "libvulkan.so")).find(existsSync);
	if (!loader) throw new Error(`the loader of Vulkan is not there. Debian, Ubuntu: ${install}`);
	const work = join(root, ".cache", "vulkan-work");
	const sources = fetchCrates(work);
	rmSync(folder, { recursive: true, force: true });
	for (const name of ["bin", "lib"]) mkdirSync(join(folder, name), { recursive: true });
	const shaderc = join(sources, "shaderc-sys", "build");
	cpSync(join(sources, "vulkanalia-vma", "vendor", "Vulkan-Headers", "include"), join(folder, "include"), { recursive: true });
	symlinkSync(loader, join(folder, "lib", "libvulkan.so"));
	installSpirvHeaders(join(shaderc, "spirv-headers"), join(work, "spirv-headers"), folder);
	cpSync(buildGlslc(shaderc, join(work, "shaderc")), join(folder, "bin", "glslc"));
	writeFileSync(done, JSON.stringify(crates));
	rmSync(work, { recursive: true, force: true });
	return folder;
}

/** @returns the folder that holds the crates */
function fetchCrates(work) {
	const target = join(work, "crates");
	mkdirSync(join(work, "src"), { recursive: true });
	const wanted = Object.entries(crates).map(([name, version]) => `${name} = "=${version}"`);
	writeFileSync(join(work, "Cargo.toml"), `[package]\nname = "sources"\nversion = "0.0.0"\n\n[dependencies]\n${wanted.join("\n")}\n`);
	writeFileSync(join(work, "src", "lib.rs"), "");
	run("cargo", ["vendor", "--quiet", target], {
		cwd: work,
		missing: "cargo is needed to download two crates. Debian, Ubuntu: apt install cargo",
	});
	return target;
}

function installSpirvHeaders(source, build, prefix) {
	run("cmake", ["-S", source, "-B", build, `-DCMAKE_INSTALL_PREFIX=${prefix}`, "-DSPIRV_HEADERS_ENABLE_TESTS=OFF"]);
	run("cmake", ["--install", build]);
}

/** @returns the program */
function buildGlslc(source, build) {
	const settings = [
		"-DCMAKE_BUILD_TYPE=Release",
		"-DSHADERC_SKIP_TESTS=ON",
		"-DSPIRV_SKIP_EXECUTABLES=ON",
		"-DENABLE_GLSLANG_BINARIES=OFF",
	];
	run("cmake", ["-S", source, "-B", build, ...settings]);
	process.stderr.write("compiling glslc: about 5 minutes on two cores\n");
	run("cmake", ["--build", build, "--parallel", String(availableParallelism()), "--target", "glslc_exe"]);
	return ["shaderc/glslc/glslc", "glslc/glslc"].map((path) => join(build, path)).find(existsSync) ?? join(build, "glslc", "glslc");
}

function run(program, args, { cwd = root, missing } = {}) {
	const { error, status, stdout, stderr } = spawnSync(program, args, { cwd, encoding: "utf8", maxBuffer: 1 << 28 });
	if (error?.code === "ENOENT") throw new Error(missing ?? `${program} is needed, but not found`);
	if (status !== 0) throw new Error(`${program} ${args.slice(0, 2).join(" ")} ended with ${status}:\n${`${stdout}${stderr}`.slice(-3000)}`);
}
