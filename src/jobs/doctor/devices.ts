// Devices that a binary sees, and what is missing where it should see one.
import type { DoctorMissing, DoctorResult } from "../../api/doctor.js";
import type { AddonInfo } from "../../model/runtime/addon.js";
import { driverOf, missingDevice } from "../../model/runtime/devices.js";

/** With their drivers. @internal */
export const devicesOf = ({ devices, deviceLog }: AddonInfo): DoctorResult["devices"] =>
	devices.map(({ name, description, backend, gpu, freeBytes, totalBytes }) => ({
		...{ name, description, driver: driverOf({ backend, description }, deviceLog), gpu, freeBytes, totalBytes },
	}));

/** A build for devices that finds none. @internal */
export function withoutDevice(info: AddonInfo): DoctorMissing[] {
	const why = missingDevice(info, {});
	return why === undefined ? [] : [{ what: "a graphics device that can be used", why, command: "npx prune-gguf ... --gpu-layers 0" }];
}
