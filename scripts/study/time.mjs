// Seconds of fitting, searching and reporting itself, and the longest stretch without a pause, on made-up games:
// costly ends, redundant neighbors, and a small part that no pair explains.
//   node scripts/study/time.mjs [blocks...] [--masks 800]
import { setImmediate } from "node:timers/promises";
import { commandArguments, load, table } from "./lib.mjs";

const { auto } = await load("game/search/auto-method.js");
const { FunctionGame } = await load("game/function-game.js");
const { Random } = await load("game/random.js");
const { lazyGreedy } = await load("game/search/greedy.js");

const { paths: sizes, take } = commandArguments();
const budget = Number(take("--masks", 800));

function deepGame(players) {
	const random = new Random(players);
	const own = Array.from({ length: players }, (_, i) => (i === 0 || i === players - 1 ? 2 : 0.02 + 0.1 * random.uniform() ** 2));
	const near = Array.from({ length: players }, () => 0.15 * random.uniform());
	return new FunctionGame({
		players,
		loss: (set) => {
			const removed = set.removed();
			let link = 0;
			for (const i of removed) {
				link += own[i];
				for (const j of removed) if (j < i) link += 0.5 * near[i] * Math.exp(-(i - j - 1) / 1.5);
			}
			return 3 + Math.expm1(link) + 0.01 * Math.sin(37 * link);
		},
	});
}

const rows = [];
for (const players of sizes.length > 0 ? sizes.map(Number) : [12, 32, 80, 128]) {
	const game = deepGame(players);
	const kmax = Math.round(players / 3);
	let last = performance.now();
	let longest = 0;
	const pause = async () => {
		longest = Math.max(longest, performance.now() - last);
		await setImmediate();
		last = performance.now();
	};
	const used = process.cpuUsage();
	const started = performance.now();
	const { found, surrogate } = await auto(game, { kmax, budget, seed: 1, patience: 0, pause });
	const seconds = (performance.now() - started) / 1000;
	const { user, system } = process.cpuUsage(used);
	const greedy = await lazyGreedy(deepGame(players), { kmax });
	const added = (result, k) => result.byCount.get(k).addedLoss.toFixed(3);
	const half = Math.round(kmax / 2);
	rows.push([
		players,
		kmax,
		game.evaluated,
		((user + system) / 1e6).toFixed(1),
		seconds.toFixed(1),
		longest.toFixed(0),
		`${added(found, half)}, ${added(found, kmax)}`,
		`${added(greedy, half)}, ${added(greedy, kmax)}`,
		surrogate?.random?.within.spearman.toFixed(2) ?? "-",
	]);
}
process.stdout.write(
	`${table(["blocks", "up to removed", "masks", "processor seconds", "seconds", "longest stretch, ms", "auto adds (half, all)", "lazy greedy adds", "Spearman within size"], rows)}\n`,
);
