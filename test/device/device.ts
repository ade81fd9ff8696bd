import { open } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { removeBlocks } from "../../src/model/architectures/remove.js";
import { devicesFor, type GpuLayers } from "../../src/model/runtime/devices.js";
import { GgufFile, writeGguf } from "../../src/model/gguf/index.js";
import { devicesSeen } from "../../src/model/runtime/remote-addon.js";
import { loadAddon, loadedBinary } from "../../src/model/runtime/load-addon.js";
import type { Evaluation } from "../../src/model/runtime/evaluator.js";
import { Model } from "../../src/model/runtime/model.js";
import { makeWindows, type TokenWindows } from "../../src/model/runtime/windows.js";

// What the device tests run on: the addon that PRUNE_GGUF_ADDON names, with the RPC servers in PRUNE_GGUF_TEST_RPC (host:port,...), if any.

const servers = process.env.PRUNE_GGUF_TEST_RPC;
/** Options of a job on the device. */
export const onDevice = { threads: 2, ...(servers ? { rpc: servers.split(",") } : {}) };

/** Names of the devices in use. @throws Error if there is none: then these tests would show nothing */
export async function deviceNames(): Promise<string[]> {
	const addon = await loadAddon({ build: false });
	const seen = await devicesSeen(addon, loadedBinary().path, onDevice);
	const names = devicesFor(seen, onDevice).map(({ name, description }) => `${name} (${description})`);
	if (names.length === 0) throw new Error("there is no device: run these tests with npm run test:device, test:vulkan or test:rpc");
	return names;
}

/** Loads a model on the device. @param gpuLayers blocks there; the others stay on the CPU */
export const loadOnDevice = (path: string, gpuLayers: GpuLayers = "auto") => Model.load(path, { ...onDevice, gpuLayers });

/** Windows of tokens that every model of the tests has. */
export function someWindows(count = 2, length = 64): TokenWindows {
	return makeWindows(
		Int32Array.from({ length: count * length }, (_, i) => (i * i + 7 * i) % 100),
		length,
	);
}

/** Whether the device gives the same bits for the same work, as those do that compute on the CPU. */
const isExact = process.env.PRUNE_GGUF_TEST_EXACT === "1";
/** Nats a token by which a written file may differ from what was measured, on a device. */
const tolerance = 0.001;

/**
 * Two measurements of the same computation: the same bits, or losses within what a device is allowed.
 * @param placed whether all blocks are on one kind of device: if not, a block of another number may be computed elsewhere
 */
export function expectSame(found: readonly Evaluation[], wanted: readonly Evaluation[], what: string, placed = true): void {
	expect(found.length).toBe(wanted.length);
	for (const [i, { losses, digests }] of found.entries()) {
		const other = wanted[i]!;
		if (isExact && placed) expect([[...losses], digests], `${what} ${i}`).toEqual([[...other.losses], other.digests]);
		const worst = Math.max(...losses.map((loss, w) => Math.abs(loss - other.losses[w]!)));
		expect(worst, `nats, ${what} ${i}`).toBeLessThanOrEqual(tolerance);
	}
}

export const meanOf = ({ losses }: Evaluation) => losses.reduce((sum, loss) => sum + loss, 0) / losses.length;

/** Writes a model without blocks, or halves of them. */
export async function writeWithout(path: string, removed: readonly number[], folder: string): Promise<string> {
	const target = join(folder, `without-${removed.join("-")}.gguf`);
	const handle = await open(target, "w");
	try {
		await writeGguf(handle, removeBlocks(await GgufFile.read(path), removed, { version: "0.0.0" }));
	} finally {
		await handle.close();
	}
	return target;
}
