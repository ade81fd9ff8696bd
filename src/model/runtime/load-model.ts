import { describeBlocks } from "../architectures/index.js";
import { ModelLoadError } from "../../errors.js";
import { GgufFile } from "../gguf/index.js";
import { checkLoadable, checkMeasurable } from "./loadable.js";
import { checkMemory, type MemoryShape } from "./memory.js";
import { Model, type ModelOptions } from "./model.js";
import { llamaPin } from "./paths.js";

/** How to load, what for, and whom to tell how far it is. */
export interface LoadOptions {
	readonly threads?: number | undefined;
	readonly gpuLayers?: number | undefined;
	readonly allowUnknownArchitecture?: boolean | undefined;
	readonly signal?: AbortSignal | undefined;
	readonly onProgress?: ((event: { phase: string; done: number; total: number; unit: "percent" }) => void) | undefined;
}

/**
 * Loads a model to measure it, with progress events; building the addon first where it is missing.
 * @param shape what will be measured: there must be memory for it
 * @throws UnsupportedArchitectureError where llama.cpp cannot compute a loss of the whole model
 * @throws as `Model.load`
 */
export async function loadModel(path: string, options: LoadOptions, shape: MemoryShape = {}): Promise<Model> {
	const file = await GgufFile.read(path, options.signal ? { signal: options.signal } : {});
	checkMeasurable(path, describeBlocks(file, { allowUnknown: options.allowUnknownArchitecture ?? false }));
	checkLoadable(file);
	checkMemory(file, shape);
	const modelOptions: ModelOptions = {
		threads: options.threads,
		gpuLayers: options.gpuLayers,
		allowUnknownArchitecture: options.allowUnknownArchitecture,
		signal: options.signal,
		onProgress: (fraction) =>
			options.onProgress?.({ phase: "loading the model", done: Math.round(fraction * 100), total: 100, unit: "percent" }),
		onBuildProgress: (build) =>
			options.onProgress?.({
				phase: `building the addon (once): ${build.step}`,
				done: Math.round(build.fraction * 100),
				total: 100,
				unit: "percent",
			}),
	};
	return Model.load(path, modelOptions).catch((error: unknown) => {
		throw explained(error, file);
	});
}

/** llama.cpp's "unknown model architecture" says nothing of what that means for the file. */
function explained(error: unknown, file: GgufFile): unknown {
	if (!(error instanceof ModelLoadError)) return error;
	const words = `${error.message}\n${error.cause instanceof Error ? error.cause.message : ""}`;
	if (!/unknown model architecture/.test(words)) return error;
	return new ModelLoadError(
		`${file.paths[0]}: llama.cpp ${llamaPin.version}, which prune-gguf is built on, does not know the architecture ${file.architecture} ` +
			"(unknown model architecture): it cannot be loaded, measured or proven, with --allow-unknown-architecture or without. A newer prune-gguf may know it.",
		{ cause: error.cause ?? error },
	);
}
