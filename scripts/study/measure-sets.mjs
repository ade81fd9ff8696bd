// What measures the sets of a small model's game into a file that the study reads: one JSON line each, gzipped.
import { readFileSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { load } from "./lib.mjs";

const { makeWindows, Model } = await load("index.js");

/**
 * @param setsOf gives the coalitions to measure, by the number of blocks; the original model among them
 * @param path the model, @param windowsPath 32-bit token ids, files with commas between them, @param out the file to write
 * @param length tokens in a window, @param byWindow whether the loss of each window is kept beside the mean
 */
export async function measureSets(setsOf, { path, windowsPath, out, length, byWindow = false }) {
	const bytes = Buffer.concat(windowsPath.split(",").map((file) => readFileSync(file)));
	const windows = makeWindows(new Int32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length)), Number(length));
	const threads = Number(process.env.STUDY_THREADS ?? 2);
	const model = await Model.load(path, { threads, gpuLayers: 0 });
	const sets = setsOf(model.facts.blocks);
	const started = Date.now();
	const measured = await model.createEvaluator({ threads }).evaluate(sets, windows);
	const mean = (losses) => losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
	const round = (loss) => (Number.isFinite(loss) ? Number(loss.toFixed(6)) : 1e9);
	// Means only are small enough to keep as test data.
	const lines = sets.map((set, i) => {
		const { losses } = measured[i];
		return JSON.stringify({ mask: set.key, nll: round(mean(losses)), ...(byWindow ? { seq: Array.from(losses, round) } : {}) });
	});
	writeFileSync(out, gzipSync(`${lines.join("\n")}\n`, { level: 9 }));
	const original = measured[sets.findIndex(({ size, players }) => size === players)];
	const seconds = ((Date.now() - started) / 1000).toFixed(0);
	process.stderr.write(`${sets.length} sets in ${seconds} s, original model ${mean(original.losses).toFixed(4)}\n`);
	await model.dispose();
}
