// How the choice depends on the text that is searched: sets found on several kinds and amounts of it, each scored on texts that no search saw.
//   node scripts/study/calibration.mjs --model MODEL.gguf --output OUT.json
//     [--remove 3,6,10]            blocks removed
//     [--sources own,prose,...]    see below
//     [--windows 10,40]            windows of 128 tokens that are searched
//     [--seeds 0]                  of own samples and of the search
//     [--eval-windows 24]          windows of 256 tokens of each judged text
//     [--weights Q8_0]             type that the search runs on, as `--working-weights`: a file of it is made beside OUT.json
//     [--shared FOLDER] [--threads N]
// The searched text is the first half of a file, the judged one its second half; own samples are judged in draws of other seeds. The
// search is `auto` at the default effort, without the race. A row is kept in OUT.json as soon as it is measured, and not measured again.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { above, Rows, round } from "./healing-rows.mjs";
import { load, table } from "./lib.mjs";

const { auto } = await load("auto.js");
const { windowsOfDocuments, ownSamples } = await load("calibration/index.js");
const { searchBudget } = await load("choose-auto.js");
const { Coalition } = await load("game/coalition.js");
const { formatBlocks } = await load("report/format.js");
const { Model } = await load("runtime/model.js");
const { quantizeFile } = await load("runtime/quantize.js");
const { concatWindows, hashWindows, makeWindows } = await load("runtime/windows.js");

const { values: given } = parseArgs({
	options: {
		...Object.fromEntries(["model", "output", "weights", "threads"].map((name) => [name, { type: "string" }])),
		remove: { type: "string", default: "3,6,10" },
		sources: { type: "string", default: "own,documents,chats,prose,facts,wiki,mixed" },
		windows: { type: "string", default: "10,40" },
		seeds: { type: "string", default: "0" },
		"eval-windows": { type: "string", default: "24" },
		shared: { type: "string", default: fileURLToPath(new URL("../../../shared/", import.meta.url)) },
	},
});
if (!given.model || !given.output) throw new Error("give --model and --output");
const numbers = (list) => list.split(",").map(Number);
const counts = numbers(given.remove);
const threads = given.threads ? { threads: Number(given.threads) } : {};
const evalWindows = Number(given["eval-windows"]);

/** Files, half searched and half judged. */
const files = { prose: "text/moby-dick.txt", facts: "text/factbook-prose.txt", wiki: "eval/wikitext-2.valid.txt" };

/** Own samples of one kind: every second window of a draw is a chat. */
async function ownOf(model, kind, count, length, seed) {
	const drawn = await ownSamples(model, { count: 2 * count, length, seed });
	const tokens = new Int32Array(count * length);
	for (let i = 0; i < count; i++) tokens.set(drawn.tokens.subarray((2 * i + kind) * length, (2 * i + kind + 1) * length), i * length);
	return makeWindows(tokens, length);
}

/** Half a file, cut at the end of a line. */
function half(name, which) {
	const text = readFileSync(join(given.shared, files[name]), "utf8");
	const middle = text.indexOf("\n", text.length / 2) + 1;
	return [{ text: which === 0 ? text.slice(0, middle) : text.slice(middle) }];
}

const ofFile = (name) => (model, count, length) => windowsOfDocuments(model, half(name, 0), count, length, files[name]);

/** Windows to search on. */
const sources = {
	own: (model, count, length, seed) => ownSamples(model, { count, length, seed }),
	documents: (model, count, length, seed) => ownOf(model, 0, count, length, seed),
	chats: (model, count, length, seed) => ownOf(model, 1, count, length, seed),
	...Object.fromEntries(Object.keys(files).map((name) => [name, ofFile(name)])),
	/** A quarter each of own samples and of the three files. */
	mixed: async (model, count, length, seed) => {
		const kinds = ["own", ...Object.keys(files)];
		const shares = kinds.map((_, i) => Math.floor((count + kinds.length - 1 - i) / kinds.length));
		const parts = [];
		for (const [i, kind] of kinds.entries()) parts.push(await sources[kind](model, shares[i], length, seed));
		return concatWindows(parts);
	},
};

/** Windows to judge on, by name. */
async function judgedTexts(model) {
	const texts = {
		"own documents": await ownOf(model, 0, evalWindows, 256, 1001),
		"own chats": await ownOf(model, 1, evalWindows, 256, 1002),
	};
	for (const name of Object.keys(files)) texts[name] = windowsOfDocuments(model, half(name, 1), evalWindows, 256, files[name]);
	return texts;
}

/** A game on an evaluator that remembers what it measured. */
function gameOn(evaluator, windows, players, known) {
	return {
		players,
		frozen: new Map(),
		allows: () => true,
		measure: async (coalitions) => {
			const missing = coalitions.filter(({ key }) => !known.has(key));
			const measured = await evaluator.evaluate(missing, windows);
			for (const [i, { losses }] of measured.entries()) known.set(missing[i].key, losses);
			return coalitions.map((coalition) => ({ coalition, losses: known.get(coalition.key) }));
		},
	};
}

const rows = new Rows(given.output);
const model = await Model.load(given.model, { gpuLayers: 0, ...threads });
const players = model.facts.blocks;
const texts = await judgedTexts(model);
const jobs = [];
for (const seed of numbers(given.seeds))
	for (const count of numbers(given.windows))
		for (const source of given.sources.split(","))
			jobs.push({ source, count, seed, windows: await sources[source](model, count, 128, seed) });

const searched = new Map();
let searching = model;
if (given.weights) {
	const copy = `${given.output}.${given.weights}.gguf`;
	if (!existsSync(copy)) await quantizeFile(given.model, copy, given.weights);
	searching = await Model.load(copy, { gpuLayers: 0, ...threads });
}
const keyOf = ({ source, count, seed, windows }) =>
	JSON.stringify([source, count, seed, hashWindows(windows), counts, given.weights ?? "own"]);
const kmax = Math.max(...counts);
for (const job of jobs) {
	const key = keyOf(job);
	const known = rows.get(key) ?? {};
	if (known.sets) {
		searched.set(key, known);
		continue;
	}
	const started = Date.now();
	const game = gameOn(searching.createEvaluator(), job.windows, players, new Map());
	const { found } = await auto(game, { kmax, counts, budget: searchBudget(players, kmax, {}), seed: job.seed });
	const sets = Object.fromEntries(counts.map((k) => [k, found.byCount.get(k).removed]));
	const { source, count, seed } = job;
	searched.set(
		key,
		rows.put({ key, source, windows: count, seed, sets, masks: found.measured, seconds: round((Date.now() - started) / 1000, 1) }),
	);
	process.stderr.write(`${source} ${count}: ${Object.values(sets).map(formatBlocks).join("; ")} (${found.measured} masks)\n`);
}
if (searching !== model) await searching.dispose();

// Every set once on every text.
const evaluator = model.createEvaluator();
const wanted = new Map([[], ...[...searched.values()].flatMap(({ sets }) => Object.values(sets))].map((set) => [set.join(), set]));
const scored = new Map();
for (const [name, set] of wanted) {
	const key = JSON.stringify(["judged", name, Object.values(texts).map(hashWindows)]);
	let row = rows.get(key);
	if (!row) {
		const losses = {};
		for (const [text, windows] of Object.entries(texts)) {
			const [measured] = await evaluator.evaluate([Coalition.ofRemoved(players, set)], windows);
			losses[text] = { losses: Array.from(measured.losses, (x) => round(x)) };
		}
		row = rows.put({ key, removed: set, texts: losses });
	}
	scored.set(name, row);
}
await model.dispose();

const names = Object.keys(texts);
for (const k of counts) {
	const full = scored.get("");
	const lines = [...searched.values()].map(({ source, windows, seed, sets }) => {
		const row = scored.get(sets[k].join());
		return { source, windows, seed, set: sets[k], row, ...above(row, full) };
	});
	const best = lines.reduce((a, b) => (b.mean < a.mean ? b : a));
	const cells = lines.map(({ source, windows, seed, set, row, mean, texts: each }) => {
		const gap = above(row, best.row);
		const behind = row === best.row ? "" : ` (+${gap.mean.toFixed(3)} ± ${gap.standardError.toFixed(3)})`;
		return [source, windows, seed, formatBlocks(set), `+${mean.toFixed(3)}${behind}`, ...each.map((text) => `+${text.mean.toFixed(3)}`)];
	});
	process.stdout.write(`\n${k} of ${players} removed\n\n`);
	process.stdout.write(`${table(["searched on", "windows", "seed", "blocks", "mean (above the best)", ...names], cells)}\n`);
}
