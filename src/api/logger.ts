import type { LogEvent } from "./job.js";

type Log = (level: LogEvent["level"], message: string, more?: Pick<LogEvent, "sets">) => void;

/** Tells the caller something. */
export function logger(options: { onLog?: ((event: LogEvent) => void) | undefined }): Log {
	return (level, message, more) => options.onLog?.({ level, message, ...more });
}
