// Regret of every search relative to the true optimum for 1..8 removed blocks on measured games.
//   node scripts/study/regrets.mjs GAME.jsonl.gz... [--seeds 20] [--only NAME] [--json OUT.json]
import { writeFileSync } from "node:fs";
import { commandArguments, kmax, load, mean, quantile, readGame, table } from "./lib.mjs";

const { exactShapley } = await load("game/attribution/exact.js");
const { surrogateContributions } = await load("game/attribution/paper.js");
const { auto } = await load("game/search/auto-method.js");
const { searchBudget } = await load("pipeline/methods/budget.js");
const { Random } = await load("game/random.js");
const { drawStrata, strataSizes } = await load("game/strata.js");
const { windowDesign } = await load("game/designs.js");
const { paperRepaired } = await load("game/search/paper-repaired.js");
const { activeSearch } = await load("game/search/active.js");
const { beamSearch } = await load("game/search/beam.js");
const { contiguous } = await load("game/search/contiguous.js");
const { evolutionary } = await load("game/search/evolutionary.js");
const { greedy, lazyGreedy } = await load("game/search/greedy.js");
const { leaveOneOut, rankAndCut } = await load("game/search/ranked.js");
const { inRounds } = await load("game/search/rounds.js");
const { swapSearch } = await load("game/search/swap.js");
const { fitMlp } = await load("game/surrogate/mlp.js");
const { fitPairwise } = await load("game/surrogate/pairwise.js");

const { paths, take } = commandArguments();
const seeds = Number(take("--seeds", 20));
const only = take("--only");
const json = take("--json");
const counts = Array.from({ length: kmax }, (_, i) => i + 1);

/** The paper as published: strata with replacement, its network, step 4, one ranking. */
async function paper(game, table, count, seed) {
	const sizes = strataSizes(game.n);
	const random = new Random(seed);
	const masks = drawStrata(table, { sizes, count, random });
	await table.measure(masks);
	const network = await fitMlp(
		masks.map((set) => game.byKey.get(set.key)),
		{ seed },
	);
	const { contributions } = await surrogateContributions(network, drawStrata(table, { sizes, count: 80_000, random }));
	return rankAndCut(table, contributions, { kmax, criticalLoss: Number.POSITIVE_INFINITY });
}

/** The best of random sets, with the budget shared by the sizes. */
async function randomBest(game, table, count, seed) {
	const drawn = windowDesign(table, { kmax, count, random: new Random(seed), keep: game.critical });
	await table.measure(drawn);
	const byCount = new Map();
	for (const set of drawn) {
		const k = game.n - set.size;
		const { addedLoss } = game.byKey.get(set.key);
		if (!(byCount.get(k)?.addedLoss <= addedLoss)) byCount.set(k, { removed: set.removed(), addedLoss });
	}
	return { byCount };
}

/** A run for each size by itself, at the default effort. */
async function eachSize(game, seed) {
	const byCount = new Map();
	const masks = [];
	for (const k of counts) {
		const fresh = game.fresh();
		const budget = searchBudget(game.n, k, { effort: "standard" });
		const { found } = await auto(fresh, { kmax: k, counts: [k], budget, seed });
		byCount.set(k, found.byCount.get(k));
		masks.push(fresh.evaluated);
	}
	return { byCount, masks: mean(masks) };
}

/** Search of a fresh table; `once`: it draws nothing, so one seed is enough. */
const searches = {
	"leave-one-out": { once: true, run: (table) => leaveOneOut(table, { kmax }) },
	"best run of neighbors": { once: true, run: (table) => contiguous(table, { kmax }) },
	"cut by exact Shapley values": {
		once: true,
		run: async (table) => rankAndCut(table, (await exactShapley(table, { emptyValue: 0 })).contributions, { kmax }),
	},
	greedy: { once: true, run: (table) => greedy(table, { kmax }) },
	"lazy greedy": { once: true, run: (table) => lazyGreedy(table, { kmax }) },
	"beam of 4": { once: true, run: (table) => beamSearch(table, { kmax }) },
	"swaps to a local optimum": { once: true, run: (table) => swapSearch(table, { kmax, counts }) },
	"rounds of 2, leave-one-out": {
		once: true,
		run: (table) => inRounds(table, { kmax, rounds: Math.ceil(kmax / 2), play: ({ game, kmax: k }) => leaveOneOut(game, { kmax: k }) }),
	},
	"random best of 300": { run: (table, seed, game) => randomBest(game, table, 300, seed) },
	"evolutionary, 37 a size": {
		run: (table, seed) => evolutionary(table, { kmax, counts, seed, initial: 13, offspring: 6, generations: 4 }),
	},
	"paper, 1000 masks": { seeds: 5, run: (table, seed, game) => paper(game, table, 1000, seed) },
	"paper repaired, 300 masks": { seeds: 5, run: async (table, seed) => (await paperRepaired(table, { kmax, masks: 300, seed })).found },
	"paper repaired, 1000 masks": { seeds: 5, run: async (table, seed) => (await paperRepaired(table, { kmax, masks: 1000, seed })).found },
	"active, pairwise, 300": { seeds: 5, run: (table, seed) => activeSearch(table, { kmax, budget: 300, seed, fit: fitPairwise }) },
	"auto, at most 120": { run: async (table, seed) => (await auto(table, { kmax, budget: 120, seed })).found },
	"auto, each size alone": { run: (_, seed, game) => eachSize(game, seed) },
	"auto, at most 300": { run: async (table, seed) => (await auto(table, { kmax, budget: 300, seed })).found },
};

const report = {};
for (const path of paths) {
	const game = readGame(path);
	const rows = [];
	report[game.name] = {};
	for (const [name, search] of Object.entries(searches)) {
		if (only && !name.startsWith(only)) continue;
		const perSize = counts.map(() => []);
		const masks = [];
		const runs = search.once ? 1 : Math.min(seeds, search.seeds ?? seeds);
		for (let seed = 0; seed < runs; seed++) {
			const fresh = game.fresh();
			const { byCount, masks: spent } = await search.run(fresh, seed, game);
			masks.push(spent ?? fresh.evaluated);
			for (const k of counts) {
				// By the table, not by the search; sizes beyond the removable blocks have no optimum to compare with.
				const removed = byCount.get(k)?.removed;
				perSize[k - 1].push(removed ? game.added(removed) - game.best.get(k).addedLoss : Number.NaN);
			}
		}
		const all = perSize.flat().filter((x) => !Number.isNaN(x));
		const figures = {
			median: quantile(all, 0.5),
			p90: quantile(all, 0.9),
			worst: Math.max(...all),
			masks: mean(masks),
			bySize: perSize.map(mean),
			runs,
		};
		report[game.name][name] = figures;
		rows.push([
			name,
			figures.masks.toFixed(0),
			figures.median.toFixed(4),
			figures.p90.toFixed(4),
			figures.worst.toFixed(4),
			figures.bySize.map((x) => x.toFixed(3)).join(" "),
		]);
	}
	const optimum = counts.map((k) => game.best.get(k).addedLoss.toFixed(3)).join(" ");
	process.stdout.write(
		`\n${game.name}: ${game.n} blocks, original model ${game.originalLoss.toFixed(3)}, critical ${game.critical.join(", ") || "none"}; optimum adds ${optimum}\n\n`,
	);
	process.stdout.write(
		`${table(["search", "masks", "median regret", "90th percentile", "worst", "mean regret for 1..8 removed"], rows)}\n`,
	);
}
if (json) writeFileSync(json, `${JSON.stringify(report, null, "\t")}\n`);
