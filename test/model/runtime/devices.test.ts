import { describe, expect, it } from "vitest";
import { DeviceError, InvalidOptionError } from "../../../src/errors.js";
import { type DeviceChoice, devicesFor, deviceText, driverOf, missingDevice } from "../../../src/model/runtime/devices.js";
import { device, processor } from "../../helpers/fake-devices.js";

const seen = (devices = [processor], deviceLog = "", forGraphics = true) => ({ devices, deviceLog, forGraphics });
const two = seen([processor, device("CUDA0", 1000), device("CUDA1", 1000)]);
const names = (choice: DeviceChoice, of = two) => devicesFor(of, choice).map(({ name }) => name);

describe("devicesFor", () => {
	it("takes those that llama.cpp takes", () => {
		expect(names({})).toEqual(["CUDA0", "CUDA1"]);
		expect(names({ splitMode: "none" })).toEqual(["CUDA0"]);
		const shared = device("Vulkan0", 1000, 1000, { sharesMemory: true });
		const server = device("RPC0", 1000, 1000, { server: "a:1" });
		expect(names({}, seen([processor, shared]))).toEqual(["Vulkan0"]);
		expect(names({ rpc: ["a:1"] }, seen([processor, device("CUDA0", 1), shared, server]))).toEqual(["RPC0", "CUDA0"]);
		const same = { id: "0000:01:00.0" };
		expect(names({}, seen([device("CUDA0", 1, 1, same), device("Vulkan0", 1, 1, same)]))).toEqual(["CUDA0"]);
	});

	it("takes those that are named, in their order", () => {
		expect(names({ devices: ["CUDA1", "cuda0"] })).toEqual(["CUDA1", "CUDA0"]);
	});

	it("takes none for the CPU, whatever is there", () => {
		expect(names({ gpuLayers: 0 })).toEqual([]);
		expect(names({}, seen())).toEqual([]);
		expect(names({ gpuLayers: -1 }, seen())).toEqual([]);
	});

	it("names the closest device, and those that are there", () => {
		const wrong = () => devicesFor(two, { devices: ["CUDA2"] });
		expect(wrong).toThrow(InvalidOptionError);
		expect(wrong).toThrow(
			'devices (--device): there is no device "CUDA2" (did you mean CUDA0?). This machine has: CUDA0 (Card CUDA0), CUDA1 (Card CUDA1)',
		);
		expect(() => devicesFor(two, { devices: ["Metal"] })).toThrow(/no device "Metal"\. This machine/);
	});

	it("refuses rows on devices that cannot split them", () => {
		expect(() => devicesFor(seen([device("Vulkan0", 1000)]), { splitMode: "row" })).toThrow(
			/row needs devices of CUDA, and Vulkan0 is one of Vulkan/,
		);
		expect(names({ splitMode: "row" })).toEqual(["CUDA0", "CUDA1"]);
	});
});

const old = "ggml_cuda_init: failed to initialize CUDA: CUDA driver version is insufficient for CUDA runtime version\n";

describe("a missing device", () => {
	it.each<[string, ReturnType<typeof seen>, RegExp]>([
		["with a build for the CPU", seen([processor], "", false), /computes on the CPU only.*prune-gguf build --backend cuda/],
		["without a card", seen(), /finds no graphics device on this machine: check that its driver is installed/],
		[
			"with a driver that is too old",
			seen([processor], old),
			/driver of the graphics device is too old.*driver version is insufficient.*install a newer driver/,
		],
		[
			"with another fault",
			seen([processor], "ggml_cuda_init: failed to initialize CUDA: unknown error\n"),
			/No graphics device can be used .*unknown error/,
		],
	])("%s is an error if one was asked for", (_, of, message) => {
		for (const choice of [{ gpuLayers: 5 }, { gpuLayers: "all" }, { devices: ["CUDA0"] }] as const) {
			expect(() => devicesFor(of, choice)).toThrow(DeviceError);
			expect(() => devicesFor(of, choice)).toThrow(message);
		}
	});

	it("is said where the build is for devices and nothing was asked for", () => {
		expect(missingDevice(seen([processor], old), {})).toMatch(/too old.*This run uses the CPU\.$/);
		expect(missingDevice(seen([processor], "", false), {})).toBeUndefined();
		expect(missingDevice(two, {})).toBeUndefined();
		// A build for servers alone: a run without --rpc misses nothing.
		expect(missingDevice(seen([processor], "", false), { gpuLayers: "auto" })).toBeUndefined();
		expect(missingDevice(seen(), { gpuLayers: 0 })).toBeUndefined();
	});
});

describe("a device's driver", () => {
	it("of Vulkan is read from what llama.cpp says of the device", () => {
		const log = "ggml_vulkan: Found 1 Vulkan devices:\nggml_vulkan: 0 = llvmpipe (LLVM 15.0.6, 256 bits) (llvmpipe) | uma: 0 | fp16: 1\n";
		const lavapipe = device("Vulkan0", 1, 1, { description: "llvmpipe (LLVM 15.0.6, 256 bits)" });
		expect(driverOf(lavapipe, log)).toBe("llvmpipe");
		expect(driverOf({ ...lavapipe, description: "another" }, log)).toBeNull();
		expect(deviceText(lavapipe, { deviceLog: log })).toBe("Vulkan0 (llvmpipe (LLVM 15.0.6, 256 bits), driver llvmpipe)");
	});

	it("of others is not known", () => {
		expect(driverOf(device("RPC0", 1), "")).toBeNull();
		expect(deviceText(device("RPC0", 1), { deviceLog: "" })).toBe("RPC0 (Card RPC0)");
	});
});
