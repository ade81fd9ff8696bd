// npm run check:cuda -- [--jobs N] [--flash-attention]
//
// Compiles the addon with CUDA, for one architecture, where no toolkit and no GPU is: nvcc comes from PyPI's wheels (needs pip). It shows
// that the pinned llama.cpp and our sources compile and link with CUDA, not that they compute: kernels are hardly optimized. Ends with the
// last lines of the log, and fails on a warning from our own files. The kernels of flash attention, more than half of the work, are left out
// unless they are asked for.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { fail, root } from "../device/build.mjs";
import { forgetOwnObjects, ownWarnings } from "./own-sources.mjs";

/** A toolkit: the compiler, with the runtime and the headers that it needs, and two libraries. */
const wheels = { "nvidia-cuda-nvcc": "13.5.37", "nvidia-cuda-cccl": "13.3.5.0.6", "nvidia-cublas": "13.10.0.20" };
/** Turing, as PTX: no step for the code of one card. */
const architecture = "75-virtual";
const shownLines = 12;

const { values: options } = parseArgs({
	options: { jobs: { type: "string", default: String(availableParallelism()) }, "flash-attention": { type: "boolean", default: false } },
});

/** Puts the wheels into .cache/cuda unless they are there. @returns the toolkit's folder */
function makeToolkit() {
	const folder = join(root, ".cache", "cuda");
	const done = join(folder, "done.json");
	const toolkit = join(folder, "nvidia", "cu13");
	if (existsSync(done)) return toolkit;
	rmSync(folder, { recursive: true, force: true });
	mkdirSync(folder, { recursive: true });
	process.stderr.write("fetching nvcc and cuBLAS from PyPI (500 MB)\n");
	const named = Object.entries(wheels).map(([name, version]) => `${name}==${version}`);
	const pip = [["python3", "-m", "pip"], ["pip3"], ["pip"]].find(([program, ...rest]) => runs(program, [...rest, "--version"]));
	if (!pip) throw new Error("pip was not found: install Python with pip to fetch nvcc");
	const { status, stderr } = spawnSync(pip[0], [...pip.slice(1), "install", "--quiet", "--target", folder, ...named], { encoding: "utf8" });
	if (status !== 0) throw new Error(`pip could not install ${named.join(", ")}:\n${stderr.slice(-2000)}`);
	// The linker looks for names without a version.
	const libraries = join(toolkit, "lib");
	for (const name of readdirSync(libraries)) {
		const plain = name.replace(/\.so\.[\d.]+$/, ".so");
		if (plain !== name && !existsSync(join(libraries, plain))) symlinkSync(name, join(libraries, plain));
	}
	writeFileSync(done, JSON.stringify(wheels));
	return toolkit;
}

const runs = (program, args) => spawnSync(program, args, { stdio: "ignore" }).status === 0;

/** Runs a program, with its lines. */
async function logged(program, args, onLine) {
	const child = spawn(program, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
	for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on("line", onLine);
	const code = await new Promise((resolve, reject) => child.on("error", reject).on("close", resolve));
	if (code !== 0) throw new Error(`${program} ended with ${code}`);
}

async function configure(folder, toolkit) {
	const { backendDefinitions } = await import("../../dist/model/runtime/backend-builds.js");
	const { BuildSystem } = createRequire(import.meta.url)("cmake-js");
	const system = new BuildSystem({
		directory: root,
		out: folder,
		config: "Release",
		log: { level: "silent" },
		cMakeOptions: {
			// What a user's build has, RPC among it.
			...backendDefinitions("cuda"),
			GGML_CUDA_FA: options["flash-attention"] ? "ON" : "OFF",
			// The driver's library is on machines with a GPU only.
			GGML_CUDA_NO_VMM: "ON",
			GGML_CUDA_NCCL: "OFF",
			CMAKE_CUDA_ARCHITECTURES: architecture,
			// Nothing of it runs, and kernels take half of the time with little optimization. With none nvcc refuses an intrinsic of mmvq.cu.
			CMAKE_CUDA_FLAGS_RELEASE: "-O0 -Xcicc -O1 -DNDEBUG",
			CMAKE_CUDA_COMPILER: join(toolkit, "bin", "nvcc"),
			CUDAToolkit_ROOT: toolkit,
			PRUNE_GGUF_LINKED: join(folder, "linked"),
		},
	});
	return [...(await system.cmake.getConfigureCommand()), "-B", folder];
}

async function check() {
	const toolkit = makeToolkit();
	const folder = join(root, "build", "cuda-check");
	mkdirSync(folder, { recursive: true });
	const lines = [];
	const onLine = (line) => {
		lines.push(line);
		if (/^\[\s*\d+/.test(line) && lines.length % 10 === 0) process.stderr.write(`${line}\n`);
	};
	try {
		forgetOwnObjects(folder);
		const [program, ...args] = await configure(folder, toolkit);
		await logged(program, args, onLine);
		await logged("cmake", ["--build", folder, "--parallel", options.jobs, "--target", "prune_gguf"], onLine);
	} finally {
		process.stdout.write(`The end of the log:\n${lines.slice(-shownLines).join("\n")}\n`);
	}
	const addon = join(folder, "linked", "prune_gguf.node");
	if (!existsSync(addon)) throw new Error(`${addon} was not made`);
	const warnings = ownWarnings(lines);
	process.stdout.write(`Compiled and linked for CUDA (${architecture}): ${addon}\nWarnings from our own files: ${warnings.length}\n`);
	if (warnings.length > 0) throw new Error(warnings.join("\n"));
}

check().catch(fail);
