// A process with one addon (PRUNE_GGUF_ADDON), which compare.mjs asks for one measurement after another.
//   argument: JSON { model, text?, tokens?, count, length, threads, work?, output? }
// With `work` and `output` it measures once, and writes the result to that file.
import { readFileSync, writeFileSync } from "node:fs";
import { Coalition, makeWindows, Model } from "../../dist/index.js";

const job = JSON.parse(process.argv[2]);
const model = await Model.load(job.model, { threads: job.threads });
const { blocks } = model.facts;
const windows = makeWindows(tokensOf(job).slice(0, job.count * job.length), job.length);
const evaluator = model.createEvaluator({ threads: job.threads });
const full = Coalition.full(blocks);
const works = {
	original: [full],
	batch: [full, ...Array.from({ length: blocks }, (_, i) => Coalition.ofRemoved(blocks, [i]))],
};

function tokensOf({ tokens, text, count, length }) {
	if (tokens === undefined) return model.tokenize(readFileSync(text, "utf8").slice(0, 12 * count * length));
	const bytes = readFileSync(tokens);
	return new Int32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

/** Seconds, and the mean loss of every candidate. */
async function measure(name) {
	const started = performance.now();
	const evaluations = await evaluator.evaluate(works[name], windows);
	const seconds = (performance.now() - started) / 1000;
	return { seconds, losses: evaluations.map(({ losses }) => losses.reduce((sum, loss) => sum + loss, 0) / losses.length) };
}

async function serve(name) {
	if (name !== "end") return process.send(await measure(name));
	await model.dispose();
	process.disconnect();
}

if (job.output === undefined) {
	process.on("message", serve);
	process.send("ready");
} else {
	writeFileSync(job.output, JSON.stringify(await measure(job.work)));
	await model.dispose();
}
