// What healing gives, and what other methods that need no training give, on text that nothing else uses.
//   node scripts/study/healing.mjs --model MODEL.gguf --sets "12-17;13-18" --output OUT.json
//     [--windows 40]             windows of 256 tokens of each judged text, its first
//     [--tokens 5000,25600]      tokens to fit to
//     [--source own,FILE]        text to fit to: the model's own samples, or the beginning of a file
//     [--methods ours,map,...]   unhealed, ours, map (ReplaceMe), refit (the prototype), rescale (Prune&Comp)
//     [--search]                 also look for the set that each method heals best, from the given ones, with the first text of --tokens
//     [--questions piqa,arc_easy --limit 200]
//     [--type auto] [--seed 0] [--threads N] [--reference-bytes 2^30 a text] [--shared FOLDER]
// A row is kept in OUT.json as soon as it is measured, and not measured again. What decides between variants
// (the search fold) and whether ours is applied at all (the validation fold) are the windows of a run of the product with that seed.
import { realpathSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Questions, round, Texts, windowsOf } from "./healing-measures.mjs";
import { fitted, maskOf, methods, raceOf } from "./healing-methods.mjs";
import { figures, Rows, tableOf } from "./healing-rows.mjs";
import { load, table } from "./lib.mjs";

const { calibrationOf } = await load("calibration-windows.js");
const { blocksOption } = await load("cli/coerce.js");
const { modelHash } = await load("evaluation/kept.js");
const { healText, healWindows } = await load("heal-windows.js");
const { restore } = await load("healing/heal.js");
const { shiftedRuns } = await load("healing/neighbours.js");
const { addedBytes } = await load("healing/tensors.js");
const { lower, pairedDifference } = await load("model-figures.js");
const { formatBlocks } = await load("report/format.js");
const { Model } = await load("runtime/model.js");
const { firstWindows, hashWindows } = await load("runtime/windows.js");
const { meanAndError } = await load("statistics.js");
const { makeRunFolder } = await load("storage/runs.js");

/** Tokens in a judged window. */
const length = 256;
/** Of a search, as in the product's race (heal-race.ts): sets that are healed at most, and tokens that are fitted to. */
const mostSets = 12;
const raceTokens = 6400;

const { values: given } = parseArgs({
	options: {
		...Object.fromEntries(["model", "sets", "output", "questions", "limit", "threads"].map((name) => [name, { type: "string" }])),
		windows: { type: "string", default: "40" },
		tokens: { type: "string", default: "25600" },
		source: { type: "string", default: "own" },
		methods: { type: "string", default: Object.keys(methods).join() },
		search: { type: "boolean", default: false },
		type: { type: "string", default: "auto" },
		seed: { type: "string", default: "0" },
		"reference-bytes": { type: "string", default: String(2 ** 30) },
		shared: { type: "string", default: fileURLToPath(new URL("../../../shared/", import.meta.url)) },
	},
});
const { model: path, type, shared } = given;
if (!path || !given.sets || !given.output) throw new Error("give --model, --sets and --output");
const seed = Number(given.seed);
const windows = Number(given.windows);
const limit = given.limit === undefined ? undefined : Number(given.limit);
const sets = given.sets.split(";").map(blocksOption("sets"));
const wanted = given.methods.split(",");
const unknown = wanted.find((name) => !(name in methods));
if (unknown) throw new Error(`--methods: there is no ${unknown}, only ${Object.keys(methods).join(", ")}`);
const judged = ["eval/wikitext-2.valid.txt", "text/moby-dick.txt"].map((name) => join(shared, name));
const questionFiles = new Map(
	(given.questions?.split(",") ?? []).map((name) => [
		`${name}${limit ? `:${limit}` : ""}`,
		join(shared, "eval", `${name}.rc_0shot.jsonl.gz`),
	]),
);
const sources = given.source.split(",");
for (const file of sources.filter((source) => source !== "own"))
	if (judged.some((text) => realpathSync(text) === realpathSync(file))) throw new Error(`--source: ${file} is judged on`);

const say = (text) => process.stderr.write(`${text}\n`);
const rows = new Rows(given.output);
const model = await Model.load(path, { gpuLayers: 0, ...(given.threads ? { threads: Number(given.threads) } : {}) });
const evaluator = model.createEvaluator();
const sha256 = await modelHash(model.file, {});
const folder = await makeRunFolder({ name: basename(path), sha256 });
const { folds } = await calibrationOf(model, folder, seed, {});
const texts = await Texts.open(model, evaluator, judged, { windows, length, bytes: Number(given["reference-bytes"]) });
const questions = new Questions(model, evaluator, limit);
const common = [sha256.slice(0, 12), seed, type];

async function fitOf(source, tokens) {
	const started = Date.now();
	const text = healText(model, tokens, seed);
	const drawn =
		source === "own"
			? await healWindows(model, folder, text, {})
			: await windowsOf(model, source, Math.ceil(tokens / text.length), text.length);
	const seconds = (Date.now() - started) / 1000;
	say(`${drawn.tokens.length} tokens of ${source}: ${seconds.toFixed(1)} s`);
	return { source: basename(source), tokens: drawn.tokens.length, seconds, sha256: hashWindows(drawn).slice(0, 12), windows: drawn };
}

/** Runs `use` with the set healed, and puts the file's own values back. */
async function healed(removed, method, fit, use) {
	const started = Date.now();
	const result = await methods[method]({ model, evaluator, removed, fit: fit?.windows, tuning: folds.search, type });
	const seconds = (Date.now() - started) / 1000;
	try {
		return await use({ ...result, seconds });
	} finally {
		await restore(model, result.tensors);
	}
}

async function lossesOn(fold, removed) {
	const [{ losses }] = await evaluator.evaluate([maskOf(model, removed)], fold);
	return losses;
}

/** A row of the table: read, or what is missing of it measured. */
async function measured(removed, method, fit) {
	const key = ["row", ...common, windows, removed.join(), method, fit?.sha256 ?? "-"].join("|");
	const known = rows.get(key);
	const missing = [...questionFiles].filter(([name]) => !known?.questions?.[name]);
	if (known && missing.length === 0) return known;
	await texts.prepare();
	const before = fit && (await lossesOn(folds.validation, removed));
	const row = await healed(removed, method, fit, async ({ tensors, cuts, seconds }) => {
		const validation = fit && verdict(before, tensors.length > 0 ? await lossesOn(folds.validation, removed) : before);
		// The product leaves a model unhealed where that is not known to be better: so it is judged.
		if (method === "ours" && !validation.applied) await restore(model, tensors);
		const answers = { ...known?.questions };
		for (const [name, file] of missing) answers[name] = await questions.measure(file, removed);
		const { windows: _, seconds: drawing, ...fittedTo } = fit ?? {};
		const fields = fit
			? { fit: fittedTo, drawing, seconds: round(seconds, 2), addedBytes: addedBytes(model.file, tensors), cuts, validation }
			: {};
		return {
			key,
			model: basename(path),
			removed,
			method,
			type,
			seed,
			...fields,
			texts: known?.texts ?? (await texts.measure(removed)),
			questions: answers,
		};
	});
	Object.assign(row, unpruned ? figures(row, unpruned) : {});
	rows.put(row);
	say(`${formatBlocks(removed)} ${method} ${fit?.tokens ?? ""}: ${row.added?.mean.mean ?? "-"} (${row.seconds ?? 0} s)`);
	return row;
}

function verdict(before, after) {
	const { mean, standardError } = pairedDifference({ losses: before }, { losses: after });
	return {
		difference: round(mean ?? Number.NaN),
		standardError: round(standardError ?? Number.NaN),
		applied: lower({ mean, standardError }, before.length) === "second",
	};
}

/** The set of a size that a method heals best: from the given ones to neighbours, as long as that helps. */
async function searched(starts, method, fit) {
	const race = raceOf(method);
	const few = fitted(race) ? { ...fit, windows: firstWindows(fit.windows, Math.ceil(raceTokens / fit.windows.length)) } : undefined;
	const losses = new Map();
	const lossOf = async (removed) => {
		const key = ["search", ...common, removed.join(), race, few?.sha256 ?? "-"].join("|");
		if (!rows.get(key)) {
			const loss = await healed(removed, race, few, async () => meanAndError(await lossesOn(folds.validation, removed)).mean);
			rows.put({ key, kind: "search", removed, race, loss: round(loss) });
		}
		losses.set(removed.join(), rows.get(key).loss ?? Number.POSITIVE_INFINITY);
		return losses.get(removed.join());
	};
	let best = starts[0];
	const better = async (candidates) => {
		let found = false;
		for (const set of candidates) {
			if (losses.size >= mostSets && !losses.has(set.join())) break;
			if ((await lossOf(set)) < (await lossOf(best))) [best, found] = [set, true];
		}
		return found;
	};
	const allowed = (set) => model.blocks.check(set) === undefined && model.blocks.unwritable(set) === undefined;
	await better(starts);
	while (await better(shiftedRuns(best, model.facts.blocks).filter(allowed)));
	say(`best for ${method}: ${formatBlocks(best)}, ${losses.size} sets tried`);
	return { method, removed: best, tried: losses.size, loss: losses.get(best.join()) };
}

let unpruned;
try {
	unpruned = await measured([], "unhealed");
	const shown = [];
	const add = async (...row) => {
		const done = await measured(...row);
		if (!shown.includes(done)) shown.push(done);
	};
	const fits = [];
	for (const source of sources) for (const tokens of given.tokens.split(",").map(Number)) fits.push(await fitOf(source, tokens));
	for (const set of sets) {
		if (wanted.includes("unhealed")) await add(set, "unhealed");
		for (const fit of fits) for (const method of wanted.filter(fitted)) await add(set, method, fit);
	}
	const best = [];
	for (const size of given.search ? [...new Set(sets.map((set) => set.length))] : []) {
		const starts = sets.filter((set) => set.length === size);
		for (const method of wanted) best.push(await searched(starts, method, fits[0]));
	}
	for (const { removed, method } of best) {
		if (wanted.includes("unhealed")) await add(removed, "unhealed");
		for (const fit of fitted(method) ? fits : []) await add(removed, method, fit);
	}
	process.stdout.write(`${basename(path)}. ${tableOf(unpruned, shown, [...questionFiles.keys()])}\n`);
	if (best.length > 0) {
		const lines = best.map((one) => [one.removed.length, one.method, formatBlocks(one.removed), one.loss.toFixed(3), one.tried]);
		process.stdout.write(`\n${table(["blocks", "method", "best set found", "validation loss", "sets tried"], lines)}\n`);
	}
} finally {
	await model.dispose();
}
