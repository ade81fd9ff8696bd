import { readFileSync, readlinkSync } from "node:fs";

/** What numbers this process: containers number their processes anew. Undefined where the system has no such spaces: only Linux does. */
export function processSpace(): string | undefined {
	try {
		return readlinkSync("/proc/self/ns/pid");
	} catch {
		return undefined;
	}
}

/** Tells Linux machines of one name apart, whose first space of process numbers has one number everywhere. Empty elsewhere. */
export function machineId(): string {
	// The second one changes with every start of the machine.
	for (const path of ["/etc/machine-id", "/proc/sys/kernel/random/boot_id"]) {
		try {
			const id = readFileSync(path, "latin1").trim();
			if (/^[0-9a-f-]{32,36}$/.test(id)) return id;
		} catch {
			// Not every system has it.
		}
	}
	return "";
}

/** What procfs says of a process. */
export interface ProcessFacts {
	/** Whether it has ended, and only waits for its parent to notice. A container whose first process reaps nothing keeps such ones. */
	readonly ended: boolean;
	/** Number of its session: that of the process which began it. */
	readonly session: number;
	/** Start time in clock ticks since boot. With its number it names a process for good. */
	readonly start: string;
}

/** Undefined for a process that is gone, and on systems without procfs. */
export function processFacts(pid: number): ProcessFacts | undefined {
	try {
		const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
		// After the name in parentheses, which may hold spaces: state, parent, group, session, ..., start.
		const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
		return { ended: fields[0] === "Z" || fields[0] === "X", session: Number(fields[3]), start: fields[19] ?? "" };
	} catch {
		return undefined;
	}
}
