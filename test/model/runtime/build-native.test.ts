import { describe, expect, it } from "vitest";
import { fileURLToPath } from "node:url";
import { runNode } from "../../helpers/fixture.js";

const script = fileURLToPath(new URL("../../../scripts/build-native.mjs", import.meta.url));

describe("scripts/build-native.mjs", () => {
	it.each([
		[["--sanitize", "adress"], /--sanitize must be one of address, undefined, thread, not "adress"/],
		[["--sanitize"], /--sanitize/],
		[["--debug", "--sanitize", "thread"], /choose one/],
		[["--debug", "--reference-tools"], /usual build/],
		[["--sanitise", "thread"], /--sanitise/],
		[["address"], /address/],
	])("refuses %j before it builds anything", async (args, message) => {
		const { code, stderr } = await runNode([script, ...args]);
		expect(stderr).toMatch(message);
		expect(stderr).toMatch(/^error: .*\n$/);
		expect(code).toBe(2);
	});
});
