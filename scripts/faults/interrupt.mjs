// Interrupts a run at random moments, starts it again, and compares what it gives with an undisturbed run.
//   node scripts/faults/interrupt.mjs --count 300 --seed 1 [--minutes 60]
// The resumed run must give the same plan and the same bytes, with the caches whole, no lock and no half output. The exit code is 1 otherwise.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { randomOf } from "../fuzz/random.mjs";
import { cachedCandidates, faultsOfEnd, faultsOfStop, leftIn, OUTPUT, resultOf, runJob } from "./job.mjs";

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

/** The step that a run is in, by what it has printed. */
const stepOf = (text) => [...text.matchAll(/^\[\d+\/\d+\] ([A-Za-z ]+?)(?: {2}|$)/gm)].at(-1)?.[1] ?? "before the first step";

async function interruptOnce(folder, signal, moment, seconds) {
	let stderr = "";
	let stop = () => undefined;
	const run = await runJob(folder, {
		onOutput: (text) => (stderr = text),
		onStart: (child) => {
			stop = sendAt(child, signal, moment, { folder, seconds, said: () => stderr });
		},
	});
	return { ...run, printed: stop() };
}

/** @returns {string[]} what an interrupted run did that it must not */
function faultsOfInterrupted({ code, signal: endedBy, stderr }, { signal, folder, left }) {
	if (/fault of prune-gguf/.test(stderr)) return ["a fault of prune-gguf"];
	// It had ended, or its last step was done, before the signal came.
	if (code === 0) return [];
	// Node.js has no listener yet in the first moments.
	if (signal === "SIGKILL" || endedBy === signal) return endedBy === signal ? [] : [`ended with ${code} by ${signal}`];
	return code === 130 ? faultsOfStop(folder, left) : [`ended with ${code ?? endedBy} after ${signal}: ${stderr.slice(-300)}`];
}

async function trial(root, number, seed, { seconds, expected }) {
	const folder = join(root, String(number));
	mkdirSync(folder);
	const random = randomOf(seed, number);
	const faults = [];
	const sent = [];
	let known = 0;
	for (let i = 0; i <= random.below(MOST_TIMES); i++) {
		const signal = random.pick(SIGNALS);
		const left = leftIn(folder);
		const moment = momentOf(random);
		const run = await interruptOnce(folder, signal, moment, seconds);
		if (run.printed !== undefined) sent.push({ signal, moment: moment.name, step: stepOf(run.printed) });
		faults.push(...faultsOfInterrupted(run, { signal, folder, left }));
		const now = await cachedCandidates(folder);
		if (now < known) faults.push(`the caches lost ${known - now} candidates`);
		known = now;
		if (run.code === 0) break;
	}
	const left = leftIn(folder);
	if (!existsSync(join(folder, `${OUTPUT}.report.html`))) {
		const last = await runJob(folder);
		if (last.code !== 0)
			return { sent, faults: [...faults, `the resumed run ended with ${last.code ?? last.signal}: ${last.stderr.slice(-500)}`] };
	}
	faults.push(...faultsOfEnd(folder, left));
	const found = resultOf(folder);
	for (const part of ["model", "plan"]) if (found[part] !== expected[part]) faults.push(`another ${part} than that of the undisturbed run`);
	rmSync(folder, { recursive: true });
	return { sent, faults };
}

/**
 * Interrupts and resumes runs until `count` signals were sent or `minutes` are over.
 * @param {{ count: number, seed: number, minutes?: number, onTrial?: (signals: number, faults: number) => void }} options
 * @returns {Promise<{ signals: number, trials: number, bySignal: object, byStep: object, faults: { trial: number, fault: string }[] }>}
 */
export async function interrupt({ count, seed, minutes = Number.POSITIVE_INFINITY, onTrial = () => {} }) {
	const root = mkdtempSync(join(tmpdir(), "prune-gguf-interrupt-"));
	const until = Date.now() + minutes * 60_000;
	const result = { signals: 0, trials: 0, bySignal: {}, byStep: {}, faults: [] };
	const add = (table, key) => (table[key] = (table[key] ?? 0) + 1);
	try {
		const straight = join(root, "straight");
		mkdirSync(straight);
		const started = performance.now();
		const run = await runJob(straight);
		const seconds = (performance.now() - started) / 1000;
		if (run.code !== 0) throw new Error(`the undisturbed run ended with ${run.code ?? run.signal}: ${run.stderr}`);
		const unsound = faultsOfEnd(straight);
		if (unsound.length > 0) throw new Error(`the undisturbed run: ${unsound.join("; ")}`);
		const expected = resultOf(straight);
		while (result.signals < count && Date.now() < until) {
			const { sent, faults } = await trial(root, result.trials, seed, { seconds, expected });
			for (const { signal, moment, step } of sent) {
				add(result.bySignal, signal);
				add(result.byStep, moment === "time" ? step : moment);
			}
			for (const fault of faults) result.faults.push({ trial: result.trials, fault });
			result.signals += sent.length;
			result.trials++;
			onTrial(result.signals, result.faults.length);
		}
		return result;
	} finally {
		rmSync(root, { recursive: true, force: true });
	}
}

async function main() {
	const { values } = parseArgs({
		options: { count: { type: "string", default: "300" }, seed: { type: "string", default: "1" }, minutes: { type: "string" } },
	});
	const result = await interrupt({
		count: Number(values.count),
		seed: Number(values.seed),
		...(values.minutes === undefined ? {} : { minutes: Number(values.minutes) }),
		onTrial: (signals, faults) => process.stderr.write(`${signals} signals, ${faults} faults\n`),
	});
	process.stdout.write(`${JSON.stringify(result, null, "\t")}\n`);
	process.exitCode = result.faults.length > 0 ? 1 : 0;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) await main();
