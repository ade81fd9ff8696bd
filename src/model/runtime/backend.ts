import type { LoadedModel } from "./loaded-model.js";

/** The backend: the graphics devices in use, or the CPU. Part of the ledger's key, since bits differ between them. */
export function backendOf(model: Pick<LoadedModel, "backend">, options: { gpuLayers?: number | undefined }): string {
	const gpus = model.backend.devices.filter((device) => device.gpu);
	if (gpus.length === 0 || options.gpuLayers === 0) return "CPU";
	return gpus.map((device) => device.name).join("+");
}
