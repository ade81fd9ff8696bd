import { defineConfig } from "vitest/config";

// Every architecture of the pinned llama.cpp, one at a time, and real files.
export default defineConfig({
	test: {
		include: ["test/full/conformance.test.ts", "test/full/attention.test.ts", "test/full/real-models.test.ts"],
		pool: "forks",
		fileParallelism: false,
		maxConcurrency: 2,
		testTimeout: 600_000,
		hookTimeout: 120_000,
	},
});
