import { freemem, totalmem } from "node:os";
import { NotEnoughMemoryError } from "../errors.js";
import type { GgufFile } from "../gguf/index.js";

/** Bytes this process may still use: what the system has to spare, within a container's limit. */
export function availableMemory(): number {
	const limit = process.constrainedMemory();
	// macOS counts as free only what holds nothing at all; most of the rest is given up when it is needed.
	const free = process.platform === "darwin" ? Math.max(freemem(), 0.75 * totalmem()) : freemem();
	return limit > 0 && limit < Number.MAX_SAFE_INTEGER ? Math.min(free, limit - process.memoryUsage.rss()) : free;
}

/** Bytes that loading and measuring a model takes: its tensors, and room for the graph, the key-value cells and the logits of a ubatch. */
export function neededMemory(file: GgufFile, ubatch = 512): number {
	const vocabulary = file.tensors.find((tensor) => tensor.name === "token_embd.weight")?.dims[1] ?? 0;
	const tensorBytes = file.tensors.reduce((sum, tensor) => sum + tensor.source.size, 0);
	return tensorBytes + 2 * ubatch * vocabulary * 4 + 64 * 2 ** 20;
}

/** @throws NotEnoughMemoryError where the model cannot fit, instead of a process that is killed or swaps */
export function checkMemory(file: GgufFile): void {
	const needed = neededMemory(file);
	const available = availableMemory();
	if (needed > available) {
		const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
		throw new NotEnoughMemoryError(
			`${file.paths[0]} needs about ${gib(needed)} of memory and ${gib(available)} are free. Close other programs, or take a smaller quantisation of the model.`,
		);
	}
}
