// Regret of what whole jobs choose, on texts that none of them saw: several seeds, and several builds or options side by side.
//   node scripts/study/choice-regret.mjs MODEL.gguf --folder FOLDER --remove 6 --variant before=DIST --variant "after=DIST --racing"
//     --text a.txt --text b.txt [--seeds 10] [--windows 48] [--most 40] [--judge MODEL] [--threads N] [--options="--granularity half-block"] [--estimate]
// DIST is a built `dist/`; what follows it are options of that variant, --options are those of all. A name with ":3" has three seeds of its own.
// FOLDER keeps every plan, cache and measurement: a run that is stopped goes on. Candidates are all of that size that any ledger in FOLDER
// holds; the chosen ones and the --most lowest are measured. --judge MODEL measures on the unseen texts with another file of the same model,
// one of type Q8_0 for example, and --threads with so many.
// --estimate says how long it will take, from the runs that are there.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { load, mean, quantile, table } from "./lib.mjs";

const { Coalition } = await load("game/coalition.js");
const { meanLoss } = await load("game/game.js");
const { differences, meanAndError } = await load("game/statistics.js");
const { windowsOfDocuments, readDocuments } = await load("model/calibration/index.js");
const { modelHash } = await load("model/evaluation/kept.js");
const { Model } = await load("model/runtime/model.js");
const { Ledger } = await load("storage/ledger.js");
const { readPlan } = await load("storage/plan.js");

const { values: given, positionals } = parseArgs({
	allowPositionals: true,
	options: {
		folder: { type: "string" },
		remove: { type: "string", default: "6" },
		variant: { type: "string", multiple: true, default: [] },
		text: { type: "string", multiple: true, default: [] },
		options: { type: "string", default: "" },
		seeds: { type: "string", default: "10" },
		windows: { type: "string", default: "48" },
		most: { type: "string", default: "40" },
		judge: { type: "string" },
		threads: { type: "string" },
		estimate: { type: "boolean", default: false },
	},
});
const [model] = positionals;
if (!model || !given.folder || given.variant.length === 0 || given.text.length === 0)
	throw new Error("give MODEL.gguf, --folder, and at least one --variant and --text");
const words = (text) => text.split(" ").filter((word) => word !== "");
const variants = given.variant.map((text) => {
	const [first, ...rest] = text.split("=");
	const [name, own] = first.split(":");
	const [dist, ...options] = words(rest.join("="));
	return { name, dist, options, seeds: Number(own ?? given.seeds) };
});
const [count, windows, most] = [given.remove, given.windows, given.most].map(Number);
const seedsOf = ({ seeds }) => Array.from({ length: seeds }, (_, seed) => seed);
const threads = given.threads ? { threads: Number(given.threads) } : {};
const LENGTH = 256;
const folder = resolve(given.folder);
const planPath = ({ name }, seed) => join(folder, `${name}-${count}-${seed}.plan.json`);
const homeOf = ({ name }, seed) => join(folder, "homes", `${name}-${seed}`);

/** One job, in a home of its own: nothing that another seed or variant measured makes it faster. */
function runJob(variant, seed) {
	const path = planPath(variant, seed);
	if (existsSync(path)) return;
	const home = homeOf(variant, seed);
	mkdirSync(home, { recursive: true });
	const main = join(resolve(variant.dist), "cli/main.js");
	const asked = ["--remove-blocks", String(count), "--seed", String(seed), "--save-plan", path, "--quiet"];
	const started = Date.now();
	const args = [main, model, ...asked, ...words(given.options), ...variant.options];
	const { status, stderr } = spawnSync(process.execPath, args, { env: { ...process.env, PRUNE_GGUF_HOME: home }, encoding: "utf8" });
	if (status !== 0) throw new Error(`${variant.name}, seed ${seed}: exit code ${status}\n${stderr}`);
	writeFileSync(`${path}.seconds`, String((Date.now() - started) / 1000));
}

function ledgersIn(path) {
	if (!existsSync(path)) return [];
	const names = readdirSync(path, { recursive: true, encoding: "utf8" });
	return names.filter((name) => name.endsWith(".ledger.jsonl") && !name.includes("evaluation")).map((name) => join(path, name));
}

/** Every measured candidate of the size, those first that came out lowest in their ledgers. */
async function measuredSets(blocks) {
	const added = new Map();
	for (const path of ledgersIn(join(folder, "homes"))) {
		const { measurements } = await Ledger.read(path).catch(() => ({ measurements: [] }));
		const full = measurements.find(({ coalition }) => coalition.size === blocks);
		if (!full) continue;
		for (const one of measurements) {
			const rise = meanLoss(one) - meanLoss(full);
			if (one.coalition.size !== blocks - count || !Number.isFinite(rise)) continue;
			added.set(one.coalition.key, [...(added.get(one.coalition.key) ?? []), rise]);
		}
	}
	return [...added].sort(([, a], [, b]) => mean(a) - mean(b)).map(([key]) => Coalition.parse(key));
}

/** Losses of sets on a text by window, kept in FOLDER by the model that judges. */
async function lossesOn(text, sets, evaluator) {
	const judge = (await modelHash(evaluator.model.file, {})).slice(0, 12);
	const path = join(folder, `${count}-${text.replaceAll(/[^\w.-]+/g, "_")}-${windows}-${judge}.json`);
	const kept = existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : {};
	const missing = sets.filter(({ key }) => !kept[key]);
	if (missing.length > 0) {
		const dealt = windowsOfDocuments(evaluator.model, await readDocuments(text), { count: windows, length: LENGTH, name: text });
		await evaluator.evaluate(missing, dealt, {
			onCandidate: (index, { losses }) => {
				kept[missing[index].key] = Array.from(losses);
			},
		});
		writeFileSync(path, JSON.stringify(kept));
	}
	return new Map(sets.map(({ key }) => [key, Float64Array.from(kept[key])]));
}

const secondsOf = (variant) =>
	seedsOf(variant)
		.map((seed) => `${planPath(variant, seed)}.seconds`)
		.filter((path) => existsSync(path))
		.map((path) => Number(readFileSync(path, "utf8")));

function estimate() {
	const lines = variants.map((variant) => {
		const known = secondsOf(variant);
		const left = variant.seeds - known.length;
		return known.length === 0
			? `${variant.name}: unknown until one seed has run; ${left} runs left`
			: `${variant.name}: ${known.length} runs took ${mean(known).toFixed(0)} s each, ${((left * mean(known)) / 60).toFixed(0)} min left`;
	});
	const tokens = (most + variants.flatMap(seedsOf).length) * given.text.length * windows * LENGTH;
	process.stdout.write(
		`${lines.join("\n")}\nunseen texts: at most ${(tokens / 1e6).toFixed(1)} M prompt tokens, about 0.6 of them with shared work\n`,
	);
}

async function report() {
	const loaded = await Model.load(given.judge ?? model, threads);
	const { blocks } = loaded.facts;
	const chosen = [];
	for (const variant of variants) {
		for (const seed of seedsOf(variant)) {
			const { removed } = await readPlan(planPath(variant, seed));
			chosen.push({ variant: variant.name, seed, set: Coalition.ofRemoved(blocks, removed) });
		}
	}
	const found = await measuredSets(blocks);
	const sets = [...new Map([...chosen.map(({ set }) => set), ...found.slice(0, most)].map((set) => [set.key, set])).values()];
	const evaluator = loaded.createEvaluator({});
	const texts = [];
	for (const text of given.text) texts.push(await lossesOn(text, [Coalition.full(blocks), ...sets], evaluator));
	await loaded.dispose();
	const costOf = ({ key }) => mean(texts.map((losses) => mean([...losses.get(key)])));
	const best = sets.reduce((a, b) => (costOf(b) < costOf(a) ? b : a));
	// Paired by window, text by text; the mean over the texts.
	const errorOf = ({ key }) => {
		const errors = texts.map((losses) => meanAndError(differences(losses.get(key), losses.get(best.key))).standardError);
		return Math.sqrt(errors.reduce((sum, x) => sum + x * x, 0)) / texts.length;
	};
	const rows = variants.map(({ name }) => {
		const own = chosen.filter(({ variant }) => variant === name);
		const regrets = own.map(({ set }) => costOf(set) - costOf(best));
		const each = own.map(
			({ set, seed }) => `${seed}: ${set.removed().join(" ")} +${(costOf(set) - costOf(best)).toFixed(3)} ± ${errorOf(set).toFixed(3)}`,
		);
		const seconds = secondsOf(variants.find((one) => one.name === name));
		return [
			name,
			quantile(regrets, 0.5).toFixed(4),
			Math.max(...regrets).toFixed(4),
			mean(regrets).toFixed(4),
			mean(seconds).toFixed(0),
			each.join("; "),
		];
	});
	process.stdout.write(
		`${count} of ${blocks} blocks, ${variants.map(({ name, seeds }) => `${seeds} seeds of ${name}`).join(", ")}, ${sets.length} candidates on ${texts.length} unseen texts of ${windows} windows; the best removes ${best.removed().join(", ")}\n\n${table(["variant", "median regret", "worst", "mean", "seconds a job", "each seed"], rows)}\n`,
	);
}

if (given.estimate) estimate();
else {
	mkdirSync(folder, { recursive: true });
	// Interleaved, so that the machine is the same for all.
	const all = variants.flatMap((variant) => seedsOf(variant).map((seed) => ({ variant, seed })));
	for (const { variant, seed } of all.sort((a, b) => a.seed - b.seed)) runJob(variant, seed);
	await report();
}
