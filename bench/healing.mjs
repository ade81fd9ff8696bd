// Time and memory of healing one cut of a large model, on made-up numbers: node bench/healing.mjs [width] [ffn] [tokens] [threads].
// What is timed is what healing adds to running the model: the normal equations and their solution. Needs a built addon; the model
// is only there to reach it.
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { Model } from "../dist/index.js";
import { equationBytes } from "../dist/runtime/states.js";

const [width = 4096, inner = 14_336, tokens = 2048, threads = 2] = process.argv.slice(2).map(Number);
const model = await Model.load(fileURLToPath(new URL("../fixture/fixture-12l.gguf", import.meta.url)), { threads });
try {
	const seconds = await model.runWithAddon(undefined, (addon, cancel) =>
		addon.timeLeastSquares({ inputs: inner, outputs: width, rows: tokens, threads }, cancel),
	);
	const perToken = seconds.accumulate / tokens;
	const flops = inner * inner + 2 * inner * width;
	// A factor, two triangles, and what the solution explains; of a map two products more with a matrix of the width, and one with the map.
	const solveFlops = inner ** 3 / 3 + 4 * inner * inner * width;
	const mapFlops = 4 * inner * inner * width + 6 * inner * width ** 2 + (7 / 3) * width ** 3;
	console.log(
		`${width} wide, feed-forward ${inner}, ${threads} threads of ${cpus()[0]?.model.trim()}, ${new Date().toISOString().slice(0, 10)}`,
	);
	console.log(
		`normal equations: ${seconds.accumulate.toFixed(1)} s for ${tokens} tokens (${((flops * tokens) / seconds.accumulate / 1e9).toFixed(0)} GFLOP/s)`,
	);
	console.log(`  25,600 tokens: ${(25_600 * perToken).toFixed(0)} s`);
	console.log(`solution, each ridge: ${seconds.solve.toFixed(1)} s (${(solveFlops / seconds.solve / 1e9).toFixed(0)} GFLOP/s)`);
	console.log(
		`solution as a map, each ridge: ${seconds.solveMap.toFixed(1)} s (${(mapFlops / seconds.solveMap / 1e9).toFixed(0)} GFLOP/s)`,
	);
	console.log(
		`memory: ${(equationBytes(inner, width) / 2 ** 30).toFixed(2)} GiB; peak of this process ${(process.resourceUsage().maxRSS / 2 ** 20).toFixed(2)} GiB`,
	);
} finally {
	await model.dispose();
}
