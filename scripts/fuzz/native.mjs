// Fuzzes the addon itself: programs of calls with sound and unsound arguments on the 12-block model, under AddressSanitizer and
// UndefinedBehaviorSanitizer, guided by the coverage of native/ (libFuzzer).
//   npm run fuzz:native -- --minutes 15 [--seed 1] [--corpus FOLDER] [--keep FOLDER] [--jobs N] [--input FILE]
// No call may crash, hang, leak or fail in a way that is not meant. A candidate has the same bits alone and with others, and the model stays
// as it was. The exit code is 1 if an input breaks this; --keep says where it is kept (build/cpu-fuzz/faults), and --input runs one again.
// With --corpus, the same command goes on from the inputs of earlier ones. --jobs is for the build. The last line has the figures.
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { cleanOnSignals, endWithUs, temporaryFolder } from "../faults/leftovers.mjs";
import { buildFuzzer, fuzzerSettings, missingFor } from "./native/build.mjs";
import { faultOf, figuresOf, lineOf, sumOf } from "./native/figures.mjs";
import { nativeSeeds } from "./native/seeds.mjs";

/** Seconds for one input: a hundred times what a long one takes. */
const SLOW = 120;
const MEGABYTES = 4096;
/** After so many faults nothing new is to be expected. */
const MOST_FAULTS = 20;

/** @throws {Error} that says what is wrong with the arguments */
export function optionsOf(args) {
	const options = {
		minutes: { type: "string" },
		seed: { type: "string", default: "1" },
		...{ corpus: { type: "string" }, keep: { type: "string" }, jobs: { type: "string" }, input: { type: "string" } },
	};
	const { values } = parseArgs({ args, options });
	const number = (name, given, least) => {
		const value = Number(given);
		if (!(value >= least && Number.isFinite(value)))
			throw new Error(`--${name} must be a number from ${least}, not ${JSON.stringify(given)}`);
		return value;
	};
	const { minutes, input, corpus, keep = fileURLToPath(new URL("../../build/cpu-fuzz/faults", import.meta.url)) } = values;
	if ((minutes === undefined) === (input === undefined)) throw new Error("give --minutes N, or --input FILE to run one input again");
	const seed = number("seed", values.seed, 1);
	if (!Number.isInteger(seed)) throw new Error("--seed must be a whole number");
	return {
		minutes: minutes === undefined ? undefined : number("minutes", minutes, 0.01),
		jobs: number("jobs", values.jobs ?? availableParallelism(), 1),
		...{ seed, input, corpus, keep },
	};
}

/** Runs the program to its end. @returns {Promise<{ code: number | null, signal: string | null, said: string }>} */
async function run(program, args) {
	const child = endWithUs(spawn(program, args, { env: { ...process.env, ...fuzzerSettings() }, stdio: ["ignore", "inherit", "pipe"] }));
	let said = "";
	child.stderr.setEncoding("utf8").on("data", (text) => {
		process.stderr.write(text);
		said += text;
	});
	const [code, signal] = await new Promise((resolve, reject) => {
		child.on("error", reject);
		child.on("close", (...end) => resolve(end));
	});
	return { code, signal, said };
}

/** Goes on after a fault with another seed, until the time is over. */
async function fuzzNative(program, { minutes, seed, corpus, keep, seeds }) {
	const started = Date.now();
	const passed = () => (Date.now() - started) / 60_000;
	const parts = [];
	const faults = [];
	while (passed() < minutes && faults.length < MOST_FAULTS) {
		const seconds = Math.max(1, Math.round(60 * (minutes - passed())));
		const limits = [`-max_total_time=${seconds}`, `-timeout=${SLOW}`, `-rss_limit_mb=${MEGABYTES}`, "-max_len=4096"];
		const args = [...limits, `-seed=${seed + parts.length}`, `-artifact_prefix=${keep}/`, "-print_final_stats=1", corpus, seeds];
		const end = await run(program, args);
		parts.push(figuresOf(end.said));
		const fault = faultOf(end);
		if (fault) faults.push(fault);
	}
	return { minutes: passed(), figures: sumOf(parts), faults };
}

/** @returns {Promise<number>} the exit code */
async function main(args) {
	const { input, ...options } = optionsOf(args);
	const clang = process.env.CLANG ?? "clang";
	const missing = missingFor(clang);
	if (missing) throw new Error(missing);
	cleanOnSignals();
	const program = buildFuzzer({ clang, jobs: options.jobs });
	if (input) {
		const fault = faultOf(await run(program, [input]));
		process.stdout.write(`${fault ? `WRONG ${fault.fault}` : "nothing is wrong"}\n`);
		return fault ? 1 : 0;
	}
	const { path: folder, remove } = temporaryFolder("fuzz-native");
	try {
		const seeds = join(folder, "seeds");
		const corpus = options.corpus ?? join(folder, "corpus");
		for (const place of [seeds, corpus, options.keep]) mkdirSync(place, { recursive: true });
		for (const [i, bytes] of nativeSeeds(options.seed).entries()) writeFileSync(join(seeds, String(i)), bytes);
		const { minutes, figures, faults } = await fuzzNative(program, { ...options, corpus, seeds });
		for (const fault of faults) process.stdout.write(`WRONG ${JSON.stringify(fault)}\n`);
		process.stdout.write(`${lineOf({ seed: options.seed, minutes, figures, faults: faults.length })}\n`);
		return faults.length > 0 || figures.runs === 0 ? 1 : 0;
	} finally {
		remove();
	}
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
	process.exitCode = await main(process.argv.slice(2)).catch((error) => {
		process.stderr.write(`error: ${error.message}\n`);
		return 2;
	});
}
