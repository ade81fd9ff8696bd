// npm run test:vulkan -- [arguments of vitest]
//
// Runs test/device/ on Vulkan without a graphics card: Mesa's lavapipe computes on the CPU. The first run makes an SDK (sdk.mjs) and builds
// the addon, a quarter of an hour on two cores.
import { buildFor, buildGenerator, fail } from "../device/build.mjs";
import { runDeviceTests } from "../device/tests.mjs";
import { lavapipe, makeSdk } from "./sdk.mjs";

try {
	const driver = lavapipe();
	process.env.VULKAN_SDK = makeSdk();
	await buildGenerator();
	const { addon } = await buildFor("vulkan");
	// ggml leaves out devices that compute on the CPU unless they are named.
	const env = { VK_ICD_FILENAMES: driver, VK_DRIVER_FILES: driver, GGML_VK_VISIBLE_DEVICES: "0", PRUNE_GGUF_TEST_EXACT: "1" };
	const { ok } = await runDeviceTests({ addon, env, args: process.argv.slice(2) });
	if (!ok) process.exitCode = 1;
} catch (error) {
	fail(error);
}
