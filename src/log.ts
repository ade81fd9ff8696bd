import type { LogEvent } from "./api.js";

/** Tells the caller something. */
export function logger(options: { onLog?: ((event: LogEvent) => void) | undefined }): (level: LogEvent["level"], message: string) => void {
	return (level, message) => options.onLog?.({ level, message });
}
