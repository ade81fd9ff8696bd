import { expect, it } from "vitest";
import { backendOf } from "../../../src/model/runtime/backend.js";
import { deviceKey, devicesFor } from "../../../src/model/runtime/devices.js";
import { placementFor } from "../../../src/model/runtime/place.js";
import { placementKey, placementWithout } from "../../../src/model/runtime/placement.js";
import { GgufFile } from "../../../src/model/gguf/index.js";
import type { AddonInfo } from "../../../src/model/runtime/addon.js";
import { device, processor } from "../../helpers/fake-devices.js";
import { fixturePath } from "../../helpers/fixture.js";

const served = (name: string, server: string) => device(name, 1000, 1000, { backend: "RPC", description: server, server });
const seen = {
	...{ deviceLog: "", graphics: ["CUDA"] },
	devices: [processor, device("CUDA0", 1000), served("RPC0", "a:1"), served("RPC1", "b:2"), served("RPC2", "b:2")],
} as unknown as AddonInfo;
const names = (choice: Parameters<typeof devicesFor>[1]) => devicesFor(seen, choice).map(({ name }) => name);

it("a model is on the servers that were named for it, whatever others this process has listed", () => {
	expect(names({})).toEqual(["CUDA0"]);
	expect(names({ rpc: ["a:1"] })).toEqual(["RPC0", "CUDA0"]);
	expect(names({ rpc: ["b:2", "a:1"] })).toEqual(["RPC1", "RPC2", "RPC0", "CUDA0"]);
	expect(names({ rpc: ["b:2"], devices: ["rpc2"] })).toEqual(["RPC2"]);
	expect(names({ rpc: ["b:2"], gpuLayers: 0 })).toEqual([]);
	expect(() => names({ rpc: ["b:2"], devices: ["RPC0"] })).toThrow(/there is no device "RPC0" \(did you mean RPC1\?\)/);
});

it("what it measured has the server in its key, and not the number by which it was listed", async () => {
	expect(seen.devices.map((one) => deviceKey(one, seen)).slice(1)).toEqual(["CUDA0 (Card CUDA0)", "RPC a:1", "RPC b:2 0", "RPC b:2 1"]);
	const file = await GgufFile.read(fixturePath);
	const placed = (choice: Parameters<typeof devicesFor>[1]) => placementFor(file, {}, { seen, host: 0 }, choice);
	expect(backendOf({ placement: placed({}) })).toBe("CUDA0 (Card CUDA0)");
	const onServers = placed({ rpc: ["a:1", "b:2"], devices: ["RPC0", "RPC2"] });
	expect(backendOf({ placement: onServers })).toBe("RPC a:1+RPC b:2 1");
	expect(placementKey(onServers)).toMatch(/^RPC a:1=\d+,RPC b:2 1=\d+\+1$/);
	expect(backendOf({ placement: placementWithout(onServers, [0, 11]) })).toBe("RPC a:1+RPC b:2 1");
	expect(backendOf({ placement: placed({ gpuLayers: 0, rpc: ["a:1"] }) })).toBe("CPU");
});

it("what it measured is of this card with this driver, whatever number it has", async () => {
	const file = await GgufFile.read(fixturePath);
	const log = (driver: string) => `ggml_vulkan: 0 = Card Vulkan0 (${driver}) | uma: 0 | fp16: 1\n`;
	const keyOf = (more: Partial<AddonInfo["devices"][number]>, deviceLog = log("RADV")) => {
		const devices = [processor, device("Vulkan0", 1000, 1000, more)];
		const placement = placementFor(file, {}, { seen: { devices, deviceLog, graphics: ["CUDA"] } as AddonInfo, host: 0 }, {});
		expect(placementKey(placement)).toBe(`${backendOf({ placement })}=12+1`);
		return backendOf({ placement });
	};
	expect(keyOf({ id: "0000:01:00.0" })).toBe("Vulkan0 (Card Vulkan0, 0000:01:00.0, driver RADV)");
	// CUDA_VISIBLE_DEVICES=1, another card of the same place, and another driver of the same card.
	const keys = [
		keyOf({}),
		keyOf({ id: "0000:01:00.0" }),
		keyOf({ id: "0000:02:00.0" }),
		keyOf({ description: "llvmpipe" }),
		keyOf({}, log("AMDVLK")),
	];
	expect(new Set(keys).size).toBe(keys.length);
});
