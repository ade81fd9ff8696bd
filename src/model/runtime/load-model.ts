import { describeBlocks } from "../architectures/describe.js";
import type { BlockPlan } from "../architectures/types.js";
import { ModelLoadError } from "../../errors.js";
import { GgufFile } from "../gguf/file.js";
import type { AddonInfo } from "./addon.js";
import { kindWords, systemText } from "./binary/words.js";
import type { PassedOver } from "./binary/choose.js";
import { defaultBackend } from "./build.js";
import type { JobProgress, LogEvent } from "./job-options.js";
import { type LoadedBinary, loadAddon, loadedBinary } from "./load-addon.js";
import { checkLoadable, checkMeasurable, isMappable } from "./loadable.js";
import { checkMemory, type MemoryShape } from "./memory.js";
import { Model, type ModelOptions } from "./model.js";
import { llamaPin } from "./paths.js";
import { defaultThreads } from "./threads.js";
import { tryModel } from "./trial.js";
import { shownText } from "../../storage/shown-text.js";

/** Options and purpose of loading, and who hears of its progress. */
export interface LoadOptions {
	readonly threads?: number | undefined;
	readonly gpuLayers?: number | undefined;
	readonly allowUnknownArchitecture?: boolean | undefined;
	readonly signal?: AbortSignal | undefined;
	/** Header of the file, if it has been read. @default read */
	readonly file?: GgufFile | undefined;
	readonly progress?: JobProgress | undefined;
}

/**
 * Loads a model to measure it, with progress events; builds the addon first if it is missing.
 * @param shape of the later measurements: there must be enough memory for them
 * @throws UnsupportedArchitectureError if llama.cpp cannot compute a loss of the original model
 * @throws as `Model.load`
 */
export async function loadModel(path: string, options: LoadOptions, shape: MemoryShape = {}): Promise<Model> {
	const file = options.file ?? (await GgufFile.read(path, options.signal ? { signal: options.signal } : {}));
	checkMeasurable(path, describeBlocks(file, { allowUnknown: options.allowUnknownArchitecture ?? false }));
	checkLoadable(file);
	checkMemory(file, shape);
	await announceMachine(options);
	const modelOptions: ModelOptions = {
		threads: options.threads,
		gpuLayers: options.gpuLayers,
		allowUnknownArchitecture: options.allowUnknownArchitecture,
		signal: options.signal,
		file,
		onProgress: (fraction) => tell(options, "loading the model", fraction),
		onBuildProgress: buildTeller(options),
	};
	return Model.load(path, modelOptions).catch((error: unknown) => {
		throw explained(error, file);
	});
}

/**
 * Refuses a file that would make llama.cpp end the process when it reads the file without loading it as a model, to quantize it.
 * @throws InvalidGgufError, ModelLoadError, AddonNotFoundError, BuildError
 */
export async function checkByTrial(file: GgufFile, blocks: BlockPlan, options: LoadOptions): Promise<void> {
	checkLoadable(file);
	const { signal, threads = defaultThreads() } = options;
	await announceMachine(options);
	const onProgress = (fraction: number) => tell(options, "checking the file to quantize", fraction);
	await tryModel({ file, blocks, addon: loadedBinary().path, mmap: isMappable(file), threads, signal, onProgress });
}

const buildTeller =
	(options: LoadOptions): ModelOptions["onBuildProgress"] =>
	({ step, fraction }) =>
		tell(options, `building the native part, once: ${step}`, fraction);

function tell({ progress }: LoadOptions, phase: string, fraction: number): void {
	progress?.work({ phase, done: Math.round(fraction * 100), total: 100, unit: "percent" });
}

/** Tells what a job runs on, before it does anything that takes long; builds the addon first where there is none. */
export async function announceMachine(options: LoadOptions): Promise<void> {
	const addon = await loadAddon({ onBuildProgress: buildTeller(options), signal: options.signal });
	options.progress?.runsOn(machineText(addon.info(), options), binaryEvents(loadedBinary()));
}

/** Which binary computes, and which ones that would be better do not. A CPU build of an earlier version is not worth a word. @internal */
export function binaryEvents({ name, kind, level, compiler, path, system, passedOver }: LoadedBinary): LogEvent[] {
	const isMissed = ({ candidate: { facts }, why }: PassedOver) =>
		why === "broken" || (why === "stale" && facts?.asked === true && facts.backend !== defaultBackend());
	const missed = passedOver.filter(isMissed).map(({ candidate, reason }): LogEvent => {
		const from = candidate.kind === "prebuilt" ? "" : `, ${kindWords[candidate.kind]},`;
		return {
			level: "warning",
			message: `the native part ${candidate.name}${from} is not used: ${reason}. ${name} is used instead; prune-gguf doctor says more.`,
		};
	});
	return [
		{ level: "debug", message: `System: ${systemText(system)}` },
		{ level: "debug", message: `Native part: ${name} (${level}, ${compiler}), ${kindWords[kind]}: ${path}` },
		...missed,
	];
}

/** `CPU, 2 threads`, or the names of the graphics devices. */
export function machineText(
	{ devices }: Pick<AddonInfo, "devices">,
	{ threads = defaultThreads(), gpuLayers }: Pick<LoadOptions, "threads" | "gpuLayers">,
): string {
	const gpus = gpuLayers === 0 ? [] : devices.filter(({ gpu }) => gpu);
	if (gpus.length === 0) return `CPU, ${threads} ${threads === 1 ? "thread" : "threads"}`;
	return gpus.map(({ name, description }) => shownText(description || name)).join(" and ");
}

/** llama.cpp's "unknown model architecture" does not say what this means for the file. */
function explained(error: unknown, file: GgufFile): unknown {
	if (!(error instanceof ModelLoadError)) return error;
	const words = `${error.message}\n${error.cause instanceof Error ? error.cause.message : ""}`;
	if (!/unknown model architecture/.test(words)) return error;
	return new ModelLoadError(
		`${file.paths[0]}: llama.cpp ${llamaPin.version}, which prune-gguf is built on, does not know the architecture ${shownText(file.architecture)} ` +
			"(unknown model architecture): it cannot be loaded, measured or proven, with --allow-unknown-architecture or without. A newer prune-gguf may know it.",
		{ cause: error.cause ?? error },
	);
}
