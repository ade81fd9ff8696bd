// Time and memory of healing one cut of a large model, with made-up numbers: node bench/healing.mjs [width] [ffn] [tokens] [threads].
// It times what healing adds to running the model: the normal equations and their solution. Needs a built addon; the model only gives
// access to it.
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { Model } from "../dist/index.js";
import { equationBytes, equationFlops, solutionBytes, solutionFlops } from "../dist/model/runtime/states.js";

const [width = 4096, inner = 14_336, tokens = 2048, threads = 2] = process.argv.slice(2).map(Number);
const model = await Model.load(fileURLToPath(new URL("../fixture/fixture-12l.gguf", import.meta.url)), { threads });

/** A fit to the inputs of the matrix, or, for a map, to its outputs. */
async function time(onOutputs) {
	const features = onOutputs ? width : inner;
	const size = { inputs: inner, outputs: width, rows: tokens, threads, onOutputs };
	const { accumulate, solve } = await model.runWithAddon(undefined, (addon, cancel) => addon.timeLeastSquares(size, cancel));
	const perToken = equationFlops(features, width);
	const solution = solutionFlops(features, width, onOutputs ? inner : 0);
	const gib = (equationBytes(features, width) + solutionBytes(features, width)) / 2 ** 30;
	console.log(
		`${onOutputs ? "map" : "refit"}: equations of 25,600 tokens ${((25_600 / tokens) * accumulate).toFixed(1)} s (${((perToken * tokens) / accumulate / 1e9).toFixed(0)} GFLOP/s)`,
	);
	console.log(
		`  solution, each ridge: ${solve.toFixed(1)} s (${(solution / solve / 1e9).toFixed(0)} GFLOP/s); memory ${gib.toFixed(2)} GiB`,
	);
	console.log(`  peak of this process so far ${(process.resourceUsage().maxRSS / 2 ** 20).toFixed(2)} GiB`);
}

try {
	console.log(
		`${width} wide, feed-forward ${inner}, ${threads} threads of ${cpus()[0]?.model.trim()}, ${tokens} tokens measured, ${new Date().toISOString().slice(0, 10)}`,
	);
	await time(true);
	await time(false);
} finally {
	await model.dispose();
}
