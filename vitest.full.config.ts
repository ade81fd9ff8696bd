import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { defineConfig } from "vitest/config";

/** Files that hold tests for test:full only (test/helpers/slow.ts). */
const slow = readdirSync("test", { recursive: true, withFileTypes: true })
	.filter(({ name }) => name.endsWith(".test.ts"))
	.map(({ parentPath, name }) => join(parentPath, name))
	.filter((path) => readFileSync(path, "utf8").includes("helpers/slow.js"));

// What is too slow for every change: all architectures, real models, files above 4 GB.
export default defineConfig({
	test: {
		include: ["test/full/**/*.test.ts", ...slow],
		env: { PRUNE_GGUF_TEST_FULL: "1" },
		pool: "forks",
		fileParallelism: false,
		maxConcurrency: 2,
		testTimeout: 3_600_000,
		hookTimeout: 600_000,
	},
});
