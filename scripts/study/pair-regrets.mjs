// Regret of searches over whole blocks and over half-block cuts, beside the best set of blocks and pairs, on games of measure-pairs.mjs.
//   node scripts/study/pair-regrets.mjs GAME.jsonl.gz... [--seeds 5]
import { commandArguments, load, mean, quantile, readGame, table } from "./lib.mjs";

const { auto } = await load("game/search/auto-method.js");
const { beamSearch } = await load("game/search/beam.js");
const { evolutionary } = await load("game/search/evolutionary.js");
const { contiguous } = await load("game/search/contiguous.js");
const { greedy, lazyGreedy } = await load("game/search/greedy.js");
const { leaveOneOut } = await load("game/search/ranked.js");
const { swapSearch } = await load("game/search/swap.js");
const { searchBudget } = await load("pipeline/methods/budget.js");
const { generations } = await load("pipeline/methods/searches.js");

const { paths, take } = commandArguments();
const seeds = Number(take("--seeds", 5));

/** The better set of each size, of whole blocks or with half-block cuts. */
function better({ found, halfBlocks }) {
	const sets = [...found.byCount.values(), ...[...(halfBlocks?.byCount.values() ?? [])].flat()];
	const byCount = new Map();
	for (const set of sets) {
		const known = byCount.get(set.removed.length);
		if (!known || set.addedLoss < known.addedLoss) byCount.set(set.removed.length, set);
	}
	return { byCount };
}

/** A run for each size by itself, at the default effort or with a number of evaluations. */
async function eachSize(game, { counts, seed, granularity, evaluations }) {
	const byCount = new Map();
	const spent = [];
	for (const k of counts) {
		const fresh = game.fresh();
		const budget = evaluations ?? searchBudget(game.n, k, { granularity });
		byCount.set(k, better(await auto(fresh, { kmax: k, counts: [k], budget, seed, granularity })).byCount.get(k));
		spent.push(fresh.evaluated);
	}
	return { byCount, spent: mean(spent) };
}

/** Each for both granularities; `once`: it draws nothing. */
const searches = {
	"leave-one-out": { once: true, run: (game, { options }) => leaveOneOut(game, options) },
	"best run of neighbors": { once: true, run: (game, { options }) => contiguous(game, options) },
	greedy: { once: true, run: (game, { options }) => greedy(game, options) },
	"lazy greedy": { once: true, run: (game, { options }) => lazyGreedy(game, options) },
	"beam of 4": { once: true, run: (game, { options }) => beamSearch(game, options) },
	"exchanges to a local optimum": { once: true, run: (game, { options, counts }) => swapSearch(game, { ...options, counts }) },
	"evolutionary, at the default effort": {
		run: (game, { options, counts, seed, game: { n } }) => {
			const share = Math.floor((searchBudget(n, counts.length, options) - n - 1) / counts.length);
			return evolutionary(game, { ...options, counts, seed, ...generations(share) });
		},
	},
	"evolutionary, as published": { run: (game, { options, counts, seed }) => evolutionary(game, { ...options, counts, seed }) },
	"auto, each size alone": { run: (_, setting) => eachSize(setting.game, setting) },
	"auto, each size alone, 125": { run: (_, setting) => eachSize(setting.game, { ...setting, evaluations: 125 }) },
	"auto, at most 300": { run: async (game, { options, seed }) => better(await auto(game, { ...options, budget: 300, seed })) },
};

for (const path of paths) {
	const game = readGame(path);
	const kmax = Math.max(...game.best.keys());
	const counts = Array.from({ length: kmax }, (_, i) => i + 1);
	const rows = [];
	for (const [name, { once, run }] of Object.entries(searches)) {
		for (const granularity of ["block", "half-block"]) {
			const perSize = counts.map(() => []);
			const evaluations = [];
			for (let seed = 0; seed < (once ? 1 : seeds); seed++) {
				const fresh = game.fresh();
				const { byCount, spent } = await run(fresh, { game, counts, seed, granularity, options: { kmax, granularity } });
				evaluations.push(spent ?? fresh.evaluated);
				for (const k of counts)
					perSize[k - 1].push(byCount.has(k) ? game.added(byCount.get(k).removed) - game.best.get(k).addedLoss : Number.NaN);
			}
			const all = perSize.flat().filter((x) => !Number.isNaN(x));
			rows.push([
				name,
				granularity,
				mean(evaluations).toFixed(0),
				quantile(all, 0.5).toFixed(4),
				quantile(all, 0.9).toFixed(4),
				Math.max(...all).toFixed(4),
				perSize.map((regrets) => mean(regrets).toFixed(3)).join(" "),
			]);
		}
	}
	const optimum = (sets) => counts.map((k) => sets(k).toFixed(3)).join(" ");
	const whole = (k) =>
		Math.min(
			...[...game.byKey.values()].filter(({ coalition }) => coalition.whole && game.n - coalition.size === k).map((set) => set.addedLoss),
		);
	process.stdout.write(
		`\n${game.name}: ${game.n} blocks, original model ${game.originalLoss.toFixed(3)}, critical ${game.critical.join(", ") || "none"}; the best of all sets adds ${optimum((k) => game.best.get(k).addedLoss)}, of whole blocks ${optimum(whole)}\n\n`,
	);
	const header = [
		"search",
		"granularity",
		"evaluations",
		"median regret",
		"90th percentile",
		"worst",
		`mean regret for 1..${kmax} removed`,
	];
	process.stdout.write(`${table(header, rows)}\n`);
}
