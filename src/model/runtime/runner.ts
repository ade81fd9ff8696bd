// What runs a model, and where its blocks go: decided before it is loaded.
import { checkAsRead } from "../gguf/as-read.js";
import type { GgufFile } from "../gguf/file.js";
import type { Addon, NativeLoadOptions } from "./addon.js";
import type { BuildStep } from "./build.js";
import type { DeviceChoice } from "./devices.js";
import { loadAddon, loadedBinary } from "./load-addon.js";
import { isMappable } from "./loadable.js";
import { devicesText } from "./machine-text.js";
import { availableMemory, checkMemory, type MemoryShape } from "./memory.js";
import { bytesElsewhere, placementFor } from "./place.js";
import { loadOptionsOf, type Placement } from "./placement.js";
import { addonFor, devicesSeen, giveUpRemoteContexts } from "./remote-addon.js";
import type { OnRestart } from "./remote-model.js";

/** What decides it. */
export interface RunnerOptions extends DeviceChoice {
	readonly mmap?: boolean | undefined;
	/** What is measured later, which must fit on the devices beside the blocks. */
	readonly shape?: MemoryShape | undefined;
	/** Where the blocks go, if that is known: it is not looked for then. */
	readonly placement?: Placement | undefined;
	/** A model that shares measurements with this one: it is loaded in the same process. */
	readonly beside?: { readonly addon: Addon } | undefined;
	readonly onRestart?: OnRestart | undefined;
	readonly onBuildProgress?: ((step: BuildStep) => void) | undefined;
	readonly signal?: AbortSignal | undefined;
}

/** What runs a model, and how it is told to load it. */
export interface Runner {
	readonly addon: Addon;
	readonly placement: Placement;
	readonly load: NativeLoadOptions;
}

/** @throws NotEnoughMemoryError, AddonNotFoundError, BuildError, InvalidOptionError, DeviceError */
export async function runnerFor(file: GgufFile, options: RunnerOptions): Promise<Runner> {
	const local = await loadAddon({ onBuildProgress: options.onBuildProgress, signal: options.signal });
	await giveUpRemoteContexts();
	const available = availableMemory();
	const info = await devicesSeen(local, loadedBinary().path, options, options.signal);
	const placement = options.placement ?? placementFor(file, options.shape ?? {}, { seen: info, host: available }, options);
	checkMemory(file, {}, available, bytesElsewhere(file, placement, info));
	const addon = options.beside?.addon ?? addonFor(local, loadedBinary().path, placement.devices.length > 0);
	const remote =
		addon === local
			? {}
			: {
					where: devicesText(info, placement) ?? "the CPU",
					placement,
					onRestart: options.onRestart,
					checkFile: () => checkAsRead({ file }),
				};
	return { addon, placement, load: { ...remote, ...loadOptionsOf(placement), mmap: (options.mmap ?? true) && isMappable(file) } };
}
