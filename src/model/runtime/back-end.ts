import type { LoadedModel } from "./loaded-model.js";

/** What computes: the graphics devices in use, or the CPU. Part of the ledger's key, since bits differ between them. */
export function backEndOf(model: Pick<LoadedModel, "backEnd">, options: { gpuLayers?: number | undefined }): string {
	const gpus = model.backEnd.devices.filter((device) => device.gpu);
	if (gpus.length === 0 || options.gpuLayers === 0) return "CPU";
	return gpus.map((device) => device.name).join("+");
}
