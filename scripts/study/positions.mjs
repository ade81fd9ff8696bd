// Loss that removals add, by position in the window, on texts that no search saw.
//   node scripts/study/positions.mjs MODEL.gguf --output OUT.json --text a.txt [--text b.txt ...]
//     --candidate "name=6-9a,14a" ...  what is removed, in any notation of --remove; nothing after the name: the original model
//     --candidate "name=@FILE.gguf"    a written model, a healed one for example. It is counted from MODEL too, so what it was made of is MODEL
//     [--length 2048] [--windows 8]    windows of each text, spread over it
//     [--from 1,128,512,1024]          first position of each range; the last range ends with the window
//     [--threads N]
// Tokens of a range count alike. Differences are paired by window; the mean is over the texts. OUT.json keeps what is measured.
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { parseArgs } from "node:util";
import { above, Rows } from "./healing-rows.mjs";
import { load, mean, table } from "./lib.mjs";

const { Coalition } = await load("game/coalition.js");
const { windowsOfDocuments } = await load("model/calibration/index.js");
const { modelHash } = await load("model/evaluation/kept.js");
const { Model } = await load("model/runtime/model.js");
const { hashWindows } = await load("model/runtime/windows.js");
const { parseBlocks } = await load("notation.js");

const { values: given, positionals } = parseArgs({
	allowPositionals: true,
	options: {
		output: { type: "string" },
		candidate: { type: "string", multiple: true, default: [] },
		text: { type: "string", multiple: true, default: [] },
		length: { type: "string", default: "2048" },
		windows: { type: "string", default: "8" },
		from: { type: "string", default: "1,128,512,1024" },
		threads: { type: "string" },
	},
});
const [model] = positionals;
if (!model || !given.output || given.text.length === 0) throw new Error("give MODEL.gguf, --output and at least one --text");
const [length, windows] = [given.length, given.windows].map(Number);
const from = given.from.split(",").map(Number);
if (!from.every((first, i) => Number.isInteger(first) && first >= 1 && first < (from[i + 1] ?? length)))
	throw new Error(`--from ${given.from}: first positions must rise from 1 on, and lie below --length ${length}`);
const threads = given.threads ? { threads: Number(given.threads) } : {};

const candidates = given.candidate.map((text) => {
	const at = text.indexOf("=");
	return at < 0 ? { name: text, removed: "" } : { name: text.slice(0, at), removed: text.slice(at + 1) };
});
const isFile = ({ removed }) => removed.startsWith("@");
const original = { name: "original", removed: "" };
const ranges = from.map((first, i) => ({ first, end: from[i + 1] ?? length }));

function positionsOf(removed) {
	if (removed === "") return [];
	const parsed = parseBlocks(removed);
	if (parsed.problem) throw new Error(parsed.problem);
	return parsed.positions;
}

/** Mean loss of each range in each window. The token at position p is predicted by position p - 1, which is where its loss stands. */
function byRange(tokenLosses) {
	const scored = length - 1;
	return ranges.map(({ first, end }) =>
		Array.from({ length: windows }, (_, w) => mean(Array.from(tokenLosses.subarray(w * scored + first - 1, w * scored + end - 1)))),
	);
}

const rows = new Rows(given.output);

/** Measures what is missing of the candidates that one loaded model can show, text by text. */
async function measure(path, list) {
	const loaded = await Model.load(path, threads);
	try {
		const evaluator = loaded.createEvaluator({});
		const { blocks } = loaded.facts;
		const hash = await modelHash(loaded.file, {});
		for (const text of given.text) {
			const dealt = windowsOfDocuments(loaded, [{ text: readFileSync(text, "utf8") }], { count: windows, length, name: text });
			const keyOf = ({ removed }) => JSON.stringify([hashWindows(dealt), from, hash, isFile({ removed }) ? "" : removed]);
			const missing = list.filter((one) => !rows.get(keyOf(one)));
			const sets = missing.map(({ removed }) =>
				isFile({ removed }) ? Coalition.full(blocks) : Coalition.ofRemoved(blocks, positionsOf(removed)),
			);
			await evaluator.evaluate(sets, dealt, {
				perToken: true,
				onCandidate: (i, { tokenLosses }) => {
					const { removed } = missing[i];
					rows.put({ key: keyOf(missing[i]), text, removed, ranges: byRange(tokenLosses) });
				},
			});
			for (const one of list) one.texts = { ...one.texts, [text]: rows.get(keyOf(one)).ranges };
		}
	} finally {
		await loaded.dispose();
	}
}

await measure(model, [original, ...candidates.filter((one) => !isFile(one))]);
for (const one of candidates.filter(isFile)) await measure(one.removed.slice(1), [one]);

const inRange = ({ texts }, r) => ({
	texts: Object.fromEntries(Object.entries(texts).map(([name, list]) => [name, { losses: list[r] }])),
});
const withError = ({ mean: value, standardError }) => `${value.toFixed(3)} ± ${standardError.toFixed(3)}`;
const header = ["", ...ranges.map(({ first, end }) => `${first} to ${end - 1}`)];
const cells = candidates.map((one) => [one.name, ...ranges.map((_, r) => withError(above(inRange(one, r), inRange(original, r))))]);
process.stdout.write(
	`nats per token added by position, ${windows} windows of ${length} tokens of each of ${given.text.map((t) => basename(t)).join(", ")}\n\n`,
);
process.stdout.write(`${table(header, cells)}\n\n`);
for (const [r, { first, end }] of ranges.entries()) {
	const each = candidates.map((one) => [one.name, ...above(inRange(one, r), inRange(original, r)).texts.map(withError)]);
	process.stdout.write(`positions ${first} to ${end - 1}, by text\n${table(["", ...given.text.map((t) => basename(t))], each)}\n\n`);
}
