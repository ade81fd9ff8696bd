import { describe, expect, it } from "vitest";
import type { Evaluation } from "../../src/model/runtime/evaluator.js";
import { backendOf } from "../../src/model/runtime/backend.js";
import { Model } from "../../src/model/runtime/model.js";
import { fixturePath, fixtureWindows, removing } from "../helpers/fixture.js";
import { deviceNames, expectSame, loadOnDevice, onDevice } from "./device.js";

const servers = "rpc" in onDevice ? onDevice.rpc : [];

// Two servers on this machine: npm run test:rpc starts them.
describe.skipIf(servers.length < 2)("a model on two RPC servers", () => {
	it("is put on both, and the run is named after them", async () => {
		expect((await deviceNames()).length).toBe(servers.length);
		await using model = await loadOnDevice(fixturePath);
		expect(backendOf(model)).toBe(servers.map((one) => `RPC ${one}`).join("+"));
		await using onCpu = await Model.load(fixturePath, { threads: 1, gpuLayers: 0 });
		expect(backendOf(onCpu)).toBe("CPU");
	});

	it("is put on the one that --device names", async () => {
		await using model = await Model.load(fixturePath, { ...onDevice, devices: ["RPC1"] });
		expect(backendOf(model)).toBe(`RPC ${servers[1]}`);
	});

	it("gives the bits of one server, and of the CPU behind them", async () => {
		const windows = fixtureWindows(3);
		const masks = [removing(4), removing(3, 6, 9), removing(0)];
		const found: Evaluation[][] = [];
		for (const gpuLayers of [-1, 6, 0]) {
			await using model = await loadOnDevice(fixturePath, gpuLayers);
			found.push(await model.createEvaluator().evaluate(masks, windows, { digest: true }));
		}
		expectSame(found[1]!, found[0]!, "half of the blocks there");
		expectSame(found[2]!, found[0]!, "on the CPU");
	});
});
