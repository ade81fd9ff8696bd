// The effect of healing, and of other methods that need no training, on text that nothing else uses.
//   node scripts/study/healing.mjs --model MODEL.gguf --sets "12-17;13-18" --output OUT.json
//     [--judge FILE,FILE]        judged texts (default: WikiText-2 and Moby-Dick of the shared folder)
//     [--windows 40]             windows of 256 tokens of each judged text, its first
//     [--tokens 5000,25600]      tokens to fit to
//     [--source own,FILE]        text to fit to: self-generated text, or the beginning of a file
//     [--methods ours,map,...]   ours (what --heal does), heads (with --heal-heads), map (ReplaceMe), refit (ridge 0.1, as the prototype), rescale (Prune&Comp);
//                                feed-forward, attention, both (which matrices beside half-block cuts are fitted, otherwise as ours); unhealed always
//     [--type same,auto]         types of the healed matrices, the same for all methods; with same all files of a set are equally large
//     [--search]                 also look for the set that each method heals best, from the given ones, with the first text of --tokens
//     [--questions piqa,arc_easy --limit 200]
//     [--quick]                  to try it: 4 windows, 2,048 tokens, 4 sets in a search, 20 questions
//     [--seed 0] [--threads N] [--reference-bytes 2^30 a text] [--shared FOLDER]
// A row is kept in OUT.json as soon as it is measured, and not measured again by the same code (healing-code.mjs); text is drawn into
// OUT.json.text, so that the seconds of drawing it are those of this study. Tables are of all rows in OUT.json (healing-table.mjs).
// The windows of a run of the product with that seed decide: the search split between variants, and the validation split whether the result
// is kept. `ours` and `heads` read the search split by the divergence from the original model, as the product does; `map` and `rescale` read
// it by the loss. All of them decide alike whether a result is kept.
import { realpathSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Questions, Texts } from "./healing-measures.mjs";
import { fitted, methods } from "./healing-methods.mjs";
import { Rows } from "./healing-rows.mjs";
import { Study } from "./healing-study.mjs";
import { tablesOf } from "./healing-table.mjs";
import { load } from "./lib.mjs";

const { blocksOption } = await load("cli/coerce.js");
const { modelHash } = await load("model/evaluation/kept.js");
const { healTypes } = await load("model/fitting/kinds.js");
const { Model } = await load("model/runtime/model.js");

/** Tokens in a judged window. */
const length = 256;

const { values: given } = parseArgs({
	options: {
		...Object.fromEntries(
			["model", "sets", "output", "judge", "windows", "tokens", "questions", "limit", "threads"].map((name) => [name, { type: "string" }]),
		),
		source: { type: "string", default: "own" },
		methods: { type: "string", default: "ours,heads,map,refit,rescale" },
		search: { type: "boolean", default: false },
		quick: { type: "boolean", default: false },
		type: { type: "string", default: "same,auto" },
		seed: { type: "string", default: "0" },
		"reference-bytes": { type: "string", default: String(2 ** 30) },
		shared: { type: "string", default: fileURLToPath(new URL("../../../shared/", import.meta.url)) },
	},
});
const { model: path, shared, quick, output } = given;
if (!path || !given.sets || !output) throw new Error("give --model, --sets and --output");
const seed = Number(given.seed);
const windows = Number(given.windows ?? (quick ? 4 : 40));
const amounts = (given.tokens ?? (quick ? "2048" : "25600")).split(",").map(Number);
const limit = given.limit === undefined ? (quick ? 20 : undefined) : Number(given.limit);
const sets = given.sets.split(";").map(blocksOption("sets"));
const wanted = listed("methods", Object.keys(methods)).filter(fitted);
const types = listed("type", healTypes);
const judged = given.judge?.split(",") ?? ["eval/wikitext-2.valid.txt", "text/moby-dick.txt"].map((name) => join(shared, name));
const questionFiles = new Map(
	(given.questions?.split(",") ?? []).map((name) => [
		`${name}${limit ? `:${limit}` : ""}`,
		join(shared, "eval", `${name}.rc_0shot.jsonl.gz`),
	]),
);
const sources = given.source.split(",");
for (const file of sources.filter((source) => source !== "own"))
	if (judged.some((text) => realpathSync(text) === realpathSync(file))) throw new Error(`--source: ${file} is judged on`);

/** A list of known names. */
function listed(name, known) {
	const list = given[name].split(",");
	const unknown = list.find((one) => !known.includes(one));
	if (unknown) throw new Error(`--${name}: there is no ${unknown}, only ${known.join(", ")}`);
	return list;
}

const rows = new Rows(output);
const model = await Model.load(path, { gpuLayers: 0, ...(given.threads ? { threads: Number(given.threads) } : {}) });
try {
	const evaluator = model.createEvaluator();
	const study = new Study({
		...{ model, evaluator, seed, windows, rows, questionFiles, folder: `${output}.text`, mostSets: quick ? 4 : 12 },
		judgedBy: given.judge ? judged.map((text) => basename(text)) : [],
		sha256: await modelHash(model.file, {}),
		texts: await Texts.open(model, evaluator, judged, { windows, length, bytes: Number(given["reference-bytes"]) }),
		questions: new Questions(model, evaluator, limit),
		say: (text) => process.stderr.write(`${text}\n`),
	});
	await study.open();
	const fits = [];
	for (const source of sources) for (const tokens of amounts) fits.push(await study.fitOf(source, tokens));
	const measure = async (set, some) => {
		await study.measured(set, "unhealed");
		for (const type of types) for (const fit of fits) for (const method of some) await study.measured(set, method, fit, type);
	};
	for (const set of sets) await measure(set, wanted);
	for (const size of given.search ? [...new Set(sets.map((set) => set.length))] : []) {
		const starts = sets.filter((set) => set.length === size);
		await study.measured(await study.searched(starts, "unhealed"), "unhealed");
		for (const type of types) for (const method of wanted) await measure(await study.searched(starts, method, fits[0], type), [method]);
	}
	process.stdout.write(`${tablesOf(rows.all()).join("\n\n")}\n`);
} finally {
	await model.dispose();
}
