// npm run bench -- [--models NAMES] [--weights own|F16|...] [--shapes 10x128,8x256] [--designs NAMES|none] [--masks 500] [--no-quarter]
//                  [--quick] [--output FILE]
//
// Ratios of the evaluator to plain llama_decode: masks one by one, all blocks executed, and the two tools that a user has
// today. Each ratio's parts are measured in the same run. Prints and writes JSON. Results that other runs on the machine have written for
// other models, weights, windows and designs stay in the file, with their date and commit.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { selfGeneratedWindows } from "../dist/model/calibration/index.js";
import { Coalition, Model, makeWindows, quantizeFile } from "../dist/index.js";
import { blockExecutions } from "../dist/game/executions.js";
import { betterShape, timeUsualShape } from "../dist/model/runtime/shape.js";
import { everything, flips, greedyStep, paper, sampleOf, swaps } from "./designs.mjs";
import { commit, firstBlocks, llamaBench, measureApart, plainDecode, quantizeAndPerplexity, scratch } from "./tools.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const shared = join(root, "..", "shared");
const { values: options } = parseArgs({
	options: {
		models: { type: "string", default: "fixture,smollm2,gemma3" },
		weights: { type: "string", default: "own" },
		designs: { type: "string", default: "greedy,swaps,flips,paper,all" },
		"no-quarter": { type: "boolean", default: false },
		shapes: { type: "string", default: "10x128,8x256" },
		masks: { type: "string", default: "500" },
		quick: { type: "boolean", default: false },
		output: { type: "string", default: join(root, "bench", "results.json") },
	},
});
const known = {
	fixture: join(root, "fixture", "fixture-12l.gguf"),
	smollm2: join(shared, "models", "SmolLM2-135M-Instruct.Q4_1.gguf"),
	gemma3: join(root, ".cache", "gemma-3-270m.Q4_K_M.gguf"),
};
const text = join(shared, "text", "moby-dick.txt");
/** A model whose mask takes less time is small: building its graphs costs a share of its arithmetic, and all masks of a batch are measured alone. */
const isSmall = (seconds) => seconds < 0.3;

const median = (list) => {
	const sorted = [...list].sort((a, b) => a - b);
	const middle = sorted.length / 2;
	return (sorted[Math.floor(middle - 0.5)] + sorted[Math.floor(middle)]) / 2;
};
/** Null if it was not measured. */
const round = (value, digits = 3) => (Number.isFinite(value) ? Number(value.toFixed(digits)) : null);

async function timed(work) {
	const started = performance.now();
	const result = await work();
	return { result, seconds: (performance.now() - started) / 1000 };
}

/**
 * Cost of building a graph again, once per mask: plain decode of windows of two tokens, with llama.cpp's last graph reused and without.
 * It is in seconds per mask and per block. Work that every decode does (starting operators, waiting for threads) is not in it: plain
 * decode of the windows has that as well.
 */
function newGraphs(path, one, { blocks, originalSeconds }, windows, { ubatch, threads }) {
	const group = Math.max(1, Math.min(windows.count, Math.floor(ubatch / windows.length)));
	const short = makeWindows(windows.tokens.slice(0, 2 * windows.count), 2);
	const decodes = Math.ceil(windows.count / group);
	const shape = { ubatch: 2 * group, threads, repeats: isSmall(originalSeconds) ? 50 : 5, every: 1 };
	const anew = (file) => {
		const [again, built] = [false, true].map((rebuild) => median(plainDecode(file, short, { ...shape, rebuild })));
		return Math.max(0, built - again) / decodes;
	};
	const [many, few] = [anew(path), anew(one)];
	const perBlock = Math.max(0, (many - few) / (blocks - 1));
	return { perMask: few - perBlock, perBlock };
}

/** Plain decode of the original model and of its LM head, interleaved with the evaluator's mask of all blocks. */
async function throughput(model, path, windows, shape) {
	const { blocks } = model.facts;
	const evaluator = model.createEvaluator(shape);
	const full = [Coalition.full(blocks)];
	const one = await firstBlocks(path, blocks, 1);
	await evaluator.evaluate(full, windows);
	// With another mask in the same call: no context is made for it. It shares no prefix with the mask of all blocks.
	const pair = [...full, Coalition.ofRemoved(blocks, [0])];
	const rows = { plain: [], evaluator: [], pair: [], oneBlock: [], quarter: [], noLogits: [] };
	// Small models are fast, and their figures scatter.
	const [first] = plainDecode(path, windows, shape);
	const rounds = options.quick ? 1 : Math.max(5, Math.min(40, Math.round(5 / first)));
	for (let i = 0; i < rounds; i++) {
		rows.plain.push(...plainDecode(path, windows, shape));
		// As in plain-decode: a run without timing comes first. The system may have reclaimed idle memory meanwhile.
		await evaluator.evaluate(full, windows);
		rows.evaluator.push((await timed(() => evaluator.evaluate(full, windows))).seconds);
		rows.pair.push((await timed(() => evaluator.evaluate(pair, windows))).seconds);
		rows.oneBlock.push(...plainDecode(one, windows, shape));
		rows.quarter.push(...plainDecode(one, windows, { ...shape, every: 4 }));
		rows.noLogits.push(...plainDecode(path, windows, { ...shape, every: 0 }));
	}
	const full_ = median(rows.plain);
	const head = (blocks * median(rows.oneBlock) - full_) / (blocks - 1);
	const block = (full_ - head) / blocks;
	const graphs = newGraphs(path, one, { blocks, originalSeconds: full_ }, windows, shape);
	return {
		graphSeconds: round(graphs.perMask, 6),
		graphSecondsPerBlock: round(graphs.perBlock, 6),
		originalSeconds: full_,
		evaluatorSeconds: median(rows.evaluator),
		headSeconds: head,
		blockSeconds: block,
		headQuarterSeconds: head - (median(rows.oneBlock) - median(rows.quarter)),
		noLogitsSeconds: median(rows.noLogits),
		evaluatorOverPlain: round(full_ / median(rows.evaluator)),
		inBatchOverPlain: round((full_ - block) / (median(rows.pair) - median(rows.evaluator))),
		llamaBenchTokensPerSecond: round(llamaBench(path, shape.threads), 1),
		plainTokensPerSecond: round(windows.tokens.length / full_, 1),
	};
}

/**
 * Measures a batch between plain decodes, which show how fast the machine is meanwhile, against the figures of the parts. Short batches
 * are measured several times, since the speed of the machine varies: the median of seconds per unit of pace counts.
 */
async function paced(measure, { path, windows, shape, speed }) {
	const repeats = Math.max(1, Math.min(15, Math.round(1 / speed.originalSeconds)));
	const plain = () => median(plainDecode(path, windows, { ...shape, repeats })) / speed.originalSeconds;
	const runs = [];
	do {
		const before = plain();
		const measured = measure();
		runs.push({ ...measured, pace: (before + plain()) / 2 });
	} while (!options.quick && runs.length < roundsOf(runs[0].seconds, speed));
	const ratio = ({ seconds, pace }) => seconds / pace;
	return runs.sort((a, b) => ratio(a) - ratio(b))[Math.floor(runs.length / 2)];
}

/** The figures of a small model scatter from process to process. */
function roundsOf(seconds, { originalSeconds }) {
	if (seconds < 5) return 7;
	return isSmall(originalSeconds) ? 3 : 1;
}

async function design(name, masks, context) {
	const { path, windows, shape, speed, blocks } = context;
	const all = await paced(() => measureApart(path, windows, shape, masks), context);
	const quarter = options["no-quarter"]
		? { seconds: Number.NaN, pace: 1 }
		: await paced(() => measureApart(path, windows, shape, masks, { share: 0.25 }), context);
	const executions = blockExecutions(masks);
	const boundOf = (head, factor) => factor * (executions * speed.blockSeconds + masks.length * head);
	const bound = boundOf(speed.headSeconds, all.pace);
	const boundQuarter = boundOf(speed.headQuarterSeconds, quarter.pace);
	const graphs = all.pace * (masks.length * speed.graphSeconds + executions * speed.graphSecondsPerBlock);
	// (a) alone, on a sample, scaled by the kept blocks; all masks of a small model, except with a quarter of the positions
	const size = (list) => list.reduce((sum, mask) => sum + Math.max(1, mask.size), 0);
	const few = options.quick || speed.originalSeconds > 3 ? 4 : 8;
	const small = isSmall(speed.originalSeconds);
	const alone = (sample, share) =>
		(size(masks) / size(sample)) * measureApart(path, windows, shape, sample, { alone: true, share }).seconds;
	const paceNow = () => median(plainDecode(path, windows, shape)) / speed.originalSeconds;
	/** Seconds at the pace of the throughput measurement: the machine may be faster or slower by now. */
	const steady = (work) => {
		const before = paceNow();
		const seconds = work();
		return seconds / ((before + paceNow()) / 2);
	};
	const aloneAll = steady(() => alone(small ? masks : sampleOf(masks, few)));
	const aloneQuarter = options["no-quarter"]
		? Number.NaN
		: steady(() => alone(sampleOf(masks, small ? Math.min(masks.length, 500) : few), 0.25));
	const allBlocks = masks.length * speed.originalSeconds * all.pace;
	const allBlocksQuarter = masks.length * (speed.originalSeconds - speed.headSeconds + speed.headQuarterSeconds) * quarter.pace;
	// (c) a user's tools, on a smaller sample; llama-perplexity cannot score a quarter
	const cut = masks.filter((mask) => mask.removed().length > 0 && mask.removed().length < blocks);
	const user = sampleOf(cut, options.quick ? 1 : 3).map((mask) =>
		steady(() =>
			quantizeAndPerplexity(path, mask.removed(), text, { length: windows.length, windows: windows.count, threads: shape.threads }),
		),
	);
	const [steadySeconds, steadyQuarter] = [all.seconds / all.pace, quarter.seconds / quarter.pace];
	const tools = median(user) * masks.length;
	const row = {
		name,
		masks: masks.length,
		seconds: round(all.seconds, 2),
		quarterSeconds: round(quarter.seconds, 2),
		trieExecutions: executions,
		blockExecutions: all.blocksDone,
		blockExecutionsSaved: all.blocksShared,
		quarterBlockExecutions: quarter.blocksDone ?? null,
		boundSeconds: round(bound, 2),
		graphsSeconds: round(graphs, 2),
		pace: round(all.pace),
		overBound: round(all.seconds / bound, 2),
		overBoundWithGraphs: round(all.seconds / (bound + graphs), 2),
		quarterOverBound: round(quarter.seconds / boundQuarter, 2),
		quarterOverBoundWithGraphs: round(quarter.seconds / (boundQuarter + graphs), 2),
		quarterPace: round(quarter.pace),
		alone: round(aloneAll / steadySeconds, 2),
		allBlocks: round(allBlocks / all.seconds, 2),
		userTools: round(tools / steadySeconds, 2),
		aloneQuarter: round(aloneQuarter / steadyQuarter, 2),
		allBlocksQuarter: round(allBlocksQuarter / quarter.seconds, 2),
		userToolsQuarter: round(tools / steadyQuarter, 2),
		peakMegabytes: round(all.peakBytes / 2 ** 20, 0),
		quarterPeakMegabytes: round(quarter.peakBytes / 2 ** 20, 0),
	};
	process.stderr.write(`${JSON.stringify(row)}\n`);
	return row;
}

function batchesOf(n) {
	const masks = Number(options.masks);
	const neighbors = swaps(n, 2);
	const known = {
		greedy: ["greedy step", greedyStep(n)],
		swaps: ["swaps of 2 removed", options.quick ? sampleOf(neighbors, 24) : neighbors],
		flips: ["flips", flips(n)],
		paper: [`paper, ${masks} masks`, paper(n, masks)],
		all: ["all coalitions", n <= 12 ? everything(n) : []],
		none: ["none", []],
	};
	return options.designs
		.split(",")
		.map((name) => {
			if (!known[name]) throw new Error(`unknown design ${name}; known are ${Object.keys(known).join(", ")}`);
			return known[name];
		})
		.filter(([, masks]) => masks.length > 0);
}

async function benchModel(name, shapes) {
	const own = known[name] ?? name;
	if (!existsSync(own)) throw new Error(`${own} is not there${name === "gemma3" ? ": node scripts/fetch-gemma.mjs fetches it" : ""}`);
	const path = options.weights === "own" ? own : join(scratch, `${name}-${options.weights}.gguf`);
	if (path !== own) await quantizeFile(own, path, options.weights);
	const model = await Model.load(path);
	try {
		const { blocks, vocabulary } = model.facts;
		const entry = { model: basename(own), weights: options.weights, blocks, vocabulary, results: [] };
		report.models.push(entry);
		for (const { count, length } of shapes) {
			const windows = await selfGeneratedWindows(model, { count, length, seed: 0 });
			const full = Coalition.full(blocks);
			const start = await timeUsualShape(model, full, windows, { threads: model.threads });
			const shape = await betterShape(model, full, windows, { start });
			const speed = await throughput(model, path, windows, shape);
			const one = measureApart(path, windows, shape, [full]);
			process.stderr.write(`${name} ${count}x${length} ${JSON.stringify({ shape, speed })}\n`);
			const made = { date: report.date, ...report.versions };
			const result = {
				windows: `${count}x${length}`,
				...made,
				shape,
				speed,
				maskPeakMegabytes: round(one.peakBytes / 2 ** 20, 0),
				designs: [],
			};
			entry.results.push(result);
			save();
			for (const [label, batch] of batchesOf(blocks)) {
				result.designs.push({ ...(await design(label, batch, { blocks, path, windows, shape, speed })), ...made, speed });
				save();
			}
		}
	} finally {
		await model.dispose();
	}
}

/** Results of other runs on this machine stay with their date and commit, unless this run measured them again. */
function merged(before, now) {
	const same = ({ machine, quick }) => JSON.stringify([machine, quick]);
	if (!before || same(before) !== same(now)) return now;
	const models = before.models.slice();
	for (const model of now.models) {
		const known = models.find((other) => other.model === model.model && other.weights === model.weights);
		if (!known) models.push(model);
		for (const result of known ? model.results : []) {
			const same = known.results.find(({ windows }) => windows === result.windows);
			if (!same) known.results.push(result);
			else {
				const kept = same.designs.filter(({ name }) => !result.designs.some((row) => row.name === name));
				Object.assign(same, result, { designs: [...kept, ...result.designs] });
			}
		}
	}
	return { ...now, models };
}

const shapes = options.shapes.split(",").map((shape) => {
	const [count, length] = shape.split("x").map(Number);
	return { count, length };
});
const version = JSON.parse(readFileSync(join(root, "package.json"), "utf8")).version;
const pin = JSON.parse(readFileSync(join(root, "vendor", "llama.cpp.json"), "utf8"));
const report = {
	date: new Date().toISOString().slice(0, 10),
	machine: { processor: cpus()[0].model.trim(), logicalProcessors: cpus().length, memoryGigabytes: round(totalmem() / 2 ** 30, 1) },
	versions: { pruneGguf: version, commit: commit(), llamaCpp: pin.version, node: process.version },
	quick: options.quick,
	models: [],
};
/** Written after each batch, so that a later error loses nothing. */
function save() {
	mkdirSync(dirname(options.output), { recursive: true });
	writeFileSync(options.output, `${JSON.stringify(merged(before, structuredClone(report)), undefined, "\t")}\n`);
}

const before = existsSync(options.output) ? JSON.parse(readFileSync(options.output, "utf8")) : undefined;
try {
	for (const name of options.models.split(",")) await benchModel(name, shapes);
} finally {
	rmSync(scratch, { recursive: true, force: true });
}
process.stdout.write(`${JSON.stringify(report, undefined, 1)}\n`);
