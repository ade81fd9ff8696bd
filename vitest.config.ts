import { defineConfig } from "vitest/config";

// Forks, one at a time: the addon's threads spin, and two native tests at once would starve each other.
export default defineConfig({
	test: {
		include: ["test/**/*.test.ts"],
		exclude: ["test/full/**"],
		pool: "forks",
		fileParallelism: false,
		testTimeout: 120_000,
		hookTimeout: 120_000,
		coverage: { provider: "v8", include: ["src/**"], reporter: ["text-summary"] },
	},
});
