import { expect, it } from "vitest";
import { DeviceError } from "../../../src/errors.js";
import { GgufFile } from "../../../src/model/gguf/index.js";
import { Model } from "../../../src/model/runtime/model.js";
import { isFullyOffloaded, offloaded } from "../../../src/model/runtime/placement.js";
import { smallestDevice, useFakeDevices } from "../../helpers/fake-devices.js";
import { fixturePath, fixtureWindows, fullSet } from "../../helpers/fixture.js";

// A device that holds the model about one and a half times. Like Metal's, each process sees only what it uses itself.
const shape = { windows: 1, windowLength: 16, ubatch: 16 };
const size = smallestDevice(await GgufFile.read(fixturePath), shape);
useFakeDevices([Math.round(1.5 * size)]);
const load = () => Model.load(fixturePath, { threads: 1, shape });

it("a second model gets what the first one left on the device, by what the process says that holds it", async () => {
	await using first = await load();
	expect(isFullyOffloaded(first.placement)).toBe(true);
	await using second = await load();
	expect(offloaded(second.placement)).toBeGreaterThan(0);
	expect(offloaded(second.placement)).toBeLessThan(12);
	for (const model of [first, second]) {
		const [found] = await model.createEvaluator({ ubatch: 16 }).evaluate([fullSet], fixtureWindows(1, 16));
		expect(found!.losses[0]).toBeGreaterThan(0);
	}
});

it("a measurement that finds no memory there says what helps", async () => {
	await using model = await load();
	const evaluator = model.createEvaluator({ ubatch: 2048 });
	const error = await evaluator.evaluate([fullSet], fixtureWindows(10, 128)).catch((caught: unknown) => caught);
	expect(error).toBeInstanceOf(DeviceError);
	expect((error as Error).message).toMatch(/too little memory for all 12 blocks on FAKE0, .*smaller number of --gpu-layers than 13/);
});
