import * as v from "valibot";
import { type Report, reportSchema } from "../../src/report/report-data.js";

// A made-up report that has every section: none of its figures was measured.

const blocks = 30;
const removed = [4, 5, 14, 16, 17, 18];

/** Text that breaks HTML, SVG, Markdown or a style sheet if it is inserted unchanged. */
export const hostile = `</title></style><script>alert(1)</script><img src=x onerror=alert(2)>"'\`|*_[x](javascript:alert(3))<!-- ]]> &amp; \u202Egnp.exe`;

/** A number between 0 and 1 that looks random and is always the same. */
const noise = (i: number) => Math.abs(Math.sin(i * 12.9898) * 43758.5453) % 1;

/** @param name name of the model, its files, texts and sources */
export function madeUpReport(name = "made-up-135M.Q4_1.gguf"): Report {
	return v.parse(reportSchema, {
		format: "prune-gguf-report",
		version: 2,
		created: "2026-01-02T03:04:05.000Z",
		verdict: {
			headline: "Removed 6 of 30 blocks (4-5, 14, 16-18): 15.8 % fewer parameters, perplexity 23.34 -> 52.20 (x 2.24 ± 0.11).",
			trade: "damaged",
			reason: "Not a sensible trade: perplexity rises by 124 %, and from double the model counts as damaged. Remove fewer blocks.",
		},
		model: { name, sha256: "0123456789abcdef".repeat(4), architecture: "llama", blocks, parameters: 134_500_000, bytes: 98_400_000 },
		output: { name: `${name}.out`, parameters: 113_300_000, bytes: 85_100_000, verification: `loaded, bit for bit (${name})` },
		removal: { removed, kept: 24, method: "auto" },
		blocks: { estimator: "window-semivalue", unit: "value", list: Array.from({ length: blocks }, (_, block) => blockOf(block, name)) },
		quality: qualityOf(name),
		curve: curveOf(name),
		interactions: pairs(),
		surrogate: {
			...{ name: "mixed-gp", trainCandidates: 512, heldOutCandidates: 120, r2: 0.93, spearman: 0.97, trusted: true },
			details: { r2WithinStrata: 0.81, spearmanWithinStrata: 0.9, stratumMeanR2: 0.6, coverage90: 0.91, spearmanOfDecisions: null },
			forecasts: Array.from({ length: 40 }, (_, i) => {
				const forecast = 0.2 + i * 0.04;
				return { removed: 1 + (i % 10), forecast, low: forecast - 0.1, high: forecast + 0.15, measured: forecast + 0.2 * (noise(i) - 0.5) };
			}),
		},
		disagreements: [{ source: name, chosen: removed, better: [4, 5, 6, 16, 17, 18], by: 0.12, standardError: 0.02, worseOverall: 0.05 }],
		warnings: [`a warning about ${name}`],
		notes: ["the search scores 320 of 1270 positions"],
		speed: {
			conditions: "CPU, 2 threads, 512 prompt tokens, 64 generated tokens, 5 interleaved repetitions.",
			context: 4096,
			figures: [
				speed("prompt", 210, 262, 1.25),
				speed("generation", 41.2, 50.1, 1.22),
				{ name: "memory", unit: "bytes", before: { value: 180e6 }, after: { value: 155e6 }, ratio: 155 / 180 },
				{ name: "kvCache", unit: "bytes", before: { value: 94e6 }, after: { value: 75e6 }, ratio: 75 / 94 },
			],
		},
		context: {
			...{ context: 8192, times: { measuredAt: 4088, attention: 0.0006, feedForward: 0.0004 } },
			...{ milliseconds: { before: 30.2, after: 24.8 }, kvCache: { before: 188e6, after: 150e6 } },
			seen: { windows: 5, windowLength: 512, scoreFrom: 256 },
		},
		samples: [
			{
				...{ prompt: "Once upon a time", before: "there was a whale.\nIt swam.", after: "there was a a a", mode: "greedy" },
				marks: { before: [], after: ["loop"] },
			},
			{ prompt: name, before: name, after: "" },
		],
		textCheck: {
			...{ conditions: `At most 64 tokens after each prompt of ${name}.`, texts: 2, distinct: { before: 0.97, after: 0.4 } },
			kinds: [
				{ kind: "loop", before: 0, after: 2, worse: true },
				{ kind: "script", before: 0, after: 0, worse: false },
			],
		},
		collapse: [{ kind: "loop", prompt: name, before: "fine", after: "a a a a a a", message: `the continuation repeats "a" (${name})` }],
		alternatives: alternatives(name),
		limits: [
			{ name: "max-ppl-ratio", limit: 1.5, value: 2.24, standardError: 0.05, met: false },
			{ name: "max-kl", limit: 1, value: 0.8, met: true },
			{ name: `min-accuracy ${name}`, limit: 0.5, value: null, met: false },
		],
		reproduce: {
			...{ command: `prune-gguf '${name}' out.gguf --remove-blocks 6 --method auto`, seed: 0, backend: "CPU" },
			options: { removeBlocks: 6, search: { method: "auto", strata: [28, 25] } },
			granularity: { used: "block", reason: `the architecture ${name} has no half-block cuts` },
			calibration: ["search", "validation", "heldOut"].map((split) => ({
				split,
				source: name,
				sha256: "ab".repeat(32),
				windows: 10,
				length: 128,
			})),
			versions: { "prune-gguf": "0.1.0", "llama.cpp": "v0.5.0 (de3ff81)", "Node.js": "20.20.2" },
			machine: { backend: "CPU", threads: 2, flashAttention: false },
			system: { platform: "linux x64", processor: name, cores: 2 },
		},
		timings: [
			{ phase: "search", seconds: 237 },
			{ phase: "write", seconds: 7.2 },
		],
		seconds: 299,
	});
}

/** The same with the time per token of every candidate. @param change of the blocks that a candidate removes. @default none */
export function timedReport(change = (removed: readonly number[]) => [...removed]): Report {
	const report = madeUpReport();
	const timed = (removed: readonly number[]) => ({ removed: change(removed), milliseconds: 30 - 0.9 * removed.length });
	const series = report.curve!.series.map((one) => ({
		...one,
		points: one.points.map((point) => ({ ...point, ...timed(point.removed) })),
	}));
	return { ...report, curve: { ...report.curve!, context: 8192, series } };
}

/** The same blocks, of the first the attention part alone. */
export const withAttention = (removed: readonly number[]) => removed.map((block, i) => (i === 0 ? block + 0.25 : block));

function blockOf(block: number, name: string) {
	if (block === 0) return { block, state: "critical", reason: `removing it alone adds 3.2 nats (${name})`, importance: 0.9 };
	if (block === blocks - 1) return { block, state: "frozen", reason: "a rule of the architecture" };
	const importance = 0.02 + 0.2 * noise(block) * (removed.includes(block) ? 0.2 : 1);
	return {
		...{ block, state: removed.includes(block) ? "removed" : "kept", importance },
		interval: { low: importance - 0.03, high: importance + 0.03 },
	};
}

function qualityOf(name: string) {
	const losses = { before: 3.15, after: 3.955, difference: 0.805, standardError: 0.05 };
	return {
		...{ text: name, tokens: 1905 },
		figures: [
			{
				...{ name: "loss", unit: "nats per token", before: 3.15, after: 3.955, change: 0.805, isRatio: false },
				...{ standardError: 0.05, interval: { low: 0.7, high: 0.91 } },
			},
			{
				...{ name: "perplexity", unit: "perplexity", before: 23.34, after: 52.2, change: 2.24, isRatio: true },
				...{ standardError: 0.11, interval: { low: 2.01, high: 2.48 } },
			},
			{ name: "kl", unit: "nats per token", before: 0, after: 0.8, change: 0.8, isRatio: false, standardError: 0.04 },
			{ name: "agreement", unit: "share", before: 1, after: 0.58, change: -0.42, isRatio: false, standardError: 0.012 },
			{ name: "blocks", unit: "count", before: 30, after: 24, change: -6, isRatio: false },
			{ name: "parameters", unit: "count", before: 134_500_000, after: 113_300_000, change: 113.3 / 134.5, isRatio: true },
			{ name: "bytes", unit: "bytes", before: 98_400_000, after: 85_100_000, change: 85.1 / 98.4, isRatio: true },
		],
		splits: ["search", "validation", "heldOut"].map((split) => ({ split, ...losses })),
		sources: [
			{ name, weight: 2, ...losses },
			{ name: "code.txt", weight: 1, ...losses, standardError: null },
		],
	};
}

function curveOf(name: string) {
	const start = { removed: [], loss: 3.15, added: 0, bytes: 98_400_000 };
	const set = (count: number) => Array.from({ length: count }, (_, i) => (count === 6 ? removed[i]! : 4 + 2 * i));
	const point = (count: number, factor: number) => {
		const added = factor * count ** 1.4;
		const interval = { low: added - 0.05 * count, high: added + 0.05 * count };
		return { removed: set(count), loss: 3.15 + added, added, standardError: 0.02 * count, interval, bytes: 98_400_000 - count * 2_220_000 };
	};
	const sizes = Array.from({ length: 10 }, (_, i) => i + 1);
	return {
		metric: "loss",
		series: [
			{ method: "auto", split: "search", points: [start, ...sizes.map((count) => ({ ...point(count, 0.055), interval: undefined }))] },
			{
				method: "auto",
				split: "validation",
				points: [start, ...sizes.map((count) => ({ ...point(count, 0.06), ...(count === 6 ? { chosen: true } : {}) }))],
			},
			{ method: "leave-one-out", split: "validation", points: [start, ...sizes.map((count) => point(count, 0.08))] },
			{
				method: `best on ${name}`,
				split: "validation",
				points: [start, { ...point(6, 0.09) }, { removed: set(9), loss: null, added: null }],
			},
		],
	};
}

function pairs() {
	const movable = Array.from({ length: blocks - 2 }, (_, i) => i + 1);
	return movable.flatMap((a) =>
		movable
			.filter((b) => b > a)
			.map((b) => ({ blocks: [a, b], value: 0.4 * (noise(31 * a + b) - 0.35) * Math.exp(-(b - a) / 6), standardError: 0.02 })),
	);
}

const speed = (name: string, before: number, after: number, ratio: number) => ({
	...{ name, unit: "tokens per second", ratio, interval: { low: ratio - 0.04, high: ratio + 0.04 } },
	before: { value: before, low: before * 0.97, high: before * 1.02 },
	after: { value: after, low: after * 0.98, high: after * 1.03 },
});

function alternatives(name: string) {
	return {
		verdict: "Q3_K_L of the same size adds 0.31 nats per token: quantizing is the better way to this size; pruning is faster by a fifth.",
		...{ sourceQuantized: true, quantizedFrom: name },
		versions: [
			{ name, kind: "source", bytes: 98_400_000, added: 0 },
			{ name: "6 blocks removed", kind: "pruned", removed, bytes: 85_100_000, added: 0.805, standardError: 0.05, generationSpeed: 50 },
			{ name: "Q3_K_L", kind: "quantized", bytes: 84_200_000, added: 0.31, standardError: 0.03, generationSpeed: 42 },
			{ name: "Q2_K", kind: "quantized", bytes: 71_000_000, added: null },
			{ name: "3 blocks, Q4_0", kind: "pruned and quantized", bytes: 88_000_000, added: 0.5, standardError: 0.04, divergence: 0.45 },
		],
	};
}
