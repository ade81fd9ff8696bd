// Times addons beside each other in one run: npm run build && node scripts/prebuild/compare.mjs [NAME|FILE.node ...]
//   [--native FILE.node] [--rounds 15] [--threads N] [--models fixture,smollm2] [--output FILE] [--record]
//   node scripts/prebuild/compare.mjs --openmp WITH.node WITHOUT.node   (two native builds: see openmp.mjs; other options as above)
//
// NAME: a folder of prebuilds/; without one, all of this platform that load. --native: what the ratios are to, build/cpu/Release by default.
// Each addon has a process of its own. They measure in turn, in another order each round, so a slow minute of the machine meets all of them.
// A ratio is the median over the rounds of (seconds of the native build) / (seconds of this one): above 1 is faster than native. With --openmp
// it is to the build with OpenMP.
import { createRequire } from "node:module";
import { existsSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { System } from "../../dist/model/runtime/binary/system.js";
import { defaultThreads } from "../../dist/model/runtime/threads.js";
import { startMeasuring } from "./measuring.mjs";
import { openmpAddons } from "./openmp.mjs";
import { hashOf, recordResult } from "./results.mjs";
import { targetsOf } from "./targets.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const { values: options, positionals } = parseArgs({
	allowPositionals: true,
	options: {
		native: { type: "string", default: join(root, "build", "cpu", "Release", "prune_gguf.node") },
		rounds: { type: "string", default: "15" },
		threads: { type: "string", default: String(defaultThreads()) },
		models: { type: "string", default: "fixture,smollm2" },
		output: { type: "string" },
		openmp: { type: "boolean", default: false },
		record: { type: "boolean", default: false },
	},
});
if (options.openmp && options.record) throw new Error("--record is for prebuilt binaries: --openmp compares two native builds");
const shared = join(root, "..", "shared");
const models = {
	fixture: {
		model: join(root, "fixture", "fixture-12l.gguf"),
		tokens: join(root, "fixture", "fixture-12l.windows-10x128.i32"),
		works: { original: "12-block model", batch: "12-block model, single removals" },
	},
	smollm2: {
		model: join(shared, "models", "SmolLM2-135M-Instruct.Q4_1.gguf"),
		text: join(shared, "text", "moby-dick.txt"),
		works: { original: "SmolLM2" },
	},
};

const median = (list) => {
	const sorted = [...list].sort((a, b) => a - b);
	return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
};

/** Addons by name; first the one that the ratios are to, by default the native one. */
function addons() {
	if (options.openmp) return openmpAddons(positionals);
	const prebuilt = (name) => join(root, "prebuilds", name, "prune_gguf.node");
	const all = targetsOf(process.platform, process.arch).filter((target) => existsSync(prebuilt(target.name)) && runsHere(target));
	const named = positionals.length > 0 ? positionals : all.map((target) => target.name);
	const files = named.map((name) => [name, name.endsWith(".node") ? resolve(name) : prebuilt(name)]);
	return new Map([["native", resolve(options.native)], ...files]);
}

/** Whether this CPU has what a target needs, or does not say (Windows). */
function runsHere({ needs, name }) {
	const { flags } = new System().cpu;
	const missing = flags ? needs.filter((flag) => !flags.has(flag)) : [];
	if (missing.length > 0) process.stderr.write(`${name} is not compared: this CPU lacks ${missing.join(", ")}\n`);
	return missing.length === 0;
}

/** Medians, ratios and the largest difference of a mean loss, of one work on one model. */
async function compare(children, work, rounds) {
	const names = [...children.keys()];
	const seconds = new Map(names.map((name) => [name, []]));
	const losses = new Map();
	for (const name of names) losses.set(name, (await children.get(name).ask(work)).losses);
	for (let round = 0; round < rounds; round++) {
		const order = names.map((_, i) => names[(i + round) % names.length]);
		for (const name of round % 2 ? order.reverse() : order) seconds.get(name).push((await children.get(name).ask(work)).seconds);
	}
	const [first] = names;
	return names.map((name) => ({
		name,
		seconds: Number(median(seconds.get(name)).toFixed(5)),
		ratio: Number(median(seconds.get(name).map((value, i) => seconds.get(first)[i] / value)).toFixed(3)),
		lossDifference: Math.max(...losses.get(name).map((loss, i) => Math.abs(loss - losses.get(first)[i]))),
	}));
}

/** Writes the ratios of prebuilt binaries to results.json. */
function recordSpeeds() {
	const { run, cpu, threads, rounds, beside } = report;
	for (const { name } of targetsOf(process.platform, process.arch)) {
		const found = report.results.flatMap(({ title, rows }) => {
			const row = rows.find((one) => one.name === name);
			return row ? [[title, { ratio: row.ratio, seconds: row.seconds, lossDifference: row.lossDifference }]] : [];
		});
		const sha256 = hashes.get(name);
		if (found.length > 0) recordResult(name, "speed", { sha256, works: Object.fromEntries(found), beside, cpu, threads, rounds, run });
	}
}

/** What built an addon, as its info() says. */
function builtBy(addon) {
	const { compiler, level } = createRequire(import.meta.url)(addon).info().build ?? {};
	return `${compiler}, ${level}`;
}

const compared = addons();
const beside = builtBy(compared.values().next().value);
const hashes = new Map([...compared].map(([name, file]) => [name, hashOf(file)]));
const report = {
	/** When it began: rows of one table must have the same. */
	run: new Date().toISOString().replace(/\.\d+Z$/, "Z"),
	cpu: cpus()[0]?.model,
	threads: Number(options.threads),
	rounds: Number(options.rounds),
	beside,
	results: [],
};
for (const name of options.models.split(",")) {
	const { works, ...files } = models[name];
	const job = { ...files, count: 10, length: 128, threads: report.threads };
	const children = new Map([...compared].map(([label, addon]) => [label, startMeasuring(addon, job)]));
	for (const child of children.values()) await child.next();
	for (const [work, title] of Object.entries(works)) {
		const rows = await compare(children, work, Number(options.rounds));
		report.results.push({ title, rows });
		process.stdout.write(`${title} (10 windows of 128 tokens, ${options.rounds} rounds, ${options.threads} threads)\n`);
		for (const row of rows)
			process.stdout.write(
				`  ${row.name.padEnd(24)} ${row.seconds.toFixed(4)} s  ${row.ratio.toFixed(3)}  loss ${row.lossDifference.toExponential(1)}\n`,
			);
	}
	for (const child of children.values()) child.end();
}
if (options.record) recordSpeeds();
if (options.output) writeFileSync(options.output, `${JSON.stringify(report, undefined, "\t")}\n`);
