// What libFuzzer says, as figures.

/** How the line of a fault begins; the first kind that is there tells most. */
const FAULTS = [/^BROKEN: .*/m, /^.*GGML_(?:ASSERT|ABORT).*/m, /^.*: runtime error: .*/m, /^SUMMARY: .*/m, /^.*ERROR: libFuzzer: .*/m];

/**
 * @typedef {object} NativeFigures
 * @property {number} runs inputs that were tried
 * @property {number} reached edges of native/ that an input has reached
 * @property {number} edges edges of native/
 * @property {number} kept inputs that reached something that no other one did
 */

/**
 * @param {string} said by libFuzzer, all of it
 * @returns {NativeFigures}
 */
export function figuresOf(said) {
	const last = (pattern) => Number([...said.matchAll(pattern)].at(-1)?.[1] ?? 0);
	return {
		runs: Math.max(last(/^#(\d+)\t/gm), last(/^stat::number_of_executed_units:\s+(\d+)/gm)),
		reached: last(/ cov: (\d+) /g),
		edges: last(/\((\d+) inline 8-bit counters\)/g),
		kept: last(/ corp: (\d+)\//g),
	};
}

/**
 * Why the program ended, or undefined if it ran to its end.
 * @param {{ code: number | null, signal: string | null, said: string }} run
 */
export function faultOf({ code, signal, said }) {
	if (code === 0) return undefined;
	const line = FAULTS.map((pattern) => pattern.exec(said)?.[0]).find((found) => found !== undefined);
	const input = /Test unit written to (\S+)/.exec(said)?.[1];
	return { fault: (line ?? `ended by ${signal ?? `exit code ${code}`}`).trim(), ...(input ? { input } : {}) };
}

/** Runs are added up; what was reached is counted anew in each part of a run. */
export function sumOf(/** @type {NativeFigures[]} */ parts) {
	const most = (name) => Math.max(0, ...parts.map((part) => part[name]));
	return { runs: parts.reduce((sum, { runs }) => sum + runs, 0), reached: most("reached"), edges: most("edges"), kept: most("kept") };
}

/** The last line of a run. */
export function lineOf({ seed, minutes, figures, faults }) {
	const { runs, reached, edges, kept } = figures;
	return `fuzz:native: seed ${seed} in ${minutes.toFixed(1)} minutes: ${runs} runs, ${reached} of ${edges} edges of native/, ${kept} inputs kept; ${faults} faults`;
}
