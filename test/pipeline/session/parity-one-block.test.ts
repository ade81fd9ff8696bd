import { expect, it } from "vitest";
import { DeviceError } from "../../../src/errors.js";
import { Model } from "../../../src/model/runtime/model.js";
import { checkParity } from "../../../src/pipeline/session/parity.js";
import { makeRunFolder } from "../../../src/storage/runs.js";
import { useFakeDevices } from "../../helpers/fake-devices.js";
import { fixturePath } from "../../helpers/fixture.js";
import { ownHomes } from "../../helpers/home.js";

// Only what one block in the middle hands on is wrong, by up to a fifth of each value.
useFakeDevices([64], "block:5");
ownHomes();

it("a device that computes one block wrongly is refused", async () => {
	const folder = await makeRunFolder({ name: "fixture.gguf", sha256: "0".repeat(64) });
	await using model = await Model.load(fixturePath, { threads: 1 });
	const job = { model, sha256: "0".repeat(64), folder };
	await expect(checkParity(job, {})).rejects.toThrow(DeviceError);
});
