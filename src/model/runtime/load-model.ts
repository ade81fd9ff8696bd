import { describeBlocks } from "../architectures/describe.js";
import type { BlockPlan } from "../architectures/types.js";
import { ModelLoadError } from "../../errors.js";
import { checkAsRead } from "../gguf/as-read.js";
import { GgufFile } from "../gguf/file.js";
import type { Addon, AddonInfo } from "./addon.js";
import { kindWords, systemText } from "./binary/words.js";
import type { PassedOver } from "./binary/choose.js";
import { defaultBackend } from "./build.js";
import type { JobOptions, JobProgress, LogEvent } from "./job-options.js";
import { type LoadedBinary, loadAddon, loadedBinary } from "./load-addon.js";
import { checkLoadable, checkMeasurable, isMappable } from "./loadable.js";
import { devicesFor, deviceText, type GpuLayers, missingDevice, type SplitMode } from "./devices.js";
import { machineText } from "./machine-text.js";
import { availableMemory, checkMemory, type MemoryShape } from "./memory.js";
import { Model, type ModelOptions } from "./model.js";
import { llamaPin } from "./paths.js";
import { bytesElsewhere, placementFor } from "./place.js";
import type { Placement } from "./placement.js";
import { devicesSeen } from "./remote-addon.js";
import { defaultThreads } from "./threads.js";
import { tryModel } from "./trial.js";
import { shownText } from "../../storage/shown-text.js";

/** Options and purpose of loading, and who hears of its progress. */
export interface LoadOptions {
	readonly threads?: number | undefined;
	readonly gpuLayers?: GpuLayers | undefined;
	readonly devices?: readonly string[] | undefined;
	readonly splitMode?: SplitMode | undefined;
	readonly rpc?: readonly string[] | undefined;
	/** Where the blocks go, if that is known. */
	readonly placement?: Placement | undefined;
	readonly allowUnknownArchitecture?: boolean | undefined;
	readonly signal?: AbortSignal | undefined;
	/** Header of the file, if it has been read. @default read */
	readonly file?: GgufFile | undefined;
	readonly progress?: JobProgress | undefined;
	/** Told when the driver of a device ended the process that computes. */
	readonly onLog?: JobOptions["onLog"];
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
	const info = await machineSeen(options);
	const available = availableMemory();
	const placement = options.placement ?? placementFor(file, shape, { seen: info, host: available }, options);
	checkMemory(file, shape, available, bytesElsewhere(file, placement, info));
	announce(options, machineText(info, options, placement), missingDevice(info, options));
	const modelOptions: ModelOptions = {
		threads: options.threads,
		placement,
		allowUnknownArchitecture: options.allowUnknownArchitecture,
		signal: options.signal,
		file,
		onRestart: restartTeller(options),
		onProgress: (fraction) => tell(options, "loading the model", fraction),
		onBuildProgress: buildTeller(options),
	};
	return Model.load(path, modelOptions).catch((error: unknown) => {
		throw explained(error, file);
	});
}

/**
 * Loads a model whose header was read, as `loadModel` does.
 * @throws FileError if the file changed since its header was read
 */
export async function loadAsRead(
	{ path, file }: { readonly path: string; readonly file: GgufFile },
	options: LoadOptions,
	shape?: MemoryShape,
): Promise<Model> {
	return asRead(await loadModel(path, { ...options, file }, shape));
}

/** A model that was just loaded; it is freed if its file is another one by now. @throws FileError if the file changed since its header was read */
export async function asRead(model: Model): Promise<Model> {
	try {
		await checkAsRead(model);
		return model;
	} catch (error) {
		await model.dispose();
		throw error;
	}
}

/** Tells of a driver that ended the process which computes: a warning, with its log. */
export const restartTeller =
	({ onLog }: Pick<JobOptions, "onLog">): NonNullable<ModelOptions["onRestart"]> =>
	({ message, log }) => {
		onLog?.({ level: "warning", message });
		for (const line of log) onLog?.({ level: "debug", message: line });
	};

/**
 * Refuses a file that would make llama.cpp end the process when it reads the file without loading it as a model, to quantize it.
 * @throws InvalidGgufError, ModelLoadError, AddonNotFoundError, BuildError
 */
export async function checkByTrial(file: GgufFile, blocks: BlockPlan, options: LoadOptions): Promise<void> {
	checkLoadable(file);
	const { signal, threads = defaultThreads() } = options;
	announce(options, machineText((await readyAddon(options)).info(), { threads }));
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

/** Tells what a job will run on, where it takes long before the model is loaded. */
export async function announceMachine(options: LoadOptions): Promise<void> {
	const info = await machineSeen(options);
	const names = devicesFor(info, options).map((device) => deviceText(device, info));
	announce(options, names.length > 0 ? names.join(" and ") : machineText(info, options), missingDevice(info, options));
}

/** Builds the addon first where there is none. */
const readyAddon = (options: LoadOptions): Promise<Addon> => loadAddon({ onBuildProgress: buildTeller(options), signal: options.signal });

/** The devices that a model can be put on. */
export async function machineSeen(options: LoadOptions): Promise<AddonInfo> {
	const addon = await readyAddon(options);
	return devicesSeen(addon, loadedBinary().path, options, options.signal);
}

/** Tells what a job runs on, before it does anything that takes long. */
function announce({ progress }: LoadOptions, machine: string, missing?: string): void {
	const warning: LogEvent[] = missing === undefined ? [] : [{ level: "warning", message: missing }];
	progress?.runsOn(machine, [...binaryEvents(loadedBinary()), ...warning]);
}

/** Which binary computes, and which ones that would be better do not. A stale build for the CPU is not worth a word. @internal */
export function binaryEvents({ name, kind, level, compiler, path, system, passedOver }: LoadedBinary): LogEvent[] {
	const isMissed = ({ candidate, why }: PassedOver) =>
		why === "broken" || (why === "stale" && candidate.kind === "built" && candidate.backend !== defaultBackend());
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
