// Fuzzes readers within this process, guided by coverage: an input that reaches a new part of the program is kept and changed further.
//   node scripts/fuzz/guided.mjs --target reader [--cases 2000] [--minutes 10] [--seed 1] [--keep FOLDER] [--corpus FOLDER]
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { watchCoverage } from "./coverage.mjs";
import { FEIGNED } from "./mutations.mjs";
import { randomOf } from "./random.mjs";

const dist = new URL("../../dist/", import.meta.url);
const { PruneGgufError } = await import(new URL("errors.js", dist).href);
const { escapeUnseen } = await import(new URL("characters.js", dist).href);

const MOST_SECONDS = 5;
const MOST_GROWTH = 5e8;
const MOST_CHARACTERS = 4000;
/** Bytes of an input at most, and of one that is changed further: small ones are quick. */
const MOST_BYTES = 2 ** 20;
const KEPT_BYTES = 2 ** 15;
// Line ends are ours; anything else of this kind in a message comes from the file.
const acts = (text) => escapeUnseen(text, "\n\t") !== text;

/** @returns {string | undefined} what is wrong with how a run ended */
function faultOf(error, seconds, growth) {
	if (seconds > MOST_SECONDS) return `took ${seconds.toFixed(1)} seconds`;
	if (growth > MOST_GROWTH) return `took ${Math.round(growth / 1e6)} MB`;
	if (error === undefined) return undefined;
	if (!(error instanceof PruneGgufError)) return `an error that is not meant: ${error?.stack ?? error}`;
	if (acts(error.message)) return "control characters in a message";
	if (error.message.split("\n").some((line) => line.startsWith(FEIGNED))) return "a line of the file's own in a message";
	return error.message.length > MOST_CHARACTERS ? `a message of ${error.message.length} characters` : undefined;
}

async function runOnce(target, bytes, folder) {
	const before = process.memoryUsage().rss;
	const started = performance.now();
	let error;
	try {
		await target.run(bytes, folder);
	} catch (cause) {
		error = cause ?? new Error("nothing was thrown");
	}
	const seconds = (performance.now() - started) / 1000;
	return { error, fault: faultOf(error, seconds, process.memoryUsage().rss - before), seconds };
}

/** What was found in one target. */
class Findings {
	#shown = new Set();

	constructor(target) {
		this.result = { target, cases: 0, accepted: 0, codes: {}, corpus: 0, reached: 0, slowest: 0, faults: [] };
	}

	/** Counts how a run ended. @returns {boolean} whether it shows a fault that no other has shown */
	add(number, { error, fault, seconds }) {
		const { result } = this;
		result.cases++;
		result.slowest = Math.max(result.slowest, seconds);
		const code = error?.code ?? error?.name;
		if (error === undefined) result.accepted++;
		else result.codes[code] = (result.codes[code] ?? 0) + 1;
		// The same fault once: by its first lines, without numbers.
		const kind = fault?.split("\n").slice(0, 3).join("\n").replace(/\d+/g, "N");
		if (kind === undefined || this.#shown.has(kind)) return false;
		this.#shown.add(kind);
		result.faults.push({ case: number, fault: fault.slice(0, 1500) });
		return true;
	}
}

/** @throws {Error} if a sound input is at fault */
async function tryAll(target, inputs, folder) {
	for (const bytes of inputs) {
		const { fault } = await runOnce(target, bytes, folder);
		if (fault !== undefined) throw new Error(`a sound input is at fault: ${fault}`);
	}
}

/** One of the inputs, changed one to three times. */
function damaged(target, inputs, random) {
	let bytes = random.pick(inputs);
	for (let i = 0; i <= random.below(3); i++) bytes = target.damage(bytes, random, random.pick(inputs)).subarray(0, MOST_BYTES);
	return bytes;
}

/** Inputs that earlier runs found worth changing, in a folder, and a place for more. */
function keptInputs(folder, target) {
	if (folder === undefined) return { inputs: [], add: () => {} };
	const place = join(folder, target);
	mkdirSync(place, { recursive: true });
	const inputs = readdirSync(place)
		.sort()
		.map((name) => readFileSync(join(place, name)));
	return { inputs, add: (bytes) => writeFileSync(join(place, createHash("sha256").update(bytes).digest("hex").slice(0, 16)), bytes) };
}

/**
 * Fuzzes one reader.
 * @param {{ target: string, cases?: number, minutes?: number, seed?: number, keep?: string, corpus?: string }} options ends after `cases`
 * (default without an end) or `minutes`, whichever comes first; `keep` is a folder for inputs that show a fault, `corpus` one for those that
 * are changed further, which a later run begins with
 * @returns {Promise<{ target: string, cases: number, accepted: number, codes: Record<string, number>, corpus: number, reached: number,
 * slowest: number, faults: { case: number, fault: string }[] }>}
 */
export async function fuzzGuided({
	target: name,
	cases = Number.POSITIVE_INFINITY,
	minutes = Number.POSITIVE_INFINITY,
	seed = 1,
	keep,
	corpus: kept,
}) {
	// Before the program is loaded: what is compiled already is not counted in detail.
	const coverage = await watchCoverage("/dist/");
	const folder = mkdtempSync(join(tmpdir(), "prune-gguf-guided-"));
	const found = new Findings(name);
	const until = Date.now() + minutes * 60_000;
	const save = (label, bytes) => keep && writeFileSync(join(keep, `${name}-${label}`), bytes);
	if (keep) mkdirSync(keep, { recursive: true });
	try {
		const target = (await import("./targets.mjs")).TARGETS[name];
		const corpus = await target.seeds();
		await tryAll(target, corpus, folder);
		const earlier = keptInputs(kept, name);
		for (const bytes of earlier.inputs) await runOnce(target, bytes, folder);
		corpus.push(...earlier.inputs);
		await coverage.fresh();
		for (let number = 0; number < cases && Date.now() < until; number++) {
			const bytes = damaged(target, corpus, randomOf(seed, number));
			// What ends the process stays there.
			save("current", bytes);
			const run = await runOnce(target, bytes, folder);
			if (found.add(number, run)) save(`${seed}-${number}`, bytes);
			if ((await coverage.fresh()) === 0 || bytes.length > KEPT_BYTES || run.fault !== undefined) continue;
			corpus.push(Buffer.from(bytes));
			earlier.add(bytes);
		}
		return { ...found.result, corpus: corpus.length, reached: coverage.reached() };
	} finally {
		await coverage.end();
		rmSync(folder, { recursive: true, force: true });
	}
}

/** Names of all readers. */
export const TARGET_NAMES = ["reader", "removal", "plan", "ledger", "evaluation", "healing", "speeds", "windows", "written"];

async function main() {
	const { values } = parseArgs({
		options: {
			target: { type: "string", default: "reader" },
			cases: { type: "string", default: "Infinity" },
			minutes: { type: "string", default: "Infinity" },
			seed: { type: "string", default: "1" },
			keep: { type: "string" },
			corpus: { type: "string" },
		},
	});
	const { target, keep, corpus } = values;
	if (!TARGET_NAMES.includes(target)) throw new Error(`--target: expected one of ${TARGET_NAMES.join(", ")}`);
	const [cases, minutes, seed] = [values.cases, values.minutes, values.seed].map(Number);
	const result = await fuzzGuided({ target, cases, minutes, seed, ...(keep ? { keep } : {}), ...(corpus ? { corpus } : {}) });
	process.stdout.write(`${JSON.stringify(result)}\n`);
	process.exitCode = result.faults.length > 0 ? 1 : 0;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) await main();
