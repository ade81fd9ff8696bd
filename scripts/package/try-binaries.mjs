// Whether the delivered binaries of an installed package compute what they should: losses of the 12-block model that are known
// (fixture/fixture-12l.jsonl.gz, measured with llama.cpp on a CPU).
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { gunzipSync } from "node:zlib";
import { hashOf, recordResult } from "../prebuild/results.mjs";

const fixture = (name) => fileURLToPath(new URL(`../../fixture/${name}`, import.meta.url));
/** Rounding explains less than this, also on a GPU, nats. Without the least important block the loss is 0.07 higher. */
const MOST_DIFFERENCE = 5e-3;

/** Prints the mean losses of the 12-block model and of it without each block in turn. */
const measure = `
import { readFileSync } from "node:fs";
import { Coalition, makeWindows, Model } from "prune-gguf";
const [path, tokens] = process.argv.slice(2);
const bytes = readFileSync(tokens);
const windows = makeWindows(new Int32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length)), 128);
const model = await Model.load(path);
const { blocks } = model.facts;
const candidates = [Coalition.full(blocks), ...Array.from({ length: blocks }, (_, i) => Coalition.ofRemoved(blocks, [i]))];
const evaluations = await model.createEvaluator().evaluate(candidates, windows);
console.log(JSON.stringify(evaluations.map(({ losses }) => losses.reduce((sum, loss) => sum + loss, 0) / losses.length)));
await model.dispose();
`;

/** The losses that are known, in the order in which they are measured. */
export function knownLosses() {
	const lines = gunzipSync(readFileSync(fixture("fixture-12l.jsonl.gz")))
		.toString()
		.trim()
		.split("\n");
	const known = new Map(lines.map((line) => JSON.parse(line)).map(({ mask, nll }) => [mask, nll]));
	const all = "1".repeat(12);
	return [all, ...Array.from(all, (_, i) => `${all.slice(0, i)}0${all.slice(i + 1)}`)].map((mask) => known.get(mask));
}

/** @returns {string | undefined} what is wrong with losses that were measured */
export function lossFault(losses, known = knownLosses()) {
	const differences = known.map((loss, i) => Math.abs(loss - losses[i]));
	// So that a loss which is missing or no number is a fault too.
	const wrong = differences.findIndex((difference) => !(difference < MOST_DIFFERENCE));
	if (wrong < 0) return undefined;
	const what = wrong === 0 ? "of the 12-block model" : `without block ${wrong - 1}`;
	return `the loss ${what} is ${losses[wrong]}, and must be ${known[wrong]}`;
}

const installedIn = (project) => join(project, "node_modules", "prune-gguf");
const binaryIn = (project, name) => join(installedIn(project), "prebuilds", name, "prune_gguf.node");

/** Names of the delivered binaries that fit this machine, by the installed program's own rules. */
async function fitting(installed) {
	const own = (name) => import(pathToFileURL(join(installed, "dist", "model", "runtime", "binary", `${name}.js`)).href);
	const [{ misfitOf, readFacts, systemMisfitOf }, { System }] = [await own("binary-facts"), await own("system")];
	const system = new System();
	const folder = join(installed, "prebuilds");
	return (existsSync(folder) ? readdirSync(folder) : []).filter((name) => {
		const facts = readFacts(join(folder, name, "prune_gguf.node"));
		return facts && !misfitOf(facts, system) && !systemMisfitOf(facts, system);
	});
}

/**
 * Measures with each delivered binary that fits this machine, by itself.
 * @param {string} project folder that has the package installed
 * @param {(args: string[], env: Record<string, string>) => string} node runs Node.js there, and gives what it prints
 * @returns {Promise<string[]>} names of the binaries
 * @throws {Error} if none fits, or one computes something else
 */
export async function tryBinaries(project, node) {
	const names = await fitting(installedIn(project));
	if (names.length === 0) throw new Error("no delivered binary fits this machine");
	writeFileSync(join(project, "losses.mjs"), measure);
	for (const name of names) {
		const env = { PRUNE_GGUF_ADDON: binaryIn(project, name) };
		const told = node(["losses.mjs", fixture("fixture-12l.gguf"), fixture("fixture-12l.windows-10x128.i32")], env);
		const fault = lossFault(JSON.parse(told.trim().split("\n").at(-1)));
		if (fault !== undefined) throw new Error(`${name}: ${fault}`);
	}
	return names;
}

/** Records for the table of binaries that those of an installed package passed. @param path of the results, for tests */
export function recordLosses(project, names, path) {
	const how = "losses of the 12-block model and of it without each block right, in an installed package";
	for (const name of names) recordResult(name, "run", { sha256: hashOf(binaryIn(project, name)), how, node: process.version }, path);
}
