// What a model runs on, for people: the first line of a run, plans and reports.
import type { AddonInfo } from "./addon.js";
import { deviceText } from "./devices.js";
import { isFullyOffloaded, type Placement, placementText } from "./placement.js";
import { defaultThreads } from "./threads.js";

type Seen = Pick<AddonInfo, "devices" | "deviceLog">;

/** `CPU, 2 threads`; or the devices with their drivers, and how many blocks each takes. */
export function machineText(seen: Seen, { threads = defaultThreads() }: { threads?: number | undefined }, placement?: Placement): string {
	const cpu = `CPU, ${threads} ${threads === 1 ? "thread" : "threads"}`;
	if (!placement || placement.devices.length === 0) return cpu;
	const used = devicesText(seen, placement)!;
	return `${isFullyOffloaded(placement) ? used : `${used} and ${cpu}`}: ${placementText(placement)}`;
}

/** The devices in use with their drivers; undefined for the CPU alone. */
export function devicesText(seen: Seen, placement: Placement): string | undefined {
	if (placement.devices.length === 0) return undefined;
	const used = seen.devices.filter(({ name }) => placement.devices.some((device) => device.name === name));
	return used.map((device) => deviceText(device, seen)).join(" and ");
}
