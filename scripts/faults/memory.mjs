// Whether memory stays flat over many candidates and over many loads of a model.
//   node scripts/faults/memory.mjs [--candidates 10000] [--loads 200]
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { pathToFileURL } from "node:url";
import { modelPath } from "./job.mjs";

const api = await import(new URL("../../dist/index.js", import.meta.url).href);
/** Bytes that memory may grow by from the first quarter to the end: an allocator does not give back every page. */
const MOST_GROWTH = 12e6;
const POINTS = 20;

setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc");

/** Bytes that the process holds, with garbage collected. */
export async function held() {
	for (let i = 0; i < 3; i++) {
		gc();
		await new Promise((resolve) => setTimeout(resolve, 5));
	}
	return process.memoryUsage().rss;
}

/** @returns {Promise<{ points: number[], growth: number }>} memory after each twentieth of the work, in bytes, and how it grew since the first quarter */
async function watch(count, work) {
	const points = [];
	let done = 0;
	for (let point = 1; point <= POINTS; point++) {
		for (; done < Math.round((point * count) / POINTS); done++) await work(done);
		points.push(await held());
	}
	return { points, growth: points.at(-1) - points[POINTS / 4 - 1] };
}

/** Evaluates candidates of all kinds, 20 at a time. */
export async function overCandidates(count) {
	const model = await api.Model.load(modelPath, { threads: 1 });
	const windows = api.makeWindows(
		Int32Array.from({ length: 32 }, (_, i) => (i * 37) % 1000),
		16,
	);
	const evaluator = model.createEvaluator();
	const batch = 20;
	const found = await watch(Math.ceil(count / batch), async (number) => {
		const masks = Array.from({ length: batch }, (_, i) => api.Coalition.parse(((number * batch + i) % 4095).toString(2).padStart(12, "0")));
		await evaluator.evaluate(masks, windows);
	});
	await model.dispose();
	return found;
}

/** Loads the model, evaluates one candidate, and disposes of it. */
export async function overLoads(count) {
	const windows = api.makeWindows(Int32Array.from({ length: 16 }), 16);
	return watch(count, async () => {
		const model = await api.Model.load(modelPath, { threads: 1 });
		await model.createEvaluator().evaluate([api.Coalition.full(12)], windows);
		await model.dispose();
	});
}

async function main() {
	const { values } = parseArgs({
		options: { candidates: { type: "string", default: "10000" }, loads: { type: "string", default: "200" } },
	});
	const megabytes = (bytes) => Math.round(bytes / 1e5) / 10;
	const results = { candidates: await overCandidates(Number(values.candidates)), loads: await overLoads(Number(values.loads)) };
	for (const [name, { points, growth }] of Object.entries(results)) {
		process.stdout.write(
			`${name} (${values[name]}): ${points.map(megabytes).join(" ")} MB; ${megabytes(growth)} MB since the first quarter\n`,
		);
		if (growth > MOST_GROWTH) process.exitCode = 1;
	}
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) await main();
