// Interrupts one of two jobs at random moments, starts it again, and compares what it gives with an undisturbed run.
//   node scripts/faults/interrupt.mjs --count 300 --seed 1 [--minutes 60] [--state FILE]
// The resumed run must give the same plan and the same bytes, with the caches whole, no lock and no half output. The exit code is 1 otherwise.
// With --state, the same command goes on where an earlier one was stopped. The last line has the figures.
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { randomOf } from "../fuzz/random.mjs";
import { cachedMeasurements, faultsOfEnd, faultsOfStop, isFinished, JOBS, leftIn, OUTPUT, resultOf, runJob } from "./job.mjs";
import { cleanOnSignals, temporaryFolder } from "./leftovers.mjs";
import { keptState } from "./state.mjs";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGKILL"];
/** Most interruptions of one run, before it is left to end. */
const MOST_TIMES = 3;

/** When to send a signal: after a share of the time that an undisturbed run takes, or as soon as a file is there. */
function momentOf(random) {
	const kind = random.below(5);
	if (kind === 0) return { name: "file is being written", file: /\.partial-/ };
	if (kind === 1) return { name: "file has its name", file: /^out\.gguf$/ };
	return { name: "time", share: random.next() };
}

/** Sends the signal at its moment. @returns {() => string | undefined} ends waiting, and gives what the run had printed by then; undefined if none was sent */
function sendAt(child, signal, moment, { folder, seconds, said }) {
	let sent;
	const send = () => {
		if (sent !== undefined || !child.kill(signal)) return;
		sent = said();
	};
	const timer = moment.file
		? setInterval(() => readdirSync(folder).some((name) => moment.file.test(name)) && send(), 1)
		: setTimeout(send, moment.share * seconds * 1000);
	return () => {
		clearTimeout(timer);
		return sent;
	};
}

const BEFORE = "before the first step";
/** The step that a run is in, by what it has printed. */
function stepOf(text) {
	const [, step, healing] = [...text.matchAll(/^\[\d+\/\d+\] ([A-Za-z ]+?)(?: {2}(healing)?|$)/gm)].at(-1) ?? [];
	return healing ?? step ?? BEFORE;
}

async function interruptOnce(folder, options, signal, { moment, seconds }) {
	let stderr = "";
	let stop = () => undefined;
	const run = await runJob(folder, {
		options,
		onOutput: (text) => (stderr = text),
		onStart: (child) => {
			stop = sendAt(child, signal, moment, { folder, seconds, said: () => stderr });
		},
	});
	return { ...run, printed: stop() };
}

/** Whether the last step of a run had begun, by what it has printed: a run that finds its model written has no step of writing it. */
function inLastStep(text, written) {
	const [, number, steps] = [...text.matchAll(/^\[(\d+)\/(\d+)\] /gm)].at(-1) ?? [];
	return Number(number) >= Number(steps) - (written ? 1 : 0);
}

/**
 * @param {{ code: number | null, signal: string | null, stderr: string, printed?: string }} run `printed`: until the signal; undefined if
 * the run had ended before
 * @param {{ signal: string, folder: string, left: ReadonlyMap<string, string>, written?: boolean }} sent `written`: whether an earlier run had
 * written the model
 * @returns {string[]} what an interrupted run did that it must not
 */
export function faultsOfInterrupted({ code, signal: endedBy, stderr, printed }, { signal, folder, left, written = false }) {
	if (/fault of prune-gguf/.test(stderr)) return ["a fault of prune-gguf"];
	if (printed === undefined)
		return code === 0 ? faultsOfStop(folder, left) : [`ended with ${code ?? endedBy} before ${signal}: ${stderr.slice(-300)}`];
	// In its last step it may be too late to stop.
	if (code === 0 && !inLastStep(printed, written)) return [`went on to its end after ${signal} in the step ${stepOf(printed)}`];
	if (code === 0) return faultsOfStop(folder, left);
	if (signal === "SIGKILL") return endedBy === signal ? [] : [`ended with ${code} by ${signal}`];
	// Node.js has no listener yet in the first moments, and none any more in the last ones: there is nothing to clean up then. In between a
	// signal must not end the process.
	if (endedBy === signal) {
		const step = stepOf(printed);
		const outside = step === BEFORE || isFinished(folder);
		return [...(outside ? [] : [`${signal} ended it at once, in the step ${step}`]), ...faultsOfStop(folder, left)];
	}
	return code === 130 ? faultsOfStop(folder, left) : [`ended with ${code ?? endedBy} after ${signal}: ${stderr.slice(-300)}`];
}

async function trial(root, number, seed, straight) {
	const folder = join(root, String(number));
	mkdirSync(folder);
	const random = randomOf(seed, number);
	const job = random.pick(Object.keys(JOBS));
	const { seconds, expected } = straight[job];
	const faults = [];
	const sent = [];
	let known = 0;
	for (let i = 0; i <= random.below(MOST_TIMES); i++) {
		const signal = random.pick(SIGNALS);
		const [left, written] = [leftIn(folder), existsSync(join(folder, OUTPUT))];
		const moment = momentOf(random);
		const run = await interruptOnce(folder, JOBS[job], signal, { moment, seconds });
		if (run.printed !== undefined) sent.push({ job, signal, moment: moment.name, step: stepOf(run.printed) });
		faults.push(...faultsOfInterrupted(run, { signal, folder, left, written }));
		const now = await cachedMeasurements(folder).catch((error) => void faults.push(`a cache is damaged: ${error.message}`));
		if (now < known) faults.push(`the caches lost ${known - now} candidates or parts of evaluations`);
		known = now ?? known;
		if (run.code === 0 || isFinished(folder)) break;
	}
	const left = leftIn(folder);
	if (!isFinished(folder)) {
		const last = await runJob(folder, { options: JOBS[job] });
		if (last.code !== 0)
			return { sent, faults: [...faults, `the resumed run ended with ${last.code ?? last.signal}: ${last.stderr.slice(-500)}`] };
	}
	faults.push(...faultsOfEnd(folder, left));
	const found = resultOf(folder);
	for (const part of ["model", "plan"]) if (found[part] !== expected[part]) faults.push(`another ${part} than that of the undisturbed run`);
	rmSync(folder, { recursive: true });
	return { sent, faults };
}

const nothing = () => ({ signals: 0, trials: 0, seconds: 0, byJob: {}, bySignal: {}, byStep: {}, faults: [] });

/** Runs the job in peace. @returns {Promise<{ seconds: number, expected: { model: string, plan: string } }>} how long it takes, and what it gives */
async function undisturbed(folder, options) {
	mkdirSync(folder);
	const started = performance.now();
	const run = await runJob(folder, { options });
	const seconds = (performance.now() - started) / 1000;
	if (run.code !== 0) throw new Error(`the undisturbed run ended with ${run.code ?? run.signal}: ${run.stderr}`);
	const unsound = faultsOfEnd(folder);
	if (unsound.length > 0) throw new Error(`the undisturbed run: ${unsound.join("; ")}`);
	return { seconds, expected: resultOf(folder) };
}

/**
 * Interrupts and resumes runs until `count` signals were sent or `minutes` are over.
 * @param {{ count: number, seed: number, minutes?: number, state?: string, onTrial?: (signals: number, faults: number) => void }} options `state`
 * is a file: what it holds counts, and every trial is added to it
 * @returns {Promise<{ signals: number, trials: number, seconds: number, byJob: Record<string, number>, bySignal: Record<string, number>,
 * byStep: Record<string, number>, faults: { trial: number, fault: string }[] }>}
 */
export async function interrupt({ count, seed, minutes = Number.POSITIVE_INFINITY, state, onTrial = () => {} }) {
	const { found: result, save } = keptState(state, { seed, jobs: Object.keys(JOBS) }, nothing());
	const root = temporaryFolder("interrupt");
	const until = Date.now() + minutes * 60_000;
	const add = (table, key) => (table[key] = (table[key] ?? 0) + 1);
	try {
		const straight = {};
		for (const job of Object.keys(JOBS)) straight[job] = await undisturbed(join(root.path, `straight-${job}`), JOBS[job]);
		while (result.signals < count && Date.now() < until) {
			const started = performance.now();
			const { sent, faults } = await trial(root.path, result.trials, seed, straight);
			for (const { job, signal, moment, step } of sent) {
				add(result.byJob, job);
				add(result.bySignal, signal);
				add(result.byStep, moment === "time" ? step : moment);
			}
			for (const fault of faults) result.faults.push({ trial: result.trials, fault });
			result.signals += sent.length;
			result.trials++;
			result.seconds += (performance.now() - started) / 1000;
			save();
			onTrial(result.signals, result.faults.length);
		}
		return result;
	} finally {
		root.remove();
	}
}

async function main() {
	const { values } = parseArgs({
		options: {
			count: { type: "string", default: "300" },
			seed: { type: "string", default: "1" },
			minutes: { type: "string" },
			state: { type: "string" },
		},
	});
	cleanOnSignals();
	const { signals, trials, seconds, byJob, bySignal, byStep, faults } = await interrupt({
		count: Number(values.count),
		seed: Number(values.seed),
		...(values.minutes === undefined ? {} : { minutes: Number(values.minutes) }),
		...(values.state === undefined ? {} : { state: values.state }),
		onTrial: (sent, wrong) => process.stderr.write(`${sent} signals, ${wrong} faults\n`),
	});
	for (const { trial: number, fault } of faults) process.stdout.write(`WRONG run ${number}: ${fault}\n`);
	const list = (table) => Object.entries(table).map(([name, number]) => `${name} ${number}`);
	process.stdout.write(
		`interrupt: ${signals} signals (${list(bySignal).join(", ")}; ${list(byJob).join(", ")}) in ${trials} runs, ${Math.round(seconds)} s, seed ${values.seed}; ` +
			`${list(byStep).join(", ")}; ${faults.length} faults\n`,
	);
	process.exitCode = faults.length > 0 ? 1 : 0;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) await main();
