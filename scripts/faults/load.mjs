// Whether many small jobs in one process leave anything behind, and whether JavaScript gets its turn while a model computes.
//   node scripts/faults/load.mjs [--jobs 1000] [--at-once 8] [--evaluations 150] [--most-growth BYTES] [--most-delay MS]
// Every tenth job prunes and writes a model, the others evaluate or rank. Ends with one line of figures; the exit code is 1 if they are not as they must be.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { randomOf } from "../fuzz/random.mjs";
import { filesBelow, leftIn, modelPath } from "./job.mjs";
import { cleanOnSignals, temporaryFolder } from "./leftovers.mjs";
import { held } from "./memory.mjs";

const api = await import(new URL("../../dist/index.js", import.meta.url).href);
const POINTS = 10;
/** Jobs from which memory and delay count if no limit is given: in fewer, code is still being compiled. */
const MANY = 500;
/** Bytes that memory may grow by from the second tenth of the jobs to the end. */
const MOST_GROWTH = 16e6;
/** Milliseconds that JavaScript may wait for its turn during a sweep, at the 99th percentile. */
const MOST_DELAY = 50;
/** Jobs that are run again, alone and without a cache. */
const REPEATED = 5;
const WORDS = "the captain looked at sea and it was quiet a ship far away sailed slowly over water to land she saw night day wind".split(
	" ",
);

/** A text of its own for each job: what is measured on it cannot come from a cache. */
function textOf(number, words) {
	const random = randomOf(17, number);
	return `${Array.from({ length: words }, () => random.pick(WORDS)).join(" ")}.\n`;
}

/** Runs one job. @returns {Promise<{ kind: string, figures: unknown }>} what it measured, to compare */
async function runJob(number, folder) {
	const text = join(folder, `${number}.txt`);
	const machine = { threads: 1, gpuLayers: 0 };
	const short = { ...machine, windowLength: 32 };
	const onText = { ...short, calibration: [text], windows: 2 };
	writeFileSync(text, textOf(number, number % 10 === 0 || number % 2 === 1 ? 400 : 60));
	try {
		if (number % 10 === 0) {
			const output = join(folder, `${number}.gguf`);
			const settings = { speed: false, samples: 0, report: false, plan: join(folder, `${number}.json`) };
			const search = { method: "leave-one-out", workingWeights: "own" };
			const { plan } = await api.pruneGguf(modelPath, output, { ...onText, ...settings, search, removeBlocks: 2 });
			rmSync(output);
			rmSync(settings.plan);
			return { kind: "prune", figures: [plan.removed, plan.losses] };
		}
		if (number % 2 === 1) {
			const { loss, importance } = await api.rankBlocks(modelPath, { ...onText, search: { method: "leave-one-out" } });
			return { kind: "rank", figures: [loss, importance] };
		}
		const { seconds, ...figures } = await api.evaluateModel(modelPath, { ...short, text });
		return { kind: "evaluate", figures };
	} finally {
		rmSync(text);
	}
}

/** What the process holds open: handles of libuv by kind, and on Linux files and threads. */
function openNow() {
	const open = {};
	for (const kind of process.getActiveResourcesInfo()) open[kind] = (open[kind] ?? 0) + 1;
	for (const [name, folder] of [
		["files", "/proc/self/fd"],
		["threads", "/proc/self/task"],
	])
		if (existsSync(folder)) open[name] = readdirSync(folder).length;
	return open;
}

/** @returns {string[]} what is held open beyond what was before */
const moreOpen = (before, after) =>
	Object.keys(after)
		.filter((kind) => after[kind] > (before[kind] ?? 0))
		.map((kind) => `${after[kind]} ${kind} open, ${before[kind] ?? 0} before`);

/** @returns {string[]} what exceeds its limit @param {{ growth: number, delay: number }} found @param {{ growth: number, delay: number }} limits */
export function faultsOfFigures({ growth, delay }, limits) {
	const faults = growth > limits.growth ? [`memory grew by ${Math.round(growth / 1e5) / 10} MB`] : [];
	return delay >= limits.delay ? [...faults, `JavaScript waits ${delay} ms during a sweep`] : faults;
}

/** How long JavaScript waits for its turn while some work goes on. */
async function delayDuring(work) {
	const histogram = monitorEventLoopDelay({ resolution: 1 });
	histogram.enable();
	const result = await work();
	histogram.disable();
	const milliseconds = (value) => Math.round(value / 1e5) / 10;
	return { result, p99: milliseconds(histogram.percentile(99)), longest: milliseconds(histogram.max) };
}

/** With folders of its own for the cache and for temporary files, which are deleted at the end. */
async function withFolders(work) {
	const { path: root, remove } = temporaryFolder("load");
	const before = { TMPDIR: process.env.TMPDIR, PRUNE_GGUF_HOME: process.env.PRUNE_GGUF_HOME };
	const place = { folder: join(root, "jobs"), temporary: join(root, "tmp"), home: (name) => join(root, `home-${name}`) };
	for (const folder of [place.folder, place.temporary]) mkdirSync(folder);
	try {
		process.env.TMPDIR = place.temporary;
		process.env.PRUNE_GGUF_HOME = place.home("jobs");
		return await work(place);
	} finally {
		for (const [name, value] of Object.entries(before)) {
			if (value === undefined) delete process.env[name];
			else process.env[name] = value;
		}
		remove();
	}
}

/** Runs some of the jobs again, one after the other and with an empty cache. @returns {Promise<string[]>} those that give something else */
async function differing(found, place) {
	process.env.PRUNE_GGUF_HOME = place.home("again");
	const wrong = [];
	const step = Math.max(1, Math.floor(found.length / REPEATED));
	for (let number = 0; number < found.length; number += step) {
		const alone = await runJob(number, place.folder);
		if (JSON.stringify(alone) !== JSON.stringify(found[number])) wrong.push(`job ${number} (${alone.kind}) gives something else alone`);
	}
	return wrong;
}

/**
 * Runs jobs in this process, several at once.
 * @param {{ jobs: number, atOnce: number, onPoint?: (done: number, bytes: number) => void }} options
 * @returns {Promise<{ kinds: Record<string, number>, points: number[], growth: number, p99: number, longest: number, seconds: number,
 * faults: string[] }>} memory after each tenth of the jobs, in bytes, and how it grew since the second one
 */
export function manyJobs({ jobs, atOnce, onPoint = () => {} }) {
	return withFolders(async (place) => {
		const started = performance.now();
		const [found, points, faults] = [[], [], []];
		let next = 0;
		const workUntil = async (end) => {
			while (next < end) {
				const number = next++;
				found[number] = await runJob(number, place.folder);
			}
		};
		let open;
		const { p99, longest } = await delayDuring(async () => {
			for (let point = 1; point <= POINTS; point++) {
				const end = Math.round((point * jobs) / POINTS);
				await Promise.all(Array.from({ length: atOnce }, () => workUntil(end)));
				points.push(await held());
				onPoint(end, points.at(-1));
				// The first jobs start what stays: threads that compute, and those of libuv.
				if (point === Math.ceil(POINTS / 2)) open = openNow();
			}
		});
		faults.push(...moreOpen(open, openNow()));
		faults.push(
			...[...leftIn(place.home("jobs")).keys(), ...filesBelow(place.folder), ...readdirSync(place.temporary)].map((path) => `left ${path}`),
		);
		const seconds = (performance.now() - started) / 1000;
		faults.push(...(await differing(found, place)));
		const kinds = {};
		for (const { kind } of found) kinds[kind] = (kinds[kind] ?? 0) + 1;
		const growth = points.at(-1) - points[1];
		return { kinds, points, growth, p99, longest, seconds, faults };
	});
}

/** The delay of JavaScript in a search that measures many candidates and fits surrogates to them, in milliseconds. */
export function sweepDelay(evaluations) {
	return withFolders(async ({ folder }) => {
		const text = join(folder, "text.txt");
		writeFileSync(text, textOf(0, 4000));
		const options = {
			threads: 1,
			gpuLayers: 0,
			calibration: [text],
			windows: 6,
			windowLength: 128,
			speed: false,
			samples: 0,
			report: false,
		};
		const { p99, longest } = await delayDuring(() =>
			api.pruneGguf(modelPath, undefined, { ...options, removeBlocks: 3, search: { method: "auto", maxEvaluations: evaluations } }),
		);
		return { p99, longest };
	});
}

async function main() {
	const { values } = parseArgs({
		options: {
			jobs: { type: "string", default: "1000" },
			"at-once": { type: "string", default: "8" },
			evaluations: { type: "string", default: "150" },
			"most-growth": { type: "string" },
			"most-delay": { type: "string" },
		},
	});
	cleanOnSignals();
	const [jobs, atOnce, evaluations] = [values.jobs, values["at-once"], values.evaluations].map(Number);
	const megabytes = (bytes) => `${Math.round(bytes / 1e5) / 10}`;
	const onPoint = (done, bytes) => process.stderr.write(`${done} jobs: ${megabytes(bytes)} MB\n`);
	const sweep = await sweepDelay(evaluations);
	const { kinds, points, growth, p99, longest, seconds, faults } = await manyJobs({ jobs, atOnce, onPoint });
	const most = (name, usual) => Number(values[name] ?? (jobs >= MANY ? usual : Number.POSITIVE_INFINITY));
	const limits = { growth: most("most-growth", MOST_GROWTH), delay: most("most-delay", MOST_DELAY) };
	faults.push(...faultsOfFigures({ growth, delay: sweep.p99 }, limits));
	for (const fault of faults) process.stdout.write(`WRONG ${fault}\n`);
	const counts = Object.entries(kinds).map(([kind, count]) => `${count} ${kind}`);
	process.stdout.write(
		`load: ${jobs} jobs (${counts.join(", ")}), ${atOnce} at once, in ${Math.round(seconds)} s; memory ${points.map(megabytes).join(" ")} MB, ` +
			`${megabytes(growth)} MB since the second; delay p99 ${p99} ms, longest ${longest} ms; in a sweep p99 ${sweep.p99} ms, longest ` +
			`${sweep.longest} ms; ${faults.length} faults\n`,
	);
	process.exitCode = faults.length > 0 ? 1 : 0;
}

/**
 * With several threads glibc takes memory from several arenas, and what is free in one is not used by another: memory creeps up without a leak.
 * With one arena what grows is a leak.
 */
function withOneArena() {
	const { status } = spawnSync(process.execPath, process.argv.slice(1), {
		stdio: "inherit",
		env: { ...process.env, MALLOC_ARENA_MAX: "1" },
	});
	process.exitCode = status ?? 1;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
	if (process.platform === "linux" && process.env.MALLOC_ARENA_MAX === undefined) withOneArena();
	else await main();
}
