// Decisions by each rule on measured games: windows are dealt anew for every seed, and the regret is that on windows that nothing has seen.
//   node scripts/study/replay.mjs GAME.jsonl.gz... | --made-up BLOCKS [--spread 0.5] [--seeds 20] [--sizes 2,4,6] [--search 10] [--validation 10] [--budget 60] [--stages 4] [--json OUT.json]
// Games of the same model that are given together are one game with all their windows: lines of {"mask", "seq": [loss of each window]}.
import { writeFileSync } from "node:fs";
import { commandArguments, quantile, table } from "./lib.mjs";
import { levers, replay } from "./replay-levers.mjs";
import { madeUp, readWindows } from "./replay-game.mjs";

const { paths, take } = commandArguments();
const seeds = Number(take("--seeds", 20));
const sizes = take("--sizes", "2,4,6").split(",").map(Number);
const how = {
	search: Number(take("--search", 10)),
	validation: Number(take("--validation", 10)),
	budget: Number(take("--budget", 60)),
};
// With stages candidates of the search race by windows.
how.stages = take("--stages", "").split(",").filter(Boolean).map(Number);
const json = take("--json");
const players = Number(take("--made-up", 0));
const spread = Number(take("--spread", 0.5));
const measured = players > 0 ? undefined : readWindows(paths);
const gameOf = (seed) => measured ?? madeUp({ players, seed, spread });

const runs = [];
for (const size of sizes) for (let seed = 0; seed < seeds; seed++) runs.push(...(await replay(gameOf(seed), { ...how, size, seed })));

const rows = Object.keys(levers).map((name) => {
	const own = runs.filter((run) => run.lever === name);
	const regrets = own.map(({ regret }) => regret);
	const mean = (key) => own.reduce((sum, run) => sum + run[key], 0) / own.length;
	return [
		name,
		...[quantile(regrets, 0.5), quantile(regrets, 0.9), Math.max(...regrets), mean("regret")].map((x) => x.toFixed(4)),
		...[mean("searched"), mean("compared")].map((x) => x.toFixed(0)),
	];
});
process.stdout.write(
	`${measured ? `${measured.windows} windows` : `made-up games of spread ${spread}`}, ${sizes.join(", ")} of ${measured?.players ?? players} blocks removed, ${seeds} seeds\n\n${table(["decision", "median regret", "90th percentile", "worst", "mean", "passes of a window, search", "comparison"], rows)}\n`,
);
if (json) writeFileSync(json, `${JSON.stringify(runs)}\n`);
