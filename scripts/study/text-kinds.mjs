// Which kind of self-generated text chooses best on texts of others: candidates whose losses there are known, measured on each kind.
//   node scripts/study/text-kinds.mjs MODEL.gguf --judged TEXT.json [--judged ...] --output OUT.json [--windows 40] [--most 24] [--seed 4242]
//     [--kinds documents,chats,openings,"half of documents","quarter of documents"] [--draws 2000] [--threads N]
// TEXT.json is what `choice-regret.mjs` keeps of a text: losses by window of each candidate, by its mask. The --most candidates that are lowest
// there take part. Windows have 128 tokens; OUT.json keeps a kind as soon as it is measured. Printed are the divergences from the original model,
// and the regret of a choice by so many windows of each kind, drawn again and again (bootstrap).
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { load, mean, quantile, table, windowsAt } from "./lib.mjs";

const { Coalition } = await load("game/coalition.js");
const { Random } = await load("game/random.js");
const { drawPositions } = await load("model/calibration/positions.js");
const { selfGeneratedText } = await load("model/calibration/self-generated.js");
const { Model } = await load("model/runtime/model.js");
const { formatBlocks } = await load("notation.js");

const { values: given, positionals } = parseArgs({
	allowPositionals: true,
	options: {
		judged: { type: "string", multiple: true, default: [] },
		output: { type: "string" },
		windows: { type: "string", default: "40" },
		most: { type: "string", default: "24" },
		seed: { type: "string", default: "4242" },
		kinds: { type: "string", default: "documents,chats,openings" },
		draws: { type: "string", default: "2000" },
		threads: { type: "string" },
	},
});
const [path] = positionals;
if (!path || !given.output || given.judged.length === 0) throw new Error("give MODEL.gguf, --judged and --output");
const [count, most, seed, draws] = [given.windows, given.most, given.seed, given.draws].map(Number);
const length = 128;
const isOpening = (kind) => kind !== "document" && kind !== "chat";
/** What draws windows of a kind; half of them or more are of it, but for openings that the model cannot go on with. */
const drawn = {
	documents: { mix: "documents", is: (kind) => kind === "document" },
	chats: { mix: "chats", is: (kind) => kind === "chat" },
	openings: { mix: "wide", is: isOpening },
	// The same windows, of which only a share of the positions is scored: by how much a search would be faster, and less sure.
	"half of documents": { mix: "documents", is: (kind) => kind === "document", share: 0.5 },
	"quarter of documents": { mix: "documents", is: (kind) => kind === "document", share: 0.25 },
};
/** Numbers of windows of each kind that choose. */
const mixes = [
	{ documents: 5 },
	{ "half of documents": 5 },
	{ "quarter of documents": 5 },
	{ documents: 3 },
	{ "half of documents": 10 },
	{ documents: 3, chats: 2 },
	{ documents: 3, openings: 2 },
	{ openings: 5 },
	{ documents: 15 },
	{ documents: 8, chats: 7 },
	{ documents: 8, openings: 7 },
	{ openings: 15 },
	{ chats: 15 },
	{ documents: 30 },
	{ documents: 15, chats: 15 },
	{ chats: 30 },
];

const judged = given.judged.map((file) => JSON.parse(readFileSync(file, "utf8")));
const lossOf = (mask) => mean(judged.map((losses) => mean(losses[mask])));
const masks = Object.keys(judged[0])
	.filter((mask) => mask.includes("0"))
	.sort((a, b) => lossOf(a) - lossOf(b))
	.slice(0, most);
const removedOf = (mask) => [...mask].flatMap((block, i) => (block === "0" ? [i] : []));
const regrets = masks.map((mask) => lossOf(mask) - lossOf(masks[0]));

const key = JSON.stringify([path, count, seed, masks]);
const kept = existsSync(given.output) ? JSON.parse(readFileSync(given.output, "utf8")) : { key, kinds: {} };
if (kept.key !== key) throw new Error(`${given.output} holds another model, other windows or candidates: give another --output`);
const wanted = given.kinds.split(",");
if (wanted.some((kind) => !kept.kinds[kind])) {
	const model = await Model.load(path, { gpuLayers: 0, ...(given.threads ? { threads: Number(given.threads) } : {}) });
	for (const kind of wanted.filter((one) => !kept.kinds[one])) {
		const windows = await windowsOf(model, kind);
		const started = performance.now();
		kept.kinds[kind] = await divergences(model, windows, drawn[kind].share);
		writeFileSync(given.output, JSON.stringify(kept));
		process.stderr.write(`${kind}: measured in ${((performance.now() - started) / 1000).toFixed(0)} s\n`);
	}
	await model.dispose();
}

async function windowsOf(model, kind) {
	const { mix, is } = drawn[kind];
	const { windows, kinds } = await selfGeneratedText(model, { count: 2 * count, length, seed, mix });
	const places = kinds.flatMap((one, i) => (is(one) ? [i] : [])).slice(0, count);
	if (places.length < count) throw new Error(`only ${places.length} windows of ${kind}: give --windows ${places.length} or another --seed`);
	return windowsAt(windows, places);
}

/** Divergence of each candidate in each window, in nats per token. */
async function divergences(model, windows, share) {
	const players = model.facts.blocks;
	const evaluator = model.createEvaluator();
	const positions = share && drawPositions(windows, { share, seed });
	const reference = await evaluator.createReference(Coalition.full(players), windows, {
		maxBytes: 2 ** 34,
		...(positions && { positions }),
	});
	const sets = masks.map((mask) => Coalition.ofRemoved(players, removedOf(mask)));
	return (await evaluator.evaluate(sets, windows, { reference, ...(positions && { positions }) })).map(({ divergences: each }) =>
		Array.from(each),
	);
}

/** Candidates (0 to --most - 1) that are chosen by windows that are drawn from those of each kind. */
function choices(mix) {
	const random = new Random(1);
	return Array.from({ length: draws }, () => {
		const sums = masks.map(() => 0);
		for (const [kind, windows] of Object.entries(mix)) {
			const rows = kept.kinds[kind];
			for (let i = 0; i < windows; i++) {
				const at = random.integer(rows[0].length);
				for (const [set, row] of rows.entries()) sums[set] += row[at];
			}
		}
		return sums.indexOf(Math.min(...sums));
	});
}

const nats = (x) => x.toFixed(3);
const rows = masks.map((mask, i) => [
	formatBlocks(removedOf(mask)),
	nats(regrets[i]),
	...wanted.map((kind) => nats(mean(kept.kinds[kind][i]) - mean(kept.kinds[kind][0]))),
]);
process.stdout.write(`${table(["removed", "texts of others", ...wanted], rows)}\n\n`);
// Divergence on all chats above the lowest; the choice may be by some of them.
const chatMeans = (kept.kinds.chats ?? []).map(mean);
const onChats = masks.map((_, set) => (chatMeans[set] ?? Number.NaN) - Math.min(...chatMeans));
const chosen = mixes
	.filter((mix) => Object.keys(mix).every((kind) => kept.kinds[kind]))
	.map((mix) => {
		const sets = choices(mix);
		const found = sets.map((set) => regrets[set]);
		const bad = found.filter((regret) => regret > 0.06).length / found.length;
		return [
			Object.entries(mix)
				.map(([kind, windows]) => `${windows} ${kind}`)
				.join(", "),
			...[mean(found), quantile(found, 0.5), Math.max(...found)].map(nats),
			`${(100 * bad).toFixed(1)} %`,
			nats(mean(sets.map((set) => onChats[set]))),
		];
	});
process.stdout.write(`${table(["windows", "mean regret", "median", "worst", "above 0.06", "on chats"], chosen)}\n`);
