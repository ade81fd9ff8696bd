import { defineConfig } from "vitest/config";
import { LongestFirst } from "./test/helpers/longest-first.js";

/** What measures time, or needs the machine for itself. */
export const alone = [
	"test/model/architectures/counts.test.ts",
	"test/model/runtime/cancelling.test.ts",
	"test/model/runtime/disposing.test.ts",
	"test/model/architectures/sound.test.ts",
	"test/model/runtime/run-tool.test.ts",
	"test/model/runtime/speed.test.ts",
	"test/native/contexts.test.ts",
	"test/pipeline/healing/time-budget.test.ts",
	"test/pipeline/pruning/measure-pair.test.ts",
	"test/pipeline/speed/figures.test.ts",
	"test/pipeline/methods/stopped-search.test.ts",
	"test/game/search/stopped.test.ts",
	"test/storage/ledger.test.ts",
];

// How many times as long a test may take: a sanitizer makes it slow (scripts/sanitize).
const patience = Number(process.env.PRUNE_GGUF_TEST_PATIENCE ?? 1);

// Forks: the addon's state is a process's. Three at a time on two cores, since tests wait for children and files; their threads wait without spinning
// (scripts/test.mjs). The rest runs one at a time, after them.
export default defineConfig({
	test: {
		pool: "forks",
		// Of tests that say so (conformance): a process of its own computes each.
		maxConcurrency: 2,
		testTimeout: 120_000 * patience,
		hookTimeout: 120_000,
		sequence: { sequencer: LongestFirst },
		coverage: { provider: "v8", include: ["src/**"], reporter: ["text-summary"] },
		projects: [
			{
				extends: true,
				test: {
					name: "together",
					include: ["test/**/*.test.ts"],
					exclude: ["test/full/**", "test/device/**", ...alone],
					maxWorkers: 3,
					sequence: { groupOrder: 0 },
				},
			},
			{
				extends: true,
				test: { name: "alone", include: alone, fileParallelism: false, maxWorkers: 1, sequence: { groupOrder: 1 } },
			},
		],
	},
});
