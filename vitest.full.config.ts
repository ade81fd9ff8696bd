import { defineConfig } from "vitest/config";

// What is too slow for every change: all architectures, real models, files above 4 GB.
export default defineConfig({
	test: {
		include: ["test/full/**/*.test.ts"],
		pool: "forks",
		fileParallelism: false,
		maxConcurrency: 2,
		testTimeout: 3_600_000,
		hookTimeout: 600_000,
	},
});
