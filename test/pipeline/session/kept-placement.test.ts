import { describe, expect, it } from "vitest";
import type { LogEvent } from "../../../src/api/index.js";
import { GgufFile } from "../../../src/model/gguf/index.js";
import type { AddonInfo } from "../../../src/model/runtime/addon.js";
import { placementFor, type Room } from "../../../src/model/runtime/place.js";
import { isFullyOffloaded, offloaded, placementKey } from "../../../src/model/runtime/placement.js";
import { placementOfRun } from "../../../src/pipeline/session/kept-placement.js";
import { makeRunFolder } from "../../../src/storage/runs.js";
import { device, processor, smallestDevice } from "../../helpers/fake-devices.js";
import { fixturePath } from "../../helpers/fixture.js";
import { ownHomes } from "../../helpers/home.js";

ownHomes();
const file = await GgufFile.read(fixturePath);
const shape = { windows: 2, windowLength: 64 };
const size = smallestDevice(file, shape);
/** A device of which so many MiB are free. */
const room = (free: number, id = "0000:01:00.0") => ({
	seen: { devices: [processor, device("CUDA0", free, size, { id })], deviceLog: "", graphics: ["CUDA"] } as unknown as AddonInfo,
	host: 2 ** 30,
});

/** The least free memory in which all blocks are put there, with what stays free beside them; less holds them without that. */
const total = (() => {
	let least = size;
	const all = (free: number) => isFullyOffloaded(placementFor(file, shape, room(free), {}));
	while (all(least - 0.05)) least -= 0.05;
	return least;
})();

interface Asked {
	readonly seed?: number;
	readonly id?: string;
	readonly referencePositions?: number;
	readonly gpuLayers?: number;
}

async function runs() {
	const folder = await makeRunFolder({ name: "fixture.gguf", sha256: "0".repeat(64) });
	const events: LogEvent[] = [];
	const place = (free: number, { seed = 0, id = "0000:01:00.0", referencePositions = 0, gpuLayers }: Asked = {}) =>
		placementOfRun({ file, shape: { ...shape, referencePositions }, folder, seed }, room(free, id), {
			...{ gpuLayers, onLog: (event) => void events.push(event) },
		});
	return { place, events };
}

describe("a run that goes on with other memory free", () => {
	it("puts the blocks where they were, and says so, as long as they fit", async () => {
		const { place, events } = await runs();
		const first = await place(total);
		expect(offloaded(first)).toBe(12);
		const again = await place(total - 0.1, { referencePositions: 100 });
		expect(placementKey(again)).toBe(placementKey(first));
		expect(events).toEqual([expect.objectContaining({ level: "note", message: expect.stringContaining("as in an earlier run") })]);
		// Alone, so little free memory takes fewer blocks.
		expect(offloaded(await place(total - 0.1, { seed: 1 }))).toBeLessThan(12);
		// With more memory than before too: losses of another placement would not count.
		const { place: small } = await runs();
		const few = await small(total - 0.2, { seed: 2 });
		expect(offloaded(few)).toBeLessThan(12);
		expect(placementKey(await small(total, { seed: 2 }))).toBe(placementKey(few));
	});

	it("puts fewer there if they do not fit, with a warning that says how to go on", async () => {
		const { place, events } = await runs();
		await place(total, { seed: 3 });
		expect(offloaded(await place(total / 2, { seed: 3 }))).toBeLessThan(12);
		const warning = expect.objectContaining({
			level: "warning",
			message: expect.stringMatching(/less free memory than in an earlier run, .*run again; --gpu-layers 13 asks for that placement$/),
		});
		expect(events).toEqual([warning]);
		// Then with as little again: as the second time, and the first is still known.
		const small = await place(total / 2, { seed: 3 });
		expect(placementKey(await place(total / 2 + 0.2, { seed: 3 }))).toBe(placementKey(small));
		expect(events.slice(1).filter(({ level }) => level === "warning")).toEqual([warning, warning]);
	});

	it("goes back to the first placement once memory allows it again, and says whose measurements do not count there", async () => {
		const { place, events } = await runs();
		const first = await place(total, { seed: 5 });
		await place(total / 2, { seed: 5 });
		expect(placementKey(await place(total, { seed: 5 }))).toBe(placementKey(first));
		const said = events.filter(({ message }) => message.includes("What the last one measured counts only with"));
		expect(said).toHaveLength(1);
		// Said once: now the last run had it.
		expect(placementKey(await place(total, { seed: 5 }))).toBe(placementKey(first));
		expect(events.filter(({ message }) => message.includes("What the last one measured counts only with"))).toHaveLength(1);
	});

	it("looks for itself on another card, and does what is asked for", async () => {
		const { place, events } = await runs();
		await place(total, { seed: 4 });
		expect(offloaded(await place(total - 0.1, { seed: 4, id: "0000:02:00.0" }))).toBeLessThan(12);
		expect(offloaded(await place(total, { seed: 4, gpuLayers: 6 }))).toBe(5);
		expect(events).toEqual([]);
	});

	it("finds the devices of servers again, whatever number they have now", async () => {
		const folder = await makeRunFolder({ name: "servers.gguf", sha256: "1".repeat(64) });
		const rpc = ["a:1", "b:2"];
		const seen = (servers: readonly string[], free: Readonly<Record<string, number>>): Room => ({
			seen: {
				devices: [processor, ...servers.map((server, i) => device(`RPC${i}`, free[server]!, size, { server }))],
				...{ deviceLog: "", graphics: [] },
			} as unknown as AddonInfo,
			host: 2 ** 30,
		});
		const place = (now: Room) => placementOfRun({ file, shape, folder, seed: 0 }, now, { rpc });
		const first = await place(seen(rpc, { "a:1": size, "b:2": size / 2 }));
		expect(first.devices.map(({ key }) => key)).toEqual(["RPC a:1", "RPC b:2"]);
		const again = await place(seen(["b:2", "a:1"], { "a:1": size, "b:2": 0.6 * size }));
		expect(again.devices.map(({ name }) => name)).toEqual(["RPC1", "RPC0"]);
		expect(placementKey(again)).toBe(placementKey(first));
	});
});
