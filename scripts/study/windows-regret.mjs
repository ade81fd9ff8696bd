// What half-block cuts are worth on text that nothing has seen, by the number of windows that choose: more sets overfit the same text more.
//   node scripts/study/windows-regret.mjs GAME.jsonl.gz [--windows 2,5,10,20] [--sizes 2,3,4] [--seeds 20]
// GAME is of measure-pairs.mjs with `by-window`. For every seed the windows are dealt anew: so many to the search, as many to the race between
// its finalists, the rest to nobody. The regret is beside the best set of all on those.
import { commandArguments, load, mean, quantile, table } from "./lib.mjs";
import { dealt, readWindows } from "./replay-game.mjs";

const { Coalition, distinct } = await load("game/coalition.js");
const { meanLoss } = await load("game/game.js");
const { auto } = await load("game/search/auto-method.js");
const { nearRivals } = await load("game/search/rivals.js");
const { searchBudget } = await load("pipeline/methods/budget.js");
const { tellApart } = await load("pipeline/race/ties.js");

const { paths, take } = commandArguments();
const numbers = (name, fallback) => take(name, fallback).split(",").map(Number);
const amounts = numbers("--windows", "2,5,10,20");
const sizes = numbers("--sizes", "2,3,4");
const seeds = Number(take("--seeds", 20));
const measured = readWindows(paths);

/** Sets of the size that the search proposes to the race. */
function finalistsOf(game, { found, halfBlocks }, size) {
	const sets = [found.byCount.get(size), ...(found.tied.get(size) ?? []).slice(0, 4), ...nearRivals(game, found, [size])];
	const removed = [...sets, ...(halfBlocks?.byCount.get(size) ?? [])].filter(Boolean).map((set) => set.removed);
	return distinct([...removed, ...found.ranked.filter((set) => set.length === size)].map((set) => Coalition.ofRemoved(game.players, set)));
}

const lowest = (sets) => sets.reduce((best, set) => (meanLoss(set) < meanLoss(best) ? set : best)).coalition;

async function run(deal, { granularity, size, seed }) {
	const { search, validation, truth } = deal;
	const budget = searchBudget(search.players, size, { granularity });
	const searched = await auto(search, { kmax: size, counts: [size], budget, seed, granularity });
	const finalists = finalistsOf(search, searched, size);
	const [[raced]] = (await tellApart([await validation.measure(finalists)], { further: async () => undefined, rounds: 0, masks: 0 }))
		.fields;
	const ofSize = truth.all().filter(({ coalition }) => coalition.players - coalition.size === size);
	const best = Math.min(...ofSize.map(meanLoss));
	const regretOf = async (set) => meanLoss((await truth.measure([set]))[0]) - best;
	const alone = lowest(await search.measure(finalists));
	return { alone: await regretOf(alone), raced: await regretOf(raced.coalition), half: !raced.coalition.whole };
}

const rows = [];
for (const count of amounts)
	for (const granularity of ["block", "half-block"]) {
		const runs = [];
		for (const size of sizes)
			for (let seed = 0; seed < seeds; seed++)
				runs.push(await run(dealt(measured, { search: count, validation: count }, seed), { granularity, size, seed }));
		const regrets = (name) => runs.map((one) => one[name]);
		const figures = [mean(regrets("alone")), mean(regrets("raced")), quantile(regrets("raced"), 0.5), quantile(regrets("raced"), 0.9)];
		rows.push([count, granularity, ...figures.map((x) => x.toFixed(4)), runs.filter(({ half }) => half).length / runs.length]);
	}
const names = ["windows", "granularity", "mean regret, search alone", "after the race", "median", "90th percentile", "share with cuts"];
process.stdout.write(
	`${measured.windows} windows, ${sizes.join(", ")} of ${measured.players} blocks removed, ${seeds} seeds\n\n${table(names, rows)}\n`,
);
