import { describe, expect, it } from "vitest";
import { ModelLoadError, NotEnoughMemoryError } from "../../../src/errors.js";
import { GgufFile } from "../../../src/model/gguf/index.js";
import type { AddonInfo } from "../../../src/model/runtime/addon.js";
import type { Device, DeviceChoice } from "../../../src/model/runtime/devices.js";
import { bytesElsewhere, placementAsBefore, placementFor, reserve } from "../../../src/model/runtime/place.js";
import {
	loadOptionsOf,
	offloaded,
	onCpu,
	placementKey,
	placementText,
	placementWithout,
	tooSmallAfterAll,
} from "../../../src/model/runtime/placement.js";
import { device, placed, processor } from "../../helpers/fake-devices.js";
import { fixturePath } from "../../helpers/fixture.js";

/** 12 blocks of about 0.2 MiB, 1,024 tokens. */
const file = await GgufFile.read(fixturePath);
const shape = { windows: 2, windowLength: 64 };
const info = (...devices: Device[]) => ({ devices: [processor, ...devices], deviceLog: "", graphics: ["CUDA"] }) as unknown as AddonInfo;
const place = (choice: DeviceChoice, ...devices: Device[]) => placementFor(file, shape, { seen: info(...devices), host: 2 ** 30 }, choice);
const counts = (choice: DeviceChoice, ...devices: Device[]) => place(choice, ...devices).devices.map(({ blocks }) => blocks);

describe("placementFor", () => {
	it("puts all on the CPU without a device, or if none is wanted", () => {
		expect(place({})).toEqual(onCpu(12));
		expect(place({ gpuLayers: 0 }, device("CUDA0", 1000))).toEqual(onCpu(12));
	});

	it("puts as many of the last blocks on a device as fit beside the reserve", () => {
		expect(counts({}, device("CUDA0", 1000))).toEqual([12]);
		let last = 13;
		for (const size of [20, 6, 5, 4, 3, 2.5, 2]) {
			const now = offloaded(place({}, device("CUDA0", size, 4)));
			expect(now).toBeLessThanOrEqual(last);
			last = now;
		}
		expect(last).toBeLessThan(12);
		expect(place({}, device("CUDA0", 0.5, 4))).toEqual(onCpu(12));
		// The same memory with more of it kept free.
		expect(offloaded(place({}, device("CUDA0", 5, 40)))).toBeLessThan(offloaded(place({}, device("CUDA0", 5, 4))));
		expect(reserve.bytes).toBeGreaterThan(0);
	});

	it("shares the blocks by free memory", () => {
		const even = counts({}, device("CUDA0", 1000), device("CUDA1", 1000));
		expect(Math.abs(even[0]! - even[1]!)).toBeLessThanOrEqual(3);
		const [first, second] = counts({}, device("CUDA0", 3000, 3000), device("CUDA1", 1000, 1000));
		expect(first! + second!).toBe(12);
		expect(first!).toBeGreaterThan(second! * 1.5);
	});

	it("takes the number that is asked for, with the LM head as one of them", () => {
		expect(counts({ gpuLayers: 5 }, device("CUDA0", 1000))).toEqual([4]);
		expect(counts({ gpuLayers: 1 }, device("CUDA0", 1000))).toEqual([0]);
		expect(counts({ gpuLayers: 99 }, device("CUDA0", 1000))).toEqual([12]);
		expect(counts({ gpuLayers: "all" }, device("CUDA0", 1000))).toEqual([12]);
	});

	it.each<[string, DeviceChoice, number]>([
		["a part of the model, beside which matrices are copied", { gpuLayers: 5 }, 1],
		["all of it on two devices", { gpuLayers: "all" }, 2],
	])("never says that what fits does not, without the reason: %s", (_, choice, count) => {
		// Weights of 64 times the size, since the message has whole MiB.
		const large = new Proxy(file, {
			get: (of, key) => {
				if (key === "tensors") return of.tensors.map((one) => ({ ...one, source: { ...one.source, size: 64 * one.source.size } }));
				const value = of[key as keyof GgufFile] as unknown;
				return typeof value === "function" ? value.bind(of) : value;
			},
		});
		const said = (free: number) => {
			const devices = Array.from({ length: count }, (__, i) => device(`CUDA${i}`, free));
			try {
				placementFor(large, shape, { seen: info(...devices), host: 2 ** 30 }, choice);
				return undefined;
			} catch (error) {
				return (error as Error).message;
			}
		};
		for (let free = 8; ; free++) {
			const message = said(free);
			if (message === undefined) break;
			const need = Number(/need about (\d+) MiB/.exec(message)![1]);
			if (need < count * free) expect(message).toMatch(/the shares do not fit each of them/);
		}
	});

	it("refuses more than the device holds, with what it would need, has, and holds", () => {
		const asked = (gpuLayers: number | "all") => () => place({ gpuLayers }, device("CUDA0", 2, 2));
		expect(asked("all")).toThrow(NotEnoughMemoryError);
		expect(asked("all")).toThrow(
			/all blocks would need about \d+ MiB on the device, and CUDA0 has 2 MiB free\. As many as fit: .* \(here that is \d+\).*--gpu-layers 0/,
		);
		expect(asked(12)).toThrow(/12 of its 13 layers would need/);
	});

	it("takes the computer's memory for that of a device that shares it and reports none", () => {
		expect(counts({}, device("METAL0", 0, 0, { sharesMemory: true }))).toEqual([12]);
	});

	it("puts nothing on a device that does not say what it has", () => {
		expect(place({}, device("CUDA0", 0))).toEqual(onCpu(12));
		expect(counts({}, device("CUDA0", 0), device("CUDA1", 1000))).toEqual([0, 12]);
		expect(() => place({ gpuLayers: "all" }, device("CUDA0", 0))).toThrow(/on the device, and CUDA0 did not say what it has\./);
	});
});

describe("a placement", () => {
	const mixed = placed(12, { CUDA0: 5, CUDA1: 4 });

	it("of a pruned model leaves each block where it was", () => {
		expect(placementWithout(mixed, [0, 2, 4, 5, 6, 8, 9, 11])).toEqual(placed(8, { CUDA0: 3, CUDA1: 3 }));
		expect(placementWithout(mixed, [0, 1, 2, 8])).toEqual(placed(4, { CUDA0: 0, CUDA1: 1 }));
		expect(placementWithout(onCpu(12), [0, 1])).toEqual(onCpu(2));
	});

	it("of a pruned model is none if the devices have no memory for it", () => {
		const as = (...devices: Device[]) =>
			placementAsBefore(file, shape, { seen: info(...devices), host: 2 ** 30 }, { before: mixed, kept: [...Array(12).keys()] });
		expect(as(device("CUDA0", 1000), device("CUDA1", 1000))).toEqual(mixed);
		expect(as(device("CUDA0", 2, 4), device("CUDA1", 0.1))).toBeUndefined();
		expect(as()).toBeUndefined();
		expect(as(device("CUDA0", 0), device("CUDA1", 0))).toBeUndefined();
		expect(placementAsBefore(file, shape, { seen: info(), host: 0 }, { before: onCpu(12), kept: [1, 2] })).toEqual(onCpu(2));
	});

	it("tells llama.cpp how many layers each device takes", () => {
		expect(loadOptionsOf(mixed)).toEqual({
			...{ gpuLayers: 10, devices: ["CUDA0", "CUDA1"], splitMode: "layer" },
			tensorSplit: Float32Array.of(5, 5),
		});
		expect(loadOptionsOf(onCpu(12))).toEqual({ gpuLayers: 0, devices: [] });
		expect(loadOptionsOf({ ...mixed, splitMode: "row" })).toEqual({ gpuLayers: 10, devices: ["CUDA0", "CUDA1"], splitMode: "row" });
	});

	it("has a key and a text", () => {
		expect(placementKey(mixed)).toBe("CUDA0=5,CUDA1=4+1");
		expect(placementKey(onCpu(12))).toBeUndefined();
		expect(placementText(mixed)).toBe("3 of 12 blocks on the CPU, 5 on CUDA0, 4 on CUDA1");
		expect(placementText(placed(12, { CUDA0: 12 }))).toBe("all 12 blocks on CUDA0");
		expect(placementText(placed(12, { CUDA0: 8, CUDA1: 4 }))).toBe("of 12 blocks 8 on CUDA0, 4 on CUDA1");
	});

	it("by rows has no numbers of blocks for each device, since llama.cpp finds them", () => {
		const rows = { ...placed(12, { CUDA0: 8, CUDA1: 4 }), splitMode: "row" } as const;
		expect(placementText(rows)).toBe("all 12 blocks on CUDA0 and CUDA1, by rows");
		expect(placementText({ ...mixed, splitMode: "row" })).toBe("3 of 12 blocks on the CPU, 9 on CUDA0 and CUDA1, by rows");
		expect(placementKey({ ...mixed, splitMode: "row" })).toBe("CUDA0,CUDA1=9+1 by rows");
		expect(placementKey({ ...placed(12, { CUDA0: 4, CUDA1: 5 }), splitMode: "row" })).toBe(placementKey({ ...mixed, splitMode: "row" }));
	});

	it("says which bytes lie in memory of devices", () => {
		const all = file.tensors.reduce((sum, { source }) => sum + source.size, 0);
		const whole = placed(12, { CUDA0: 12 });
		const elsewhere = bytesElsewhere(file, whole, info(device("CUDA0", 1000)));
		expect(elsewhere).toBeGreaterThan(all / 2);
		expect(elsewhere).toBeLessThan(all);
		expect(bytesElsewhere(file, whole, info(device("CUDA0", 1000, 1000, { sharesMemory: true })))).toBe(0);
		expect(bytesElsewhere(file, onCpu(12), info())).toBe(0);
	});

	it("explains a device that had less memory than it reported", () => {
		const error = new ModelLoadError("llama.cpp could not load m.gguf: unable to allocate CUDA0 buffer");
		expect(tooSmallAfterAll(error, mixed, "m.gguf")?.message).toMatch(
			/too little memory for 3 of 12 blocks .*unable to allocate CUDA0 buffer.*smaller number of --gpu-layers than 10/,
		);
		expect(tooSmallAfterAll(error, onCpu(12), "m.gguf")).toBeUndefined();
		expect(tooSmallAfterAll(new ModelLoadError("bad magic"), mixed, "m.gguf")).toBeUndefined();
	});
});
