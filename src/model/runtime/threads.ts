import { readFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";

/**
 * Threads to compute with: the physical cores this process may use. ggml's threads spin, so two on the two
 * hyper-threads of one core slow each other down.
 */
export function defaultThreads(): number {
	const allowed = availableParallelism();
	const logical = cpus().length;
	const physical = physicalCores() ?? logical;
	return Math.max(1, Math.min(allowed, physical));
}

function physicalCores(): number | undefined {
	if (process.platform !== "linux") return undefined;
	try {
		const cores = new Set<string>();
		for (const block of readFileSync("/proc/cpuinfo", "utf8").split("\n\n")) {
			const id = /^core id\s*:\s*(\d+)/m.exec(block)?.[1];
			if (id !== undefined) cores.add(`${/^physical id\s*:\s*(\d+)/m.exec(block)?.[1] ?? 0}:${id}`);
		}
		return cores.size > 0 ? cores.size : undefined;
	} catch {
		return undefined;
	}
}
