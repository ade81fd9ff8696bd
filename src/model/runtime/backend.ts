import type { LoadedModel } from "./loaded-model.js";

/** The backend: the devices in use, or the CPU. Part of the ledger's key, since bits differ between them. */
export function backendOf({ placement }: Pick<LoadedModel, "placement">): string {
	return placement.devices.length === 0 ? "CPU" : placement.devices.map(({ name, key = name }) => key).join("+");
}
