// Where a model is put: found before it is loaded, from the free memory of the devices and the sizes in its header.
import { NotEnoughMemoryError } from "../../errors.js";
import { blockOfTensor } from "../gguf/block-names.js";
import type { GgufFile } from "../gguf/file.js";
import type { AddonInfo } from "./addon.js";
import {
	type Device,
	type DeviceChoice,
	deviceKey,
	devicesFor,
	layersAsked,
	saysNothing,
	type SplitMode,
	usesHostMemory,
} from "./devices.js";
import { blockContext, graphBytes, type MemoryShape, neededMemory, sizeText } from "./memory.js";
import { offloaded, onCpu, type Placement, placementWithout } from "./placement.js";

/** Free memory that stays free on each device: this many bytes, or this share of the device if that is less. */
export const reserve = { bytes: 512 * 2 ** 20, share: 0.1 } as const;

/** What the devices have. */
export interface Room {
	readonly seen: AddonInfo;
	/** Bytes of the computer's memory that are free, for a device that reports none of its own. */
	readonly host: number;
}

/** Bytes that each part of a model takes on a device. */
interface PartSizes {
	/** Weights and memory of each block. */
	readonly blocks: readonly number[];
	/** The LM head with its logits. */
	readonly head: number;
	/** What graphs compute in, on every device. */
	readonly compute: number;
	/** The largest matrix of each block: of blocks on the CPU, backends copy one at a time to a device to compute large batches there. */
	readonly matrices: readonly number[];
}

function partSizes(file: GgufFile, shape: MemoryShape): PartSizes {
	const count = blockCount(file);
	const context = blockContext(file, shape);
	const blocks = Array.from({ length: count }, (_, block) => context(block));
	const matrices = new Array<number>(count).fill(0);
	let others = 0;
	let embedding = 0;
	for (const { name, source } of file.tensors) {
		const block = blockOfTensor(name);
		if (block !== undefined && block < count) {
			blocks[block]! += source.size;
			matrices[block] = Math.max(matrices[block]!, source.size);
		} else if (name.startsWith("token_embd.")) embedding += source.size;
		else if (name.startsWith("output")) others += source.size;
	}
	// Without a head of its own a model multiplies with the embedding, of which the device gets a copy.
	const matrix = file.tensor("output.weight") ? 0 : embedding;
	return { blocks, head: others + matrix + neededMemory(file, shape).logits / 2, compute: graphBytes(file, shape), matrices };
}

const blockCount = (file: GgufFile): number => Number(file.value(`${file.architecture}.block_count`) ?? 0) || 0;

/** Bytes of the weights that lie on devices with memory of their own. */
export function bytesElsewhere(file: GgufFile, placement: Placement, { devices }: Pick<AddonInfo, "devices">): number {
	const own = (name: string) => devices.some((device) => device.name === name && !usesHostMemory(device));
	if (!placement.devices.every(({ name }) => own(name))) return 0;
	const first = placement.blocks - offloaded(placement);
	return file.tensors.reduce((sum, { name, source }) => {
		const block = blockOfTensor(name);
		const isThere = block === undefined ? name.startsWith("output") : block >= first;
		return sum + (placement.devices.length > 0 && isThere ? source.size : 0);
	}, 0);
}

/** Bytes that a device may give to a model. */
const usable = ({ freeBytes, totalBytes }: Device): number => freeBytes - Math.min(reserve.bytes, reserve.share * totalBytes);

/** A device that shares the computer's memory, and reports none, has what is free there. */
const withMemory = (device: Device, host: number): Device =>
	device.freeBytes === 0 && device.totalBytes === 0 && usesHostMemory(device) ? { ...device, freeBytes: host, totalBytes: host } : device;

/**
 * Where a model is put. Without a number, as many of the last blocks as fit go to the devices, each taking its share of them by its free memory.
 * @throws NotEnoughMemoryError if the devices are too small for what was asked for
 * @throws as `devicesFor`
 */
export function placementFor(file: GgufFile, shape: MemoryShape, { seen, host }: Room, choice: DeviceChoice): Placement {
	const blocks = blockCount(file);
	const devices = devicesFor(seen, choice).map((device) => withMemory(device, host));
	if (devices.length === 0) return onCpu(blocks);
	const sizes = partSizes(file, shape);
	const splitMode = choice.splitMode ?? "layer";
	const keys = new Map(devices.map((device) => [device.name, deviceKey(device, seen)]));
	const put = (layers: number, room: (device: Device) => number) =>
		split(layers, sizes, devices, { room, splitMode })?.map((share) => ({ ...share, key: keys.get(share.name) }));
	const asked = layersAsked(choice);
	const most = blocks + 1;
	if (asked !== "auto") {
		const layers = asked === "all" ? most : Math.min(asked, most);
		// A number counts against what is free: whoever names it may know better than the reserve.
		const placed = put(layers, ({ freeBytes }) => freeBytes);
		if (placed) return { devices: placed, blocks, splitMode };
		throw tooSmall(file, { layers, sizes, devices, fits: largest(most, (n) => put(n, usable) !== undefined), all: asked === "all" });
	}
	for (let layers = most; layers > 0; layers--) {
		const placed = put(layers, usable);
		if (placed) return { devices: placed, blocks, splitMode };
	}
	return onCpu(blocks);
}

function largest(most: number, fits: (layers: number) => boolean): number {
	let layers = most;
	while (layers > 0 && !fits(layers)) layers--;
	return layers;
}

/** Servers compute nothing of which they do not have the weights. */
const copiesWeights = ({ server }: Device): boolean => server === undefined;

/** What blocks on the CPU take on a device whose backend copies their matrices there, one at a time. @param first of the blocks on devices */
const copiedBytes = (matrices: readonly number[], first: number): number => Math.max(0, ...matrices.slice(0, first));

/** Shares of devices of the last `layers - 1` blocks and of the head; undefined if they do not fit. */
function split(
	layers: number,
	{ blocks, head, compute, matrices }: PartSizes,
	devices: readonly Device[],
	{ room, splitMode }: { readonly room: (device: Device) => number; readonly splitMode: SplitMode },
): Placement["devices"] | undefined {
	const parts = [...blocks.slice(blocks.length + 1 - layers), head];
	const total = parts.reduce((sum, bytes) => sum + bytes, 0);
	const copied = copiedBytes(matrices, blocks.length + 1 - layers);
	const rooms = devices.map((device) => Math.max(0, room(device) - compute - (copiesWeights(device) ? copied : 0)));
	const all = rooms.reduce((sum, bytes) => sum + bytes, 0);
	if (total > all) return undefined;
	const shares = devices.map(({ name }) => ({ name, blocks: 0, bytes: 0 }));
	let device = 0;
	let end = (total * rooms[0]!) / all;
	let done = 0;
	for (const [i, bytes] of parts.entries()) {
		// A block goes where more than half of it belongs.
		while (device < devices.length - 1 && done + bytes / 2 > end) {
			device++;
			end += (total * rooms[device]!) / all;
		}
		shares[device]!.bytes += bytes;
		if (i < parts.length - 1) shares[device]!.blocks++;
		done += bytes;
	}
	const holds = splitMode === "row" || shares.every(({ bytes }, i) => bytes <= rooms[i]!);
	if (!holds) return undefined;
	// The head goes with the last device that is named.
	const last = shares.findLastIndex(({ bytes }) => bytes > 0);
	return shares.slice(0, last + 1).map(({ name, blocks: count }) => ({ name, blocks: count }));
}

function tooSmall(
	file: GgufFile,
	found: {
		readonly layers: number;
		readonly sizes: PartSizes;
		readonly devices: readonly Device[];
		readonly fits: number;
		readonly all: boolean;
	},
): NotEnoughMemoryError {
	const { layers, sizes, devices, fits, all } = found;
	const first = sizes.blocks.length + 1 - layers;
	const copied = copiedBytes(sizes.matrices, first) * devices.filter(copiesWeights).length;
	const parts = [...sizes.blocks.slice(first), sizes.head + sizes.compute * devices.length + copied];
	const need = parts.reduce((sum, bytes) => sum + bytes, 0);
	const enough = devices.reduce((sum, { freeBytes }) => sum + freeBytes, 0) >= need;
	const shares = enough ? " Together that is enough, but a block lies on one device, and the shares do not fit each of them." : "";
	const free = devices
		.map((device) => `${device.name} ${saysNothing(device) ? "did not say what it has" : `has ${sizeText(device.freeBytes)} free`}`)
		.join(", ");
	const what = all ? "all blocks" : `${layers} of its ${sizes.blocks.length + 1} layers`;
	return new NotEnoughMemoryError(
		`${file.paths[0]}: ${what} would need about ${sizeText(need)} on the device, and ${free}.${shares} ` +
			`As many as fit: leave --gpu-layers out (here that is ${fits}). Or take a smaller quantization, or give --gpu-layers 0 for the CPU.`,
	);
}

/**
 * Where a pruned model is put so that each block is on the device where it was measured; undefined if the devices have no memory for that now.
 * @param from where the blocks were, and which of them are left, by number
 */
export function placementAsBefore(
	file: GgufFile,
	shape: MemoryShape,
	room: Room,
	from: { readonly before: Placement; readonly kept: readonly number[] },
): Placement | undefined {
	const wanted = placementWithout(from.before, from.kept);
	return fitsNow(file, shape, room, wanted) ? wanted : undefined;
}

/** Whether each device is there, and has memory now for what it would take. */
export function fitsNow(file: GgufFile, shape: MemoryShape, { seen, host }: Room, { devices, blocks }: Placement): boolean {
	const sizes = partSizes(file, shape);
	let first = blocks - devices.reduce((sum, device) => sum + device.blocks, 0);
	const copied = copiedBytes(sizes.matrices, first);
	return devices.every(({ name, blocks: count }, i) => {
		const own = sizes.blocks.slice(first, first + count).reduce((sum, bytes) => sum + bytes, 0);
		first += count;
		const need = own + sizes.compute + (i === devices.length - 1 ? sizes.head : 0);
		const device = seen.devices.find((one) => one.name === name);
		return device !== undefined && need + (copiesWeights(device) ? copied : 0) <= withMemory(device, host).freeBytes;
	});
}
