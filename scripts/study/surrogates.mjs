// Surrogates side by side on unseen masks: R2 and Spearman over all and within each size, both baselines, coverage.
//   node scripts/study/surrogates.mjs GAME.jsonl.gz|RUN.ledger.jsonl... [--masks 200,400,800] [--seed 0] [--remove 3,6,10] [--random 999] [--paper 989]
// A game gives all its sets: random ones of 1 to 8 removed blocks, and those of the paper's strata. A ledger from `compare` gives the sets
// that its methods `random` and `paper` drew, repeated by the seed (`--random`, `--paper`: how many each was to draw).
// Each mask is held out once, in five parts; the surrogate is fitted to the other parts, the single removals and the original model.
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { commandArguments, kmax, load, readGame, table } from "./lib.mjs";

const { randomSets } = await load("model/baselines/random.js");
const { Coalition, distinct } = await load("game/coalition.js");
const { windowDesign } = await load("game/designs.js");
const { meanLoss } = await load("game/game.js");
const { Random } = await load("game/random.js");
const { toSample } = await load("game/sample.js");
const { drawStrata, strataSizes } = await load("game/strata.js");
const { batchFor } = await load("game/search/paper-repaired.js");
const { fitGpHamming } = await load("game/surrogate/gp-hamming.js");
const { crossJudge } = await load("game/surrogate/judge.js");
const { fitMixedGp } = await load("game/surrogate/mixed-gp.js");
const { fitMlp } = await load("game/surrogate/mlp.js");
const { fitPairwise } = await load("game/surrogate/pairwise.js");

const { paths, take } = commandArguments();
const numbers = (text) => text.split(",").map(Number);
const budgets = numbers(take("--masks", "100,200,400,800"));
const seed = Number(take("--seed", 0));
const removed = numbers(take("--remove", "3,6,10"));
const [drawnAtRandom, drawnByPaper] = [Number(take("--random", 999)), Number(take("--paper", 989))];

const families = {
	"the paper's network, as published": (samples) => fitMlp(samples, { seed }),
	"the paper's network, as many steps as with 8,000": (samples) => fitMlp(samples, { seed, batch: batchFor(samples.length) }),
	"pairwise ridge": (samples) => fitPairwise(samples),
	"Gaussian process, additive and Hamming": (samples) => fitGpHamming(samples),
	"Gaussian process, mixed (auto)": (samples) => fitMixedGp(samples),
};

/** The data of a model: a sample of each mask, and the designs to judge on, in the order of their draws. */
function open(path) {
	if (!path.endsWith(".ledger.jsonl")) {
		const game = readGame(path);
		const board = game.fresh();
		const random = new Random(seed);
		const window = windowDesign(board, { kmax, count: 1200, random: random.fork("window") });
		const paper = distinct(drawStrata(board, { sizes: strataSizes(game.n), count: 1200, random: random.fork("paper"), distinct: true }));
		return {
			name: game.name,
			n: game.n,
			byKey: game.byKey,
			designs: { "1 to 8 removed": random.shuffle(window), "the paper's strata": random.shuffle(paper) },
		};
	}
	const lines = readFileSync(path, "utf8")
		.trim()
		.split("\n")
		.slice(1)
		.map((line) => JSON.parse(line));
	const measured = lines.map(({ mask, losses }) => ({
		coalition: Coalition.parse(mask),
		losses: losses.map((x) => x ?? Number.POSITIVE_INFINITY),
	}));
	const n = measured[0].coalition.players;
	const full = meanLoss(measured.find(({ coalition }) => coalition.size === n));
	const byKey = new Map(measured.map((one) => [one.coalition.key, toSample(one.coalition, meanLoss(one), full)]));
	const board = { players: n, frozen: new Map(), allows: () => true };
	const random = randomSets(board, { counts: removed, masks: drawnAtRandom, random: new Random(seed).fork("random sets") });
	const paper = distinct(drawStrata(board, { sizes: strataSizes(n), count: drawnByPaper, random: new Random(seed).fork("masks") }));
	const order = new Random(seed);
	return {
		name: basename(path),
		n,
		byKey,
		designs: { [`${removed.join(", ")} removed`]: order.shuffle(random), "the paper's strata": order.shuffle(paper) },
	};
}

const show = (value) => (Number.isFinite(value) ? value.toFixed(2) : "-");
for (const path of paths) {
	const { name, n, byKey, designs } = open(path);
	const singles = Array.from({ length: n }, (_, i) => byKey.get(Coalition.ofRemoved(n, [i]).key));
	const critical = singles.flatMap((sample, i) => (sample?.addedLoss > Math.LN2 ? [i] : []));
	for (const [design, masks] of Object.entries(designs)) {
		const known = masks.map(({ key }) => byKey.get(key)).filter(Boolean);
		const rows = [];
		for (const count of new Set(budgets.map((budget) => Math.min(budget, known.length)))) {
			const judged = known.slice(0, count);
			const keys = new Set(judged.map(({ coalition }) => coalition.key));
			const samples = [
				...new Map(
					[byKey.get(Coalition.full(n).key), ...singles, ...judged].filter(Boolean).map((one) => [one.coalition.key, one]),
				).values(),
			];
			for (const [family, learn] of Object.entries(families)) {
				const started = performance.now();
				const found = await crossJudge(samples, keys, learn, { seed, critical });
				if (!found) continue;
				const { r2, spearman, within, baselines, coverage90 } = found;
				const { stratumMean, criticalKept } = baselines;
				const seconds = ((performance.now() - started) / 5000).toFixed(1);
				rows.push([count, family, ...[r2, spearman, within.r2, within.spearman, coverage90].map(show), seconds]);
				if (family === Object.keys(families).at(-1)) {
					rows.push([count, "mean of the size", ...[stratumMean.r2, stratumMean.spearman].map(show), "0", "-", "-", "-"]);
					if (criticalKept)
						rows.push([count, "all critical blocks kept", ...[criticalKept.r2, criticalKept.spearman].map(show), "-", "-", "-", "-"]);
				}
			}
		}
		process.stdout.write(
			`\n${name}, ${design}: ${known.length} of ${masks.length} masks known, ${((100 * known.filter(({ value }) => value > 0.05).length) / Math.max(1, known.length)).toFixed(0)} % with v above 0.05; critical ${critical.join(", ") || "none"}\n\n`,
		);
		process.stdout.write(
			`${table(["masks", "surrogate", "R2", "Spearman", "R2 within", "Spearman within", "in 90 %", "s a fit"], rows)}\n`,
		);
	}
}
