import { defineConfig } from "vitest/config";

/** What takes longer than a few seconds, reads llama.cpp's sources or the addon, or sets the process's umask. */
const elsewhere = [
	"test/game/attribution/estimators.test.ts",
	"test/game/search/{active,auto,known-games,measured-games,stopped}.test.ts",
	"test/game/surrogate/{posterior-surrogates,surrogate}.test.ts",
	"test/model/architectures/{block-index,counts,guard,kept,remove,table}.test.ts",
	"test/model/gguf/{dequantize,llama-cases,malformed,round-trip}.test.ts",
	"test/report/page.test.ts",
	"test/storage/{ledger,ledger-game,runs}.test.ts",
];

// The rooms that need no addon, in seconds: for every save. `npm test` runs all of it.
export default defineConfig({
	test: {
		include: ["test/{api,game,report,storage}/**/*.test.ts", "test/model/{architectures,gguf}/**/*.test.ts", "test/rooms.test.ts"],
		exclude: elsewhere,
		pool: "threads",
		testTimeout: 60_000,
	},
});
