import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { BuildError } from "../../errors.js";
import { lockFile } from "../../storage/lock.js";
import type { ProgressEvent } from "./job-options.js";
import { type Backend, buildRoot, builtAddon, packageRoot } from "./paths.js";
import { runTool } from "./run-tool.js";

/** @public */
export interface BuildOptions {
	/** Backend to compile in besides the CPU. @default "cpu" ("metal" on Apple silicon) */
	backend?: Backend | undefined;
	/** Also build llama.cpp's own tools (llama-perplexity, llama-quantize, ...), which the tests use for comparison. @default false */
	referenceTools?: boolean | undefined;
	/**
	 * Another build besides the usual one, in a folder of its own, that nothing loads by default: for work on the native part.
	 * @internal
	 */
	variant?: BuildVariant | undefined;
	/** Number of compilers at once. @default the number of cores */
	jobs?: number | undefined;
	/** Called while it compiles: one step, in percent. */
	onProgress?: ((event: ProgressEvent) => void) | undefined;
	signal?: AbortSignal | undefined;
}

/** How far a build is: what is being done, and how much of it, 0..1. */
export interface BuildStep {
	readonly step: string;
	readonly fraction: number;
}

/** What is compiled, and who is told. */
export interface CompileOptions extends Omit<BuildOptions, "onProgress"> {
	onStep?: ((step: BuildStep) => void) | undefined;
}

/** What a build gave. */
export interface BuildResult {
	/** Path of the addon. */
	addon: string;
	backend: Backend;
	seconds: number;
}

/** A debug build, or one with a sanitizer of the compiler. @internal */
export type BuildVariant = "debug" | "address" | "undefined" | "thread";

/** What distinguishes a build from others: its folder below `buildRoot()`, CMake's build type, and its options for CMake. */
interface BuildKind {
	readonly name: string;
	readonly config: "Release" | "Debug" | "RelWithDebInfo";
	readonly definitions: Readonly<Record<string, string>>;
}

function kindOf(backend: Backend, variant: BuildVariant | undefined): BuildKind {
	if (variant === undefined) return { name: backend, config: "Release", definitions: { PRUNE_GGUF_SANITIZE: "" } };
	if (variant === "debug") return { name: `${backend}-debug`, config: "Debug", definitions: { PRUNE_GGUF_SANITIZE: "" } };
	// The thread sanitizer does not know OpenMP's barriers, and would report each of them.
	const threads = variant === "thread" ? { GGML_OPENMP: "OFF" } : {};
	return { name: `${backend}-${variant}`, config: "RelWithDebInfo", definitions: { PRUNE_GGUF_SANITIZE: variant, ...threads } };
}

const referenceTargets = ["llama-quantize", "llama-perplexity", "llama-bench", "llama-imatrix", "test-llama-archs", "plain-decode"];

/** The backend that is built by default. */
export function defaultBackend(): Backend {
	return process.platform === "darwin" && process.arch === "arm64" ? "metal" : "cpu";
}

/**
 * Compiles the addon with the vendored llama.cpp; without changes it takes seconds.
 * @throws BuildError with what to install, or with the compiler's last lines
 */
export async function compileAddon(options: CompileOptions = {}): Promise<BuildResult> {
	const started = Date.now();
	const backend = options.backend ?? defaultBackend();
	const report = (step: string, fraction: number) => options.onStep?.({ step, fraction });
	options.signal?.throwIfAborted();
	requireTools();
	report("finding the sources of llama.cpp", 0);
	await ensureSources((line) => report(line, 0), options.signal);
	if (options.referenceTools) requireReferenceSources();

	const kind = kindOf(backend, options.variant);
	const folder = join(buildRoot(), kind.name);
	await mkdir(folder, { recursive: true });
	const lock = await lockFile(folder);
	try {
		report("configuring", 0);
		const configure = await configureCommand(folder, backend, kind, options.referenceTools ?? false);
		await runTool(configure, { cwd: packageRoot, signal: options.signal });
		const targets = ["prune_gguf", ...(options.referenceTools ? referenceTargets : [])];
		const build = [
			"cmake",
			"--build",
			folder,
			"--config",
			kind.config,
			"--parallel",
			String(options.jobs ?? availableParallelism()),
			"--target",
			...targets,
		];
		const onLine = (line: string) => {
			const fraction = buildFraction(line);
			if (fraction !== undefined) report("compiling llama.cpp", fraction);
		};
		await runTool(build, { cwd: packageRoot, signal: options.signal, onLine });
		const addon = options.variant === undefined ? builtAddon(backend) : join(folder, kind.config, "prune_gguf.node");
		if (!existsSync(addon))
			throw new BuildError(`the build ended without an error, but did not make ${addon}: delete the folder of the build and try again`);
		if (options.variant === undefined) await writeFile(join(buildRoot(), "active.json"), JSON.stringify({ backend }));
		report("done", 1);
		return { addon, backend, seconds: (Date.now() - started) / 1000 };
	} finally {
		await lock.release();
	}
}

async function ensureSources(log: (line: string) => void, signal: AbortSignal | undefined): Promise<void> {
	// A packed prune-gguf carries the sources without the pin's stamp; a clone fetches them.
	const sources = join(packageRoot, "vendor", "llama.cpp");
	if (existsSync(join(sources, "CMakeLists.txt")) && !existsSync(join(sources, ".pin"))) return;
	const { fetchLlama } = (await import(pathToFileURL(join(packageRoot, "scripts", "fetch-llama.mjs")).href)) as {
		fetchLlama(options: { root: string; log(line: string): void; signal?: AbortSignal | undefined }): Promise<string>;
	};
	try {
		await fetchLlama({ root: packageRoot, log, signal });
	} catch (cause) {
		signal?.throwIfAborted();
		throw new BuildError(`the sources of llama.cpp could not be downloaded: ${(cause as Error).message}`, { cause });
	}
}

/** A packed prune-gguf carries what the addon needs; llama.cpp's own tools are left out. */
function requireReferenceSources(root = packageRoot): void {
	const needed = ["tools/perplexity/CMakeLists.txt", "tools/quantize/CMakeLists.txt", "tests/test-llama-archs.cpp"];
	const missing = needed.filter((path) => !existsSync(join(root, "vendor", "llama.cpp", path)));
	if (missing.length === 0) return;
	throw new BuildError(
		`the reference tools (--reference-tools) need sources of llama.cpp that this installation lacks (${missing.join(", ")}): only the tests use them. ` +
			"Build them in a clone of prune-gguf's repository, or build without --reference-tools.",
	);
}

async function configureCommand(folder: string, backend: Backend, kind: BuildKind, referenceTools: boolean): Promise<string[]> {
	const { BuildSystem } = createRequire(import.meta.url)("cmake-js") as {
		BuildSystem: new (options: object) => { cmake: { getConfigureCommand(): Promise<string[]> } };
	};
	const onOff = (value: boolean) => (value ? "ON" : "OFF");
	const system = new BuildSystem({
		directory: packageRoot,
		out: folder,
		config: kind.config,
		log: { level: "silent" },
		cMakeOptions: {
			PRUNE_GGUF_REFERENCE_TOOLS: onOff(referenceTools),
			GGML_CUDA: onOff(backend === "cuda"),
			GGML_VULKAN: onOff(backend === "vulkan"),
			GGML_RPC: onOff(backend === "rpc"),
			GGML_METAL: onOff(backend === "metal"),
			...kind.definitions,
		},
	});
	return [...(await system.cmake.getConfigureCommand()), "-B", folder];
}

/** Progress in a line of make (`[ 42%] ...`) or ninja (`[12/120] ...`). */
export function buildFraction(line: string): number | undefined {
	const match = /^\[\s*(\d+)(%|\/(\d+))\]/.exec(line);
	if (!match) return undefined;
	return match[3] === undefined ? Number(match[1]) / 100 : Number(match[1]) / Number(match[3]);
}

function requireTools(): void {
	const found = (tool: string) => spawnSync(tool, ["--version"], { stdio: "ignore" }).status === 0;
	const missing: string[] = [];
	if (!found("cmake")) missing.push("cmake");
	if (process.platform !== "win32" && !["c++", "g++", "clang++", process.env.CXX ?? ""].some((tool) => tool !== "" && found(tool))) {
		missing.push("a C++ compiler");
	}
	if (!existsSync(join(packageRoot, "vendor", "llama.cpp", "CMakeLists.txt")) && !found("git")) missing.push("git");
	if (missing.length === 0) return;
	const how =
		process.platform === "darwin"
			? "xcode-select --install && brew install cmake"
			: process.platform === "win32"
				? "Visual Studio Build Tools (C++), CMake and Git for Windows"
				: "Debian/Ubuntu: apt install g++ cmake git; Fedora: dnf install gcc-c++ cmake git";
	throw new BuildError(
		`${missing.join(" and ")} ${missing.length > 1 ? "are" : "is"} needed to build the addon, but not found. Install: ${how}`,
	);
}
