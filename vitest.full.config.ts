import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { defineConfig } from "vitest/config";
import { alone } from "./vitest.config.js";

/** Files that hold tests for test:full only (test/helpers/slow.ts). */
const slow = readdirSync("test", { recursive: true, withFileTypes: true })
	.filter(({ name }) => name.endsWith(".test.ts"))
	.map(({ parentPath, name }) => join(parentPath, name))
	.filter((path) => readFileSync(path, "utf8").includes("helpers/slow.js"));
/** What measures time, or fills the memory or the disk by itself. */
const byItself = [...alone, "test/full/heal-huge-states.test.ts", "test/full/large-gguf.test.ts"];

// What is too slow for every change: all architectures, real models, files above 4 GB.
export default defineConfig({
	test: {
		env: { PRUNE_GGUF_TEST_FULL: "1" },
		pool: "forks",
		maxConcurrency: 2,
		testTimeout: 3_600_000,
		hookTimeout: 600_000,
		projects: [
			{
				extends: true,
				test: { name: "together", include: ["test/full/**/*.test.ts", ...slow], exclude: byItself, maxWorkers: 2, sequence: { groupOrder: 0 } },
			},
			{
				extends: true,
				test: {
					name: "alone",
					include: byItself.filter((path) => path.startsWith("test/full/") || slow.includes(path)),
					fileParallelism: false,
					maxWorkers: 1,
					sequence: { groupOrder: 1 },
				},
			},
		],
	},
});
