import { describe, expect, it } from "vitest";
import { DeviceError, InvalidOptionError } from "../../../src/errors.js";
import { type DeviceChoice, devicesFor, deviceText, driverOf, missingDevice, usesHostMemory } from "../../../src/model/runtime/devices.js";
import { device, processor } from "../../helpers/fake-devices.js";

const seen = (devices = [processor], deviceLog = "", graphics = "CUDA") => ({
	...{ devices, deviceLog },
	graphics: graphics === "none" ? [] : [graphics],
});
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
		["with a build for the CPU", seen([processor], "", "none"), /computes on the CPU only.*prune-gguf build --backend cuda/],
		[
			"without a card",
			seen(),
			/finds no graphics device on this machine \(build for cuda\): check that its driver is installed\. npx prune-gguf doctor/,
		],
		[
			"with Vulkan, which says nothing, also of a driver that is too old",
			seen([processor], "", "VULKAN"),
			/Vulkan offers .* no device .*installed and new enough \(Vulkan 1\.2\)\. vulkaninfo --summary says more/,
		],
		[
			"with a driver of Vulkan that is too old",
			seen([processor], "ggml_vulkan: ErrorIncompatibleDriver\n", "VULKAN"),
			/too old for this build \(ggml_vulkan: ErrorIncompatibleDriver\): install a newer driver\./,
		],
		[
			"with an error of something else",
			seen([processor], "load_backend: error while looking for plugins\n"),
			/finds no graphics device on this machine/,
		],
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
		expect(missingDevice(seen([processor], "", "none"), {})).toBeUndefined();
		expect(missingDevice(two, {})).toBeUndefined();
		// A build for servers alone: a run without --rpc misses nothing.
		expect(missingDevice(seen([processor], "", "none"), { gpuLayers: "auto" })).toBeUndefined();
		expect(missingDevice(seen(), { gpuLayers: 0 })).toBeUndefined();
	});
});

describe("a device that does not say what memory it has", () => {
	it("is not used, which is said", () => {
		const silent = seen([processor, device("CUDA0", 0), device("CUDA1", 1000)]);
		expect(missingDevice(silent, {})).toMatch(/^CUDA0 did not say how much memory it has, so no blocks are put there: check the driver/);
		expect(missingDevice(silent, { devices: ["CUDA1"] })).toBeUndefined();
		expect(missingDevice(silent, { gpuLayers: 0 })).toBeUndefined();
		expect(missingDevice(seen([processor, device("MTL0", 0, 0, { sharesMemory: true })]), {})).toBeUndefined();
	});
});

describe("a device that uses the computer's memory", () => {
	it("is one that llama.cpp calls integrated, or Metal's on Apple silicon", () => {
		const apple = { platform: "darwin", arch: "arm64" };
		const on = (backend: string, sharesMemory: boolean, system: { platform: string; arch: string }) =>
			usesHostMemory({ backend, sharesMemory }, system);
		expect(on("Vulkan", true, { platform: "linux", arch: "x64" })).toBe(true);
		expect(on("Vulkan", false, apple)).toBe(false);
		expect(on("MTL", false, apple)).toBe(true);
		expect(on("MTL", false, { platform: "darwin", arch: "x64" })).toBe(false);
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
