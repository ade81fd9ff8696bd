// Runs a program, and says how long it took, what its processes took of memory and disk, and how soon it ended after Ctrl+C.
import { spawn } from "node:child_process";
import { watch } from "./processes.mjs";

export const round = (value) => Number(value.toFixed(2));

/**
 * @param how `env`; `stopAfter`: seconds from the program's first line on standard error to Ctrl+C, which does not come where it is
 * missing; `echo`: whether its news are shown
 */
export async function runMeasured([program, ...args], { env, stopAfter, echo = true }) {
	const started = performance.now();
	const seconds = () => (performance.now() - started) / 1000;
	const child = spawn(program, args, { env });
	const stop = watch(child.pid);
	const lines = [];
	let [output, rest] = ["", ""];
	let [timer, interrupted] = [undefined, undefined];
	const interrupt = () => {
		interrupted = seconds();
		child.kill("SIGINT");
	};
	child.stdout.setEncoding("utf8").on("data", (text) => {
		output += text;
	});
	child.stderr.setEncoding("utf8").on("data", (text) => {
		const parts = (rest + text).split(/[\r\n]+/);
		rest = parts.pop();
		for (const line of parts.filter((part) => part.trim() !== "")) {
			lines.push({ at: Number(seconds().toFixed(1)), line });
			// A program that has not begun yet ends at once.
			if (stopAfter !== undefined) timer ??= setTimeout(interrupt, 1000 * stopAfter);
			if (echo) process.stderr.write(`${line}\n`);
		}
	});
	try {
		const code = await new Promise((resolve, reject) => {
			child.on("error", reject).on("close", (status, signal) => resolve(status ?? signal));
		});
		return {
			code,
			seconds: round(seconds()),
			...(interrupted === undefined ? {} : { interruptedAt: round(interrupted), endedIn: round(seconds() - interrupted) }),
			peak: stop(),
			timings: timingsOf(parsed(output)),
			...(code === 0 ? {} : { said: lines.slice(-5).map(({ line }) => line) }),
			lines: thinned(lines),
		};
	} finally {
		clearTimeout(timer);
		stop();
	}
}

/** Seconds by step; those of the report are the last that are taken. */
function timingsOf(result) {
	const { timings } = result?.report ?? {};
	return timings ? Object.fromEntries(timings.map(({ phase, seconds }) => [phase, seconds])) : result?.plan?.timings;
}

/** Undefined where the program was stopped before it printed its result. */
function parsed(text) {
	try {
		return JSON.parse(text);
	} catch {
		return undefined;
	}
}

/** The lines that begin something: of those that only count on, the first. */
function thinned(lines) {
	const seen = new Set();
	return lines.filter(({ line }) => {
		const phase = line.replace(/(?<!\[)\d.*$/, "");
		if (seen.has(phase)) return false;
		seen.add(phase);
		return true;
	});
}
