// Which blocks of a model run on which device, and how that is written.
import { DeviceError, EvaluationError, ModelLoadError, NotEnoughMemoryError } from "../../errors.js";
import type { NativeLoadOptions } from "./addon.js";
import type { SplitMode } from "./devices.js";

/** A device in use. */
export interface PlacedDevice {
	readonly name: string;
	/** Blocks that it takes; by rows, its share of them, which llama.cpp finds again by itself. */
	readonly blocks: number;
	/** What it is called in plans and keys of caches, with all that is known of it. @default its name */
	readonly key?: string | undefined;
}

/** Where the blocks of a model run. The last blocks are on devices, in the order of the devices; the ones before them on the CPU. */
export interface Placement {
	/** Devices with the number of blocks that each takes, from the first of these blocks to the last. Empty if all runs on the CPU. */
	readonly devices: readonly PlacedDevice[];
	/** Blocks of the model, its multi-token-prediction tail included. */
	readonly blocks: number;
	readonly splitMode: SplitMode;
}

/** All on the CPU. */
export const onCpu = (blocks: number): Placement => ({ devices: [], blocks, splitMode: "layer" });

/** Blocks on devices. */
export const offloaded = ({ devices }: Placement): number => devices.reduce((sum, { blocks }) => sum + blocks, 0);

/** Whether nothing but the input embedding runs on the CPU. */
export const isFullyOffloaded = (placement: Placement): boolean =>
	placement.devices.length > 0 && offloaded(placement) === placement.blocks;

/** Whether these words of a driver or of llama.cpp say that memory was short. */
export const saysTooSmall = (words: string): boolean => /unable to allocate|failed to allocate|out of memory|OutOf\w*Memory/i.test(words);

/**
 * The error of a device that had less memory than it reported; undefined for another error. If it was measured on, that is the device's fault: a
 * job may do without what finds no memory, but which set it chooses must not depend on what else used the device for a moment.
 */
export function tooSmallAfterAll(error: unknown, placement: Placement, path: string): NotEnoughMemoryError | DeviceError | undefined {
	if (!(error instanceof ModelLoadError || error instanceof EvaluationError) || placement.devices.length === 0) return undefined;
	const words = `${error.message}\n${error.cause instanceof Error ? error.cause.message : ""}`;
	if (!saysTooSmall(words)) return undefined;
	const Kind = error instanceof EvaluationError ? DeviceError : NotEnoughMemoryError;
	return new Kind(
		`${path}: the device has too little memory for ${placementText(placement)}, though it reported enough: ${error.message}. ` +
			`Give a smaller number of --gpu-layers than ${offloaded(placement) + 1}, or close what else uses the device.`,
		{ cause: error },
	);
}

/** The placement of a model without some of these blocks, so that each of the others stays where it is. `kept`: by number, ascending. */
export function placementWithout({ devices, blocks, splitMode }: Placement, kept: readonly number[]): Placement {
	let first = blocks - devices.reduce((sum, device) => sum + device.blocks, 0);
	const shares = devices.map((device) => {
		const end = first + device.blocks;
		const count = kept.filter((block) => block >= first && block < end).length;
		first = end;
		return { ...device, blocks: count };
	});
	return { devices: shares, blocks: kept.length, splitMode };
}

/** What the addon is told to load a model like that. */
export function loadOptionsOf(placement: Placement): Pick<NativeLoadOptions, "gpuLayers" | "devices" | "tensorSplit" | "splitMode"> {
	const { devices, splitMode } = placement;
	if (devices.length === 0) return { gpuLayers: 0, devices: [] };
	const counts = devices.map(({ blocks }) => blocks);
	// The head is one more on the last of them.
	counts[counts.length - 1]! += 1;
	const names = devices.map(({ name }) => name);
	const gpuLayers = offloaded(placement) + 1;
	// With rows llama.cpp reads the shares for all devices of the backend, so it is left to share them by free memory.
	return splitMode === "row"
		? { gpuLayers, devices: names, splitMode }
		: { gpuLayers, devices: names, tensorSplit: Float32Array.from(counts), splitMode };
}

/** Part of the keys of measurements: `CUDA0 (NVIDIA H100)=20+1`; undefined for the CPU. */
export function placementKey(placement: Placement): string | undefined {
	const { devices, splitMode } = placement;
	if (devices.length === 0) return undefined;
	if (splitMode === "row") return `${devices.map(({ name, key = name }) => key).join(",")}=${offloaded(placement)}+1 by rows`;
	return `${devices.map(({ name, key = name, blocks }) => `${key}=${blocks}`).join(",")}+1`;
}

/** What is where, for people: `all 32 blocks on CUDA0`, `12 of 32 blocks on the CPU, 20 on CUDA0`. */
export function placementText(placement: Placement): string {
	const { devices, blocks, splitMode } = placement;
	if (devices.length === 0) return `all ${blocks} blocks on the CPU`;
	const left = blocks - offloaded(placement);
	const names = devices.map(({ name }) => name);
	// By rows each device has a part of every matrix, so there are no numbers of blocks to tell.
	const by = splitMode === "row" ? ", by rows" : "";
	if (by || devices.length === 1)
		return left > 0
			? `${left} of ${blocks} blocks on the CPU, ${blocks - left} on ${names.join(" and ")}${by}`
			: `all ${blocks} blocks on ${names.join(" and ")}${by}`;
	const parts = devices.map(({ name, blocks: count }) => `${count} on ${name}`);
	return left > 0 ? `${left} of ${blocks} blocks on the CPU, ${parts.join(", ")}` : `of ${blocks} blocks ${parts.join(", ")}`;
}
