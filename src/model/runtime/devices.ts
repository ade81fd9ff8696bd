// The devices that a model can run on: which ones, by what names, and what is wrong where there is none.
import { existsSync, readFileSync } from "node:fs";
import { release } from "node:os";
import { DeviceError, InvalidOptionError } from "../../errors.js";
import { closest } from "../../storage/closest.js";
import { shownText } from "../../storage/shown-text.js";
import type { AddonInfo } from "./addon.js";

/** How several devices share a model: one takes all of it, each takes some blocks, or each takes some rows of every matrix. */
export const splitModes = ["none", "layer", "row"] as const;
export type SplitMode = (typeof splitModes)[number];

/** Blocks on devices: a number as llama.cpp counts them (the LM head is one more), all of them, or as many as fit. */
export type GpuLayers = number | "all" | "auto";

/** What was asked for. */
export interface DeviceChoice {
	readonly gpuLayers?: GpuLayers | undefined;
	readonly devices?: readonly string[] | undefined;
	readonly splitMode?: SplitMode | undefined;
	/** RPC servers (host:port) whose devices may be used too. */
	readonly rpc?: readonly string[] | undefined;
}

/** A device as llama.cpp reports it. */
export type Device = AddonInfo["devices"][number];

type Seen = Pick<AddonInfo, "devices" | "deviceLog" | "graphics">;

/** The same, however it was written: -1 means what it means to llama.cpp. */
export const layersAsked = ({ gpuLayers = "auto" }: DeviceChoice): GpuLayers => (gpuLayers === -1 ? "auto" : gpuLayers);

/** The part of options that chooses devices. */
export const deviceChoice = ({ gpuLayers, devices, splitMode, rpc }: DeviceChoice): DeviceChoice => ({
	...{ gpuLayers, devices, splitMode, rpc },
});

/**
 * The devices that a model may be put on, in the order of its blocks; none for the CPU alone.
 * @throws InvalidOptionError for a name that no device has, with the closest one, and for rows on a device that cannot split them
 * @throws DeviceError if a device was asked for and there is none, with the reason
 */
export function devicesFor(seen: Seen, choice: DeviceChoice): readonly Device[] {
	const asked = layersAsked(choice);
	if (asked === 0) return [];
	const { rpc = [] } = choice;
	// A process lists servers for good, so those of other models are there too.
	const there = seen.devices.filter(({ gpu, server }) => gpu && (server === undefined || rpc.includes(server)));
	if (there.length === 0 && (choice.devices !== undefined || asked !== "auto"))
		throw new DeviceError(`${noDevice(seen)} To run on the CPU leave --gpu-layers and --device out.`);
	const chosen = choice.devices ? choice.devices.map((name) => deviceNamed(name, there)) : usual(there, rpc);
	const used = choice.splitMode === "none" ? chosen.slice(0, 1) : chosen;
	const whole = choice.splitMode === "row" ? used.find(({ backend }) => !splitsRows.includes(backend)) : undefined;
	if (whole)
		throw new InvalidOptionError(
			`splitMode (--split-mode) row needs devices of CUDA, and ${whole.name} is one of ${whole.backend}: use layer, the default`,
		);
	return used;
}

/** Backends with buffers whose rows lie on several devices. */
const splitsRows: readonly string[] = ["CUDA", "ROCm", "MUSA"];

function deviceNamed(name: string, there: readonly Device[]): Device {
	const found = there.find((device) => device.name.toLowerCase() === name.toLowerCase());
	if (found) return found;
	const near = closest(
		name.toUpperCase(),
		there.map((device) => device.name),
	);
	const hint = near === undefined ? "" : ` (did you mean ${near}?)`;
	const list = there.map((device) => `${device.name} (${shownText(device.description)})`).join(", ");
	throw new InvalidOptionError(`devices (--device): there is no device ${JSON.stringify(name)}${hint}. This machine has: ${list}`);
}

/** Those that llama.cpp takes by itself: servers first, each graphics card once, and one that shares the system's memory if there is no other. */
function usual(there: readonly Device[], rpc: readonly string[]): readonly Device[] {
	const servers = rpc.flatMap((server) => there.filter((device) => device.server === server));
	const local = there.filter(({ server }) => server === undefined);
	const cards = local.filter((device) => !usesHostMemory(device));
	const once = cards.filter(({ id }, i) => id === null || cards.findIndex((other) => other.id === id) === i);
	return [...servers, ...(once.length > 0 ? once : local.filter((device) => usesHostMemory(device)).slice(0, 1))];
}

/**
 * What a device is called in keys of caches: all that is known of it, since another card, or another driver, computes other bits under the same
 * name. The number in the name of a server's device only says when it was listed.
 */
export function deviceKey(device: Device, { devices, deviceLog }: Pick<AddonInfo, "devices" | "deviceLog">): string {
	const { name, description, id, server } = device;
	if (server !== undefined) {
		const its = devices.filter((one) => one.server === server);
		return its.length === 1 ? `RPC ${server}` : `RPC ${server} ${its.findIndex((one) => one.name === name)}`;
	}
	const driver = driverOf(device, deviceLog);
	const known = [description, id, driver && `driver ${driver}`].flatMap((part) => (part ? [shownText(part)] : []));
	return known.length === 0 ? name : `${name} (${known.join(", ")})`;
}

/** Whether its memory is that of the computer. Metal says of no device that it is integrated: those of Apple silicon are. */
export function usesHostMemory(
	{ sharesMemory, backend }: Pick<Device, "sharesMemory" | "backend">,
	{ platform, arch }: { readonly platform: string; readonly arch: string } = process,
): boolean {
	return sharesMemory || (isMetal(backend) && platform === "darwin" && arch === "arm64");
}

const isMetal = (backend: string) => backend === "Metal" || backend === "MTL";

/** Whether it has memory of its own and did not say how much of it: CUDA reports nothing if its driver fails to answer. */
export const saysNothing = (device: Device): boolean => device.freeBytes === 0 && device.totalBytes === 0 && !usesHostMemory(device);

const driverTooOld = /driver version is insufficient|incompatible driver|ErrorIncompatibleDriver|driver (?:is )?too old/i;
/** Lines of a backend for graphics devices: other lines may speak of errors of something else. */
const driverFailed = /^ggml_(?:cuda|hip|metal|musa|sycl|vulkan)\w*: .*(?:failed to initialize|no CUDA-capable device|\berror\b)/i;

/** Why there is no device, and what to do. */
function noDevice({ graphics, deviceLog }: Seen): string {
	const [own] = graphics;
	if (own === undefined)
		return "The native part computes on the CPU only, so there is no device for blocks. Build one for yours: npx prune-gguf build --backend cuda (or metal, vulkan).";
	const lines = deviceLog.split("\n").map((line) => shownText(line.trim()));
	const old = lines.find((line) => driverTooOld.test(line));
	if (old !== undefined) {
		const rebuilt = own === "CUDA" ? ", or build again with an older toolkit: npx prune-gguf build --backend cuda" : "";
		return `The driver of the graphics device is too old for this build (${old}): install a newer driver${rebuilt}.`;
	}
	const failed = lines.find((line) => driverFailed.test(line));
	if (failed !== undefined) return `No graphics device can be used (${failed}): check its driver. npx prune-gguf doctor says more.`;
	// llama.cpp's log is silent if Vulkan cannot be started, or is older than 1.2.
	const said = own === "VULKAN" ? "Vulkan offers llama.cpp no device" : "llama.cpp finds no graphics device";
	const more = own === "VULKAN" ? "vulkaninfo --summary" : "npx prune-gguf doctor";
	return `${said} on this machine (build for ${own.toLowerCase()}): check that its driver is installed${own === "VULKAN" ? " and new enough (Vulkan 1.2)" : ""}. ${more} says more.`;
}

/**
 * What people should hear if a device is not used although nobody asked for the CPU: a build for devices that finds none, or a device that
 * does not say what memory it has; undefined if there is nothing to say.
 * @throws as `devicesFor`
 */
export function missingDevice(seen: Seen, choice: DeviceChoice): string | undefined {
	if (layersAsked(choice) === 0) return undefined;
	const silent = devicesFor(seen, choice).filter(saysNothing);
	if (silent.length > 0) {
		const names = silent.map(({ name }) => name).join(" and ");
		return `${names} did not say how much memory ${silent.length === 1 ? "it has" : "they have"}, so no blocks are put there: check the driver, and whether another program uses all of the device. prune-gguf doctor says more.`;
	}
	if (seen.graphics.length === 0 || seen.devices.some(({ gpu }) => gpu)) return undefined;
	return `${noDevice(seen)} This run uses the CPU.`;
}

/** Name and version of a device's driver, as far as the system tells. */
export function driverOf({ backend, description }: Pick<Device, "backend" | "description">, deviceLog: string): string | null {
	if (backend === "CUDA") return nvidiaDriver();
	if (isMetal(backend)) return `Darwin ${release()}`;
	if (backend !== "Vulkan") return null;
	for (const line of deviceLog.split("\n")) {
		const [, rest] = /^ggml_vulkan: \d+ = (.*?) \| uma/.exec(line) ?? [];
		if (rest?.startsWith(`${description} (`)) return rest.slice(description.length + 2, -1);
	}
	return null;
}

const nvidiaFile = "/proc/driver/nvidia/version";

function nvidiaDriver(): string | null {
	if (!existsSync(nvidiaFile)) return null;
	const version = /(\d+\.\d+(?:\.\d+)?)/.exec(readFileSync(nvidiaFile, "utf8"))?.[1];
	return version === undefined ? null : `NVIDIA ${version}`;
}

/** `CUDA0 (NVIDIA H100, driver NVIDIA 550.54)` */
export function deviceText(device: Device, { deviceLog }: Pick<AddonInfo, "deviceLog">): string {
	const driver = driverOf(device, deviceLog);
	return `${device.name} (${shownText(device.description || device.backend)}${driver === null ? "" : `, driver ${shownText(driver)}`})`;
}
