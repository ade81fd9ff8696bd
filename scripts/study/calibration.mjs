// How the choice depends on the searched text: sets found on several kinds and amounts of it, each scored on held-out texts.
//   node scripts/study/calibration.mjs --model MODEL.gguf --output OUT.json
//     [--remove 3,6,10]            blocks removed
//     [--sources own,prose,...]    see below
//                                  (`own:kl` and the like: by the divergence from the original model instead of the loss)
//     [--windows 10,40]            windows of 128 tokens that are searched
//     [--seeds 0]                  of the self-generated text and of the search
//     [--eval-windows 24]          windows of 256 tokens of each judged text
//     [--weights Q8_0]             type that the search runs on, as `--working-weights`: a file of it is made beside OUT.json
//     [--shared FOLDER] [--threads N]
// The searched text is the first half of a file, the judged one its second half. Self-generated text is judged in draws of other seeds.
// Two sets of questions with right answers are also judged, which nothing searches. The mean that compares sources is over the four texts
// that are not self-generated. The search is `auto` at the default effort, without the race. A row is kept in OUT.json as soon as it is
// measured, and not measured again.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { gunzipSync } from "node:zlib";
import { above, Rows, round } from "./healing-rows.mjs";
import { load, table, windowsAt } from "./lib.mjs";

const { auto } = await load("game/search/auto-method.js");
const { knowsChats, windowsOfDocuments, selfGeneratedWindows } = await load("model/calibration/index.js");
const { searchBudget } = await load("pipeline/methods/budget.js");
const { modelHash } = await load("model/evaluation/kept.js");
const { EvaluatorGame } = await load("pipeline/session/evaluator-game.js");
const { Coalition } = await load("game/coalition.js");
const { formatBlocks } = await load("notation.js");
const { Model } = await load("model/runtime/model.js");
const { quantizeFile } = await load("model/runtime/quantize.js");
const { concatWindows, hashWindows } = await load("model/runtime/windows.js");

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

/** Self-generated text of one kind: every second window of a draw is a chat. */
async function ownOf(model, kind, count, length, seed) {
	if (!knowsChats(model))
		throw new Error(
			"the model's file has no chat template: its self-generated text is all documents; leave out the sources documents and chats",
		);
	const drawn = await selfGeneratedWindows(model, { count: 2 * count, length, seed, mix: "chats" });
	return windowsAt(
		drawn,
		Array.from({ length: count }, (_, i) => 2 * i + kind),
	);
}

/** Questions that are judged as text. */
const away = ["piqa", "arc_easy"].map((name) => `eval/${name}.rc_0shot.jsonl.gz`);

/** Questions with their right answers, one per line. */
function questionText() {
	const lines = away.flatMap((name) =>
		gunzipSync(readFileSync(join(given.shared, name)))
			.toString()
			.trim()
			.split("\n"),
	);
	const asked = new Map(lines.map((line) => JSON.parse(line).doc).map(({ query, choices, gold }) => [query, `${query} ${choices[gold]}`]));
	return [{ text: [...asked.values()].join("\n") }];
}

/** Half of a file, cut at the end of a line. */
function half(name, which) {
	const text = readFileSync(join(given.shared, files[name]), "utf8");
	const middle = text.indexOf("\n", text.length / 2) + 1;
	return [{ text: which === 0 ? text.slice(0, middle) : text.slice(middle) }];
}

const ofFile = (name) => (model, count, length) => windowsOfDocuments(model, half(name, 0), { count, length, name: files[name] });

/** Windows to search on. */
const sources = {
	/** Half documents, half chats. */
	own: (model, count, length, seed) => selfGeneratedWindows(model, { count, length, seed, mix: "chats" }),
	documents: (model, count, length, seed) => ownOf(model, 0, count, length, seed),
	chats: (model, count, length, seed) => ownOf(model, 1, count, length, seed),
	wide: (model, count, length, seed) => selfGeneratedWindows(model, { count, length, seed, mix: "wide" }),
	...Object.fromEntries(Object.keys(files).map((name) => [name, ofFile(name)])),
	/** A quarter each of self-generated text and of the three files. */
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
	for (const name of Object.keys(files))
		texts[name] = windowsOfDocuments(model, half(name, 1), { count: evalWindows, length: 256, name: files[name] });
	texts.questions = windowsOfDocuments(model, questionText(), { count: evalWindows, length: 256, name: away.join() });
	return texts;
}

const rows = new Rows(given.output);
const model = await Model.load(given.model, { gpuLayers: 0, ...threads });
const players = model.facts.blocks;
const { units } = model.blocks;
const sha256 = await modelHash(model.file, {});
const kmax = Math.max(...counts);
const budget = searchBudget(players, kmax, {});
const texts = await judgedTexts(model);
const jobs = [];
for (const seed of numbers(given.seeds))
	for (const count of numbers(given.windows))
		for (const source of given.sources.split(","))
			jobs.push({ source, count, seed, windows: await sources[source.replace(":kl", "")](model, count, 128, seed) });

const searched = new Map();
let searching = model;
if (given.weights) {
	const copy = `${given.output}.${sha256.slice(0, 12)}.${given.weights}.gguf`;
	if (!existsSync(copy)) await quantizeFile(given.model, copy, given.weights);
	searching = await Model.load(copy, { gpuLayers: 0, ...threads });
}
const keyOf = ({ source, count, seed, windows }) =>
	JSON.stringify([sha256, source, count, seed, hashWindows(windows), counts, given.weights ?? "own", budget]);
for (const job of jobs) {
	const key = keyOf(job);
	const known = rows.get(key) ?? {};
	if (known.sets) {
		searched.set(key, known);
		continue;
	}
	const started = Date.now();
	const evaluator = searching.createEvaluator();
	const all = Coalition.full(players);
	const reference = job.source.endsWith(":kl") ? await evaluator.createReference(all, job.windows, { maxBytes: 2 ** 32 }) : undefined;
	const game = new EvaluatorGame(evaluator, job.windows, { reference });
	const { found } = await auto(game, { kmax, counts, budget, seed: job.seed, ...(units ? { units } : {}) });
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
	const key = JSON.stringify([sha256, "judged", name, Object.values(texts).map(hashWindows)]);
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
/** The texts that are not self-generated. */
const others = ({ texts: each }) => ({ texts: Object.fromEntries(Object.entries(each).filter(([name]) => !name.startsWith("own "))) });
for (const k of counts) {
	const full = scored.get("");
	const lines = [...searched.values()].map(({ source, windows, seed, sets }) => {
		const row = scored.get(sets[k].join());
		return { source, windows, seed, set: sets[k], row, ...above(row, full), away: above(others(row), others(full)).mean };
	});
	const best = lines.reduce((a, b) => (b.away < a.away ? b : a));
	const cells = lines.map(({ source, windows, seed, set, row, mean, away: meanOfOthers, texts: each }) => {
		const gap = above(others(row), others(best.row));
		const behind = row === best.row ? "" : ` (+${gap.mean.toFixed(3)} ± ${gap.standardError.toFixed(3)})`;
		return [
			source,
			windows,
			seed,
			formatBlocks(set),
			`+${meanOfOthers.toFixed(3)}${behind}`,
			`+${mean.toFixed(3)}`,
			...each.map((text) => `+${text.mean.toFixed(3)}`),
		];
	});
	process.stdout.write(`\n${k} of ${players} removed\n\n`);
	process.stdout.write(
		`${table(["searched on", "windows", "seed", "blocks", "mean of the other texts (above the best)", "mean of all", ...names], cells)}\n`,
	);
}
