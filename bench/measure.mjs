// One batch of masks in a separate process, so that its memory can be measured: node bench/measure.mjs JOB.json
//   JOB: { model, tokens (file of int32), length, shape, masks (lists of removed blocks), share? (of the positions), alone? }
// Prints one line of JSON: { seconds, peakBytes, blocksDone, blocksShared }. peakBytes: anonymous memory beyond the loaded model's.
import { readFileSync } from "node:fs";
import { drawPositions } from "../dist/model/calibration/index.js";
import { Coalition, Model, makeWindows } from "../dist/index.js";

const job = JSON.parse(readFileSync(process.argv[2], "utf8"));
const bytes = readFileSync(job.tokens);
const windows = makeWindows(new Int32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length)), job.length);
const model = await Model.load(job.model);
const masks = job.masks.map((removed) => Coalition.ofRemoved(model.facts.blocks, removed));
const positions = job.share === undefined ? undefined : drawPositions(windows, { share: job.share, seed: 1 });

const anonymous = () => 1024 * Number(/^RssAnon:\s+(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? 0);
const before = anonymous();
let peak = before;
const timer = setInterval(() => {
	peak = Math.max(peak, anonymous());
}, 20);
// As in plain-decode: the first work of a process wakes threads and reads pages of the file.
await model.createEvaluator(job.shape).evaluate(masks.slice(0, 1), windows, { positions });
const started = performance.now();
let stats = { blocksDone: 0, blocksShared: 0 };
if (job.alone) {
	// Like a caller that measures one mask after another: a call and a context for each.
	for (const mask of masks) await model.createEvaluator({ ...job.shape, sharePrefixes: false }).evaluate([mask], windows, { positions });
} else {
	await model.createEvaluator(job.shape).evaluate(masks, windows, {
		positions,
		onCandidate: (_, __, now) => {
			stats = now;
		},
	});
}
const seconds = (performance.now() - started) / 1000;
clearInterval(timer);
process.stdout.write(`${JSON.stringify({ seconds, peakBytes: Math.max(peak, anonymous()) - before, ...stats })}\n`);
await model.dispose();
