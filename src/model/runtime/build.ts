import { existsSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { BuildError } from "../../errors.js";
import { type Lock, type LockOwner, waitForLock } from "../../storage/lock.js";
import { backendDefinitions, missingParts, missingPartsMessage, rpcServer, rpcServerOf } from "./backend-builds.js";
import { sourceHashes } from "./binary/sources.js";
import { stampBuild } from "./binary/stamp.js";
import { clearOutdated, endBegun } from "./build-anew.js";
import { explainFailure } from "./build-failures.js";
import { BuildRecord, checkBuildSpace, closeBuildFolder, makeBuildFolder, notWritable, placeAddon } from "./build-folder.js";
import { clearLeftovers, markRunning, unmarkRunning } from "./build-leftovers.js";
import { checkedSources, ensureSources, hasSources, requireReferenceSources } from "./build-sources.js";
import { findCompilers, missingTools, missingToolsMessage } from "./build-tools.js";
import type { ProgressEvent } from "./job-options.js";
import { type Backend, buildRoot, llamaPin, packageRoot, packageVersion } from "./paths.js";
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
	/** Whether someone asked for this build, so that it wins over a delivered binary. @default true */
	asked?: boolean | undefined;
	/** Folders other than those of this package, for tests. @internal */
	places?: BuildPlaces | undefined;
}

/** Where a build finds its sources, and where it goes. */
export interface BuildPlaces {
	/** Folder that holds CMakeLists.txt, native/ and vendor/. */
	readonly root: string;
	/** Folder of builds. */
	readonly builds: string;
	/** Hash that the sources must have. @default not compared */
	readonly sources?: string | undefined;
}

/** What a build gave. */
export interface BuildResult {
	/** Path of the addon. */
	addon: string;
	/** Path of llama.cpp's RPC server, which offers the devices of this machine to other machines. Missing in a build for the CPU alone. */
	rpcServer?: string | undefined;
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
 * Compiles the addon with the vendored llama.cpp; without changes it takes seconds. While another process builds the same, it waits and
 * takes what that one made. What a killed build compiled is kept. What is there and is for another machine, or damaged, is made again.
 * @throws BuildError with what to install, or with the compiler's last lines
 */
export async function compileAddon(options: CompileOptions = {}): Promise<BuildResult> {
	const started = Date.now();
	const backend = options.backend ?? defaultBackend();
	const places = options.places ?? { root: packageRoot, builds: buildRoot(), sources: sourceHashes().native };
	const kind = kindOf(backend, options.variant);
	const folder = join(places.builds, kind.name);
	const report = (step: string, fraction: number) => options.onStep?.({ step, fraction });
	options.signal?.throwIfAborted();
	await requireTools(places.root);
	requireParts(backend);
	await makeBuildFolder(folder);
	const { lock, waited } = await takeTurn(folder, options);
	try {
		report("finding the sources of llama.cpp", 0);
		await ensureSources(places.root, (line) => report(line, 0), options.signal);
		if (options.referenceTools) requireReferenceSources(places.root);
		const addon = join(folder, kind.config, "prune_gguf.node");
		await closeBuildFolder(folder, addon);
		const server = rpcServerOf(backend, folder, places.root);
		const targets = ["prune_gguf", ...(server ? [rpcServer] : []), ...(options.referenceTools ? referenceTargets : [])];
		const sources = checkedSources(places.root, places.sources);
		const record = new BuildRecord(folder, { ...kind, targets, version: packageVersion, llamaCpp: llamaPin.commit, sources });
		const isUsual = options.variant === undefined;
		const isMade = waited && existsSync(addon) && (await record.isMade());
		const anew = isUsual && !isMade && (await clearOutdated({ folder, addon, root: places.root, sources, record, signal: options.signal }));
		if (!isMade) await compile({ options, backend, places, kind, folder, addon, targets, record });
		if (isUsual) {
			await stampBuild({ addon, folder, backend, asked: options.asked ?? true, sources, anew });
			await endBegun(folder);
			await writeFile(join(places.builds, "active.json"), JSON.stringify({ backend }));
		}
		report("done", 1);
		return { addon, ...(server ? { rpcServer: server } : {}), backend, seconds: (Date.now() - started) / 1000 };
	} catch (error) {
		throw notWritable(folder, error);
	} finally {
		await lock.release();
	}
}

/** Waits for another build in the folder. One that was killed in a container, whose name no later one has, leaves a lock that falls silent. */
async function takeTurn(folder: string, { signal, onStep }: CompileOptions): Promise<{ readonly lock: Lock; readonly waited: boolean }> {
	let waited = false;
	const onWait = ({ pid }: LockOwner) => {
		waited = true;
		onStep?.({ step: `waiting for process ${pid}, which builds the same`, fraction: 0 });
	};
	try {
		return { lock: await waitForLock(folder, { signal, onWait, takeSilent: true }), waited };
	} catch (error) {
		throw notWritable(folder, error);
	}
}

/** One build, as its steps need it. */
interface Compilation {
	readonly options: CompileOptions;
	readonly backend: Backend;
	readonly places: BuildPlaces;
	readonly kind: BuildKind;
	readonly folder: string;
	/** Where the addon appears once it is whole. */
	readonly addon: string;
	readonly targets: readonly string[];
	readonly record: BuildRecord;
}

async function compile(compilation: Compilation): Promise<void> {
	const { options, backend, places, kind, folder, addon, targets, record } = compilation;
	const report = (step: string, fraction: number) => options.onStep?.({ step, fraction });
	if (await clearLeftovers(folder, places.root)) report("going on after a build that was killed", 0);
	if (options.variant === undefined) await checkBuildSpace(folder, { backend, referenceTools: options.referenceTools ?? false });
	await record.begin();
	const onLine = (line: string) => {
		const fraction = buildFraction(line);
		if (fraction !== undefined) report("compiling llama.cpp", fraction);
	};
	report("configuring", 0);
	await configure(compilation);
	const jobs = String(options.jobs ?? availableParallelism());
	const build = ["cmake", "--build", folder, "--config", kind.config, "--parallel", jobs, "--target", ...targets];
	await runHere(compilation, build, onLine);
	const linked = join(folder, "linked", "prune_gguf.node");
	if (!existsSync(linked))
		throw new BuildError(`the build ended without an error, but did not make ${linked}: delete the folder of the build and try again`);
	await placeAddon(linked, addon);
	await unmarkRunning(folder);
	await record.end();
}

/** Runs a program that writes into the folder; the folder tells while it does, and after it was killed. */
async function runHere(
	{ options, places, folder }: Compilation,
	command: readonly string[],
	onLine?: (line: string) => void,
): Promise<void> {
	let inOrder = false;
	const explain = (lines: readonly string[]) => {
		inOrder = endedInOrder(lines);
		return explainFailure(lines, { folder });
	};
	let marked: Promise<void> | undefined;
	const onStart = (pid: number) => {
		marked = markRunning(folder, pid);
		marked.catch(() => {});
	};
	try {
		await runTool(command, { cwd: places.root, signal: options.signal, onLine, onStart, explain });
		await marked;
	} catch (error) {
		if (inOrder) await unmarkRunning(folder);
		throw error;
	}
}

/** Whether a program that failed said so itself, having cleaned up: not so if it was killed. */
function endedInOrder(lines: readonly string[]): boolean {
	const text = lines.slice(-20).join("\n");
	const said = /^ninja: build stopped|^g?make(?:\[\d+\])?: \*\*\* .*Error \d+|^-- Configuring incomplete|^CMake Error/m.test(text);
	return said && !/Error 137|Killed|died due to signal/.test(text);
}

/** A build folder that another generator, compiler or place was configured for is configured anew, once. */
async function configure(compilation: Compilation): Promise<void> {
	const { options, folder } = compilation;
	const command = await configureCommand(compilation);
	const cache = join(folder, "CMakeCache.txt");
	const again = existsSync(cache);
	try {
		await runHere(compilation, command);
	} catch (error) {
		options.signal?.throwIfAborted();
		if (!again || !(error instanceof BuildError)) throw error;
		await rm(cache, { force: true });
		await rm(join(folder, "CMakeFiles"), { recursive: true, force: true });
		await runHere(compilation, command);
	}
}

async function configureCommand({ options, backend, places, kind, folder }: Compilation): Promise<string[]> {
	const { BuildSystem } = createRequire(import.meta.url)("cmake-js") as {
		BuildSystem: new (options: object) => { cmake: { getConfigureCommand(): Promise<string[]> } };
	};
	const system = new BuildSystem({
		directory: places.root,
		out: folder,
		config: kind.config,
		log: { level: "silent" },
		...compilersToName(),
		cMakeOptions: {
			PRUNE_GGUF_REFERENCE_TOOLS: options.referenceTools ? "ON" : "OFF",
			...backendDefinitions(backend),
			PRUNE_GGUF_LINKED: join(folder, "linked"),
			...kind.definitions,
		},
	});
	try {
		return [...(await system.cmake.getConfigureCommand()), "-B", folder];
	} catch (cause) {
		const { message } = cause as Error;
		throw new BuildError(explainFailure([message], { folder }) ?? message, { cause });
	}
}

/** cmake-js takes g++ and clang++ for the only compilers, and refuses others unless it is told their names; CMake knows them all. */
function compilersToName(): { readonly cppCompilerPath?: string; readonly cCompilerPath?: string } {
	if (process.platform === "win32") return {};
	const withoutNames = findCompilers({ env: {} })?.cpp;
	if (withoutNames === "g++" || withoutNames === "clang++") return {};
	const found = findCompilers();
	return found ? { cppCompilerPath: found.cpp, cCompilerPath: found.c } : {};
}

/** Progress in a line of make (`[ 42%] ...`) or ninja (`[12/120] ...`). */
export function buildFraction(line: string): number | undefined {
	const match = /^\[\s*(\d+)(%|\/(\d+))\]/.exec(line);
	if (!match) return undefined;
	return match[3] === undefined ? Number(match[1]) / 100 : Number(match[1]) / Number(match[3]);
}

function requireParts(backend: Backend): void {
	const missing = missingParts(backend);
	if (missing.length > 0) throw new BuildError(missingPartsMessage(backend, missing));
}

async function requireTools(root: string): Promise<void> {
	const missing = missingTools({ sources: await hasSources(root) });
	if (missing.length > 0) throw new BuildError(missingToolsMessage(missing));
}
