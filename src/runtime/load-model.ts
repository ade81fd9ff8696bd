import { Model } from "./model.js";

/** How to load, and whom to tell how far it is. */
export interface LoadOptions {
	readonly threads?: number | undefined;
	readonly gpuLayers?: number | undefined;
	readonly signal?: AbortSignal | undefined;
	readonly onProgress?: ((event: { phase: string; done: number; total: number; unit: "percent" }) => void) | undefined;
}

/** Loads a model with progress events; building the addon first where it is missing. */
export function loadModel(path: string, options: LoadOptions): Promise<Model> {
	return Model.load(path, {
		threads: options.threads,
		gpuLayers: options.gpuLayers,
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
	});
}
