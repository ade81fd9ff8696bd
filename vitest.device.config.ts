import { defineConfig } from "vitest/config";

// What runs on a device: the addon that PRUNE_GGUF_ADDON names, or RPC servers. One file at a time: they share the device. See
// docs/developers/devices.md.
export default defineConfig({
	test: {
		include: ["test/device/**/*.test.ts"],
		pool: "forks",
		fileParallelism: false,
		maxWorkers: 1,
		testTimeout: 600_000,
		hookTimeout: 300_000,
	},
});
