import type { JobOptions, MachineOptions } from "./api.js";
import { Model } from "./runtime/model.js";

/** Loads a model with progress events; building the addon first where it is missing. */
export function loadModel(path: string, options: JobOptions & MachineOptions): Promise<Model> {
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
