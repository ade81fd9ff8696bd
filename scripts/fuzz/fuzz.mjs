// Damages the 12-block model in many ways and gives each file to inspect, evaluate and apply, as the command line runs them.
// Before that, the readers of models, plans and caches get damaged inputs within a process (guided.mjs).
//   npm run fuzz -- --cases 990 --seed 1 [--minutes 10 [--state FOLDER]] [--target all|cli|reader|removal|plan|ledger|evaluation|healing|speeds|windows|written] [--keep FOLDER] [--only "block count"]
// No run may be ended by a signal, hang, take more than 1 GB, print control characters or a line of the file's own, or call itself a fault
// of the program. A command that fails leaves no file. The exit code is 1 if any run broke this, with the cases that show it. The last line has
// the figures. With --state, the same command goes on where an earlier one was stopped.
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { cleanOnSignals, temporaryFolder } from "../faults/leftovers.mjs";
import { faultsOf, runCommand } from "./command.mjs";
import { TARGET_NAMES } from "./guided.mjs";
import { MUTATION_NAMES, mutate } from "./mutations.mjs";
import { splitGguf } from "./pieces.mjs";
import { randomOf } from "./random.mjs";
import { fuzzReader, inSlices } from "./slices.mjs";

const SECONDS = 20;
const BYTES = 1e9;
const model = fileURLToPath(new URL("../../fixture/fixture-12l.gguf", import.meta.url));
const text = "The captain looked at the sea, and the sea was quiet. ".repeat(40);

/** The commands in order; each gets only files that the one before accepted. */
const COMMANDS = {
	inspect: ({ file }) => ["inspect", file],
	evaluate: ({ file, textFile }) => ["evaluate", file, "--text", textFile, "--window-length", "32", "--threads", "1"],
	apply: ({ file, output }) => ["apply", file, output, "--remove", "3", "--threads", "1"],
};

/**
 * Runs cases of a seed; with a share of n only every n-th file goes beyond `inspect`.
 * @param {{ cases: number, seed: number, share?: number, minutes?: number, keep?: string, only?: string, onCase?: (done: number, result: object) => void }} options
 * @returns {Promise<{ cases: number, accepted: Record<string, number>, ran: Record<string, number>, faults: object[], most: object }>}
 */
export async function fuzz({ cases, seed, share = 1, minutes, keep, only, onCase = () => {} }) {
	const { path: folder, remove } = temporaryFolder("fuzz");
	const content = splitGguf(readFileSync(model));
	const names = only ? [only] : MUTATION_NAMES;
	const until = minutes === undefined ? Number.POSITIVE_INFINITY : Date.now() + minutes * 60_000;
	const textFile = join(folder, "text.txt");
	writeFileSync(textFile, text);
	const pathsOf = (place, file) => ({ file, textFile, place, output: join(place, "out.gguf") });
	const count = () => Object.fromEntries(Object.keys(COMMANDS).map((name) => [name, 0]));
	const tally = () => ({ cases: 0, accepted: count(), ran: count(), faults: [], most: { bytes: 0, seconds: 0 } });
	const result = tally();
	let next = 0;
	const work = async () => {
		while (next < cases && Date.now() < until) {
			const number = next++;
			const name = names[number % names.length];
			const place = join(folder, String(number));
			mkdirSync(place);
			const file = join(place, "model.gguf");
			writeFileSync(file, mutate(content, name, randomOf(seed, number)));
			const commands = Object.entries(COMMANDS).slice(0, number % share === 0 ? undefined : 1);
			const found = await runCase(pathsOf(place, file), result, commands);
			result.cases++;
			for (const fault of found) result.faults.push({ case: number, mutation: name, ...fault });
			if (found.length > 0 && keep) {
				mkdirSync(keep, { recursive: true });
				copyFileSync(file, join(keep, `${seed}-${number}.gguf`));
			}
			rmSync(place, { recursive: true });
			onCase(result.cases, result);
		}
	};
	try {
		// Damaged files must not be refused for a reason that holds for the sound one too.
		const sound = tally();
		const faults = await runCase(pathsOf(folder, model), sound);
		if (sound.accepted.apply !== 1) throw new Error(`the sound model was not accepted: ${JSON.stringify({ sound, faults })}`);
		await Promise.all(Array.from({ length: Math.min(4, availableParallelism()) }, work));
	} finally {
		remove();
	}
	return result;
}

async function runCase(paths, { accepted, ran, most }, commands = Object.entries(COMMANDS)) {
	const found = [];
	for (const [command, args] of commands) {
		const started = Date.now();
		const run = await runCommand(args(paths), {
			home: join(paths.place, "home"),
			peakFile: join(paths.place, `${command}.peak`),
			seconds: SECONDS,
		});
		ran[command]++;
		most.seconds = Math.max(most.seconds, (Date.now() - started) / 1000);
		most.bytes = Math.max(most.bytes, run.bytes);
		const faults = faultsOf(run, BYTES);
		const left = readdirSync(paths.place).filter((name) => name.startsWith("out") && run.code !== 0);
		if (left.length > 0) faults.push(`left ${left.join(", ")}`);
		if (command === "apply" && run.code === 0 && !existsSync(paths.output)) faults.push("no output");
		for (const fault of faults) found.push({ command, fault, said: run.stderr.trim().slice(0, 400) });
		if (run.code !== 0) break;
		accepted[command]++;
	}
	return found;
}

/** How much of the time each target gets: half goes to the readers within a process, the other half to the command line. */
function sharesOf(target, only) {
	if (target !== "all") return { [target]: 1 };
	if (only) return { cli: 1 };
	return { ...Object.fromEntries(TARGET_NAMES.map((name) => [name, 0.5 / TARGET_NAMES.length])), cli: 0.5 };
}

function optionsOf(args) {
	const { values } = parseArgs({
		args,
		options: {
			target: { type: "string", default: "all" },
			cases: { type: "string", default: "990" },
			seed: { type: "string", default: "1" },
			...{ minutes: { type: "string" }, state: { type: "string" }, keep: { type: "string" }, only: { type: "string" } },
		},
	});
	const { target, only, minutes, state } = values;
	if (only && !MUTATION_NAMES.includes(only)) throw new Error(`--only: expected one of ${MUTATION_NAMES.join(", ")}`);
	if (!["all", "cli", ...TARGET_NAMES].includes(target))
		throw new Error(`--target: expected all, cli or one of ${TARGET_NAMES.join(", ")}`);
	if (state !== undefined && minutes === undefined)
		throw new Error("--state keeps what a run of so many minutes has found: give --minutes too");
	const keep = values.keep ?? (state && join(state, "faults"));
	return {
		...values,
		keep,
		cases: Number(values.cases),
		seed: Number(values.seed),
		minutes: minutes === undefined ? undefined : Number(minutes),
	};
}

/** One line about a target. */
function lineOf(target, { cases, accepted, slowest, most, faults }) {
	const taken = typeof accepted === "object" ? Object.entries(accepted).map(([name, count]) => `${count} by ${name}`) : [accepted ?? 0];
	const seconds = Math.round(10 * (slowest ?? most?.seconds ?? 0)) / 10;
	const memory = most ? `, at most ${Math.round(most.bytes / 1e6)} MB` : "";
	return `${target} ${cases} inputs (accepted ${taken.join(", ")}; slowest ${seconds} s${memory}; ${faults.length} faults)`;
}

async function main() {
	const { target, cases, seed, minutes, state, keep, only } = optionsOf(process.argv.slice(2));
	cleanOnSignals();
	const kept = keep ? { keep } : {};
	const onCase = (done, { faults }) => done % 50 === 0 && process.stderr.write(`${done} cases, ${faults.length} faults\n`);
	const run = (name, limits) => {
		if (name !== "cli") return fuzzReader(name, { ...limits, ...kept });
		const { corpus, ...rest } = limits;
		return fuzz({ cases: Number.POSITIVE_INFINITY, ...rest, ...kept, ...(only ? { only } : {}), onCase });
	};
	const shares = sharesOf(target, only);
	const results = {};
	let spent = "";
	if (minutes === undefined) for (const name of Object.keys(shares)) results[name] = await run(name, { cases, seed });
	else {
		const onSlice = (name, result, done) => process.stderr.write(`${done.toFixed(1)} minutes: ${lineOf(name, result)}\n`);
		const found = await inSlices({ shares, minutes, seed, ...(state ? { folder: state } : {}), run, onSlice });
		for (const [name, { result }] of Object.entries(found)) results[name] = result;
		spent = ` in ${Object.values(found)
			.reduce((sum, one) => sum + one.minutes, 0)
			.toFixed(1)} minutes`;
	}
	const faults = Object.entries(results).flatMap(([name, result]) => result.faults.map((fault) => ({ target: name, ...fault })));
	for (const fault of faults) process.stdout.write(`WRONG ${JSON.stringify(fault)}\n`);
	const lines = Object.entries(results).map(([name, result]) => lineOf(name, result));
	process.stdout.write(`fuzz: seed ${seed}${spent}: ${lines.join("; ")}; ${faults.length} faults in all\n`);
	process.exitCode = faults.length > 0 ? 1 : 0;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) await main();
