// Loads a binary and computes a little with it, in a process of its own that this may end (see probe.ts). It is JavaScript, so that it runs
// from the sources as well as from the compiled package.
import { writeSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

// At once: the process may end with the next call.
const say = (/** @type {string} */ line) => writeSync(1, `${line}\n`);
process.on("SIGINT", () => {});
const input = createInterface({ input: process.stdin });
// The parent has ended, or has heard enough. Threads may compute, so nothing is cleaned up.
input.on("close", () => process.kill(process.pid, "SIGKILL"));
input.once("line", (line) => {
	attempt(JSON.parse(line)).then(
		(info) => say(`passed ${JSON.stringify(info)}`),
		(error) => say(`failed ${JSON.stringify(error instanceof Error ? error.message : String(error))}`),
	);
});

/** Types of ggml, by their numbers: F16, Q4_0, Q8_0, Q4_K, Q6_K; and how much of the largest value their rounding may change. */
const types = [
	[1, 0.001],
	[2, 0.2],
	[8, 0.02],
	[12, 0.2],
	[14, 0.05],
];
const LENGTH = 512;

/** @param {{ addon: string }} request */
async function attempt({ addon: path }) {
	say("begun");
	const addon = createRequire(import.meta.url)(path);
	for (const name of ["info", "giveUpContexts", "quantizeValues", "dequantizeBytes", "timeLeastSquares"])
		if (typeof addon[name] !== "function") throw new Error("it was built from the sources of another version");
	say("stage asking what it can do");
	const info = addon.info();
	say("stage computing with it");
	const values = Float32Array.from({ length: LENGTH }, (_, i) => Math.sin(i * i));
	for (const [type, tolerance] of types) {
		const bytes = await addon.quantizeValues(values, type, LENGTH, new addon.CancelToken());
		const back = await addon.dequantizeBytes(bytes, type, LENGTH, new addon.CancelToken());
		if (!values.every((value, i) => Math.abs(value - back[i]) <= tolerance)) throw new Error("it computes wrong numbers");
	}
	// Products and a solution: code for the instructions of its level.
	const size = { inputs: 48, outputs: 32, rows: 128, threads: 2, onOutputs: true };
	await addon.timeLeastSquares(size, new addon.CancelToken());
	return info;
}
