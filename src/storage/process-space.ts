import { readlinkSync } from "node:fs";

/** What numbers this process: containers number their processes anew. Undefined where the system has no such spaces: only Linux does. */
export function processSpace(): string | undefined {
	try {
		return readlinkSync("/proc/self/ns/pid");
	} catch {
		return undefined;
	}
}
