import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Device } from "../../src/model/runtime/devices.js";
import type { GgufFile } from "../../src/model/gguf/index.js";
import type { AddonInfo } from "../../src/model/runtime/addon.js";
import type { MemoryShape } from "../../src/model/runtime/memory.js";
import { placementFor } from "../../src/model/runtime/place.js";
import { isFullyOffloaded, type Placement } from "../../src/model/runtime/placement.js";

const MiB = 2 ** 20;

/** An addon with test doubles of devices (test/native/fake_devices.cpp), built with the reference tools. */
export const fakeAddon = fileURLToPath(new URL("../../build/cpu/bin/prune_gguf_fake.node", import.meta.url));

/** From now on this process, which has loaded no addon yet, and its children have these devices. @param sizes memory of each, MiB */
export function useFakeDevices(sizes: readonly number[], fault = ""): void {
	if (!existsSync(fakeAddon)) throw new Error(`${fakeAddon} is missing: node scripts/build-native.mjs --reference-tools`);
	process.env.PRUNE_GGUF_ADDON = fakeAddon;
	process.env.PRUNE_GGUF_FAKE_DEVICES = sizes.join();
	process.env.PRUNE_GGUF_FAKE_FAULT = fault;
}

/** A device as llama.cpp would report it. @param free, total MiB */
export const device = (name: string, free: number, total = free, more: Partial<Device> = {}): Device => ({
	...{ name, description: `Card ${name}`, backend: name.replace(/\d+$/, ""), gpu: true, sharesMemory: false, id: null },
	...{ freeBytes: free * MiB, totalBytes: total * MiB },
	...more,
});

export const processor: Device = device("CPU", 1000, 1000, { gpu: false });

/** The smallest device, in MiB, that takes all blocks of a model. @param gpuLayers `"all"` leaves nothing of it free */
export function smallestDevice(file: GgufFile, shape: MemoryShape = {}, gpuLayers: "auto" | "all" = "auto"): number {
	const holds = (size: number) => {
		const seen = { devices: [processor, device("FAKE0", size)], deviceLog: "", graphics: [] } as unknown as AddonInfo;
		try {
			return isFullyOffloaded(placementFor(file, shape, { seen, host: 0 }, { gpuLayers }));
		} catch {
			return false;
		}
	};
	let size = 1;
	while (!holds(size)) size++;
	return size;
}

/** Blocks by device, of a model of so many. */
export const placed = (blocks: number, devices: Readonly<Record<string, number>>): Placement => ({
	devices: Object.entries(devices).map(([name, count]) => ({ name, blocks: count })),
	blocks,
	splitMode: "layer",
});
