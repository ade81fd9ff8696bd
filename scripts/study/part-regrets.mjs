// Regret of searches with half-block cuts at equal numbers of evaluations, on games of parts made with a seed.
//   node scripts/study/part-regrets.mjs [--blocks 20] [--removed 5] [--budgets 100,135,300] [--seeds 10] [--costs independent|smooth]
// The best known set is that of an exchange search with half-block cuts until none helps, or of any search of the table.
import { commandArguments, load, mean, table } from "./lib.mjs";

const { FunctionGame } = await load("game/function-game.js");
const { keptParts } = await load("game/parts.js");
const { Random } = await load("game/random.js");
const { activeSearch } = await load("game/search/active.js");
const { auto } = await load("game/search/auto-method.js");
const { evolutionary } = await load("game/search/evolutionary.js");
const { lazyGreedy } = await load("game/search/greedy.js");
const { swapSearch } = await load("game/search/swap.js");
const { fitMixedGp } = await load("game/surrogate/mixed-gp.js");
const { fitPairwise } = await load("game/surrogate/pairwise.js");

const { take } = commandArguments();
const blocks = Number(take("--blocks", 20));
const k = Number(take("--removed", 5));
const budgets = take("--budgets", "100,135,300").split(",").map(Number);
const seeds = Number(take("--seeds", 10));
const costs = take("--costs", "independent");

/**
 * Parts cost something alone, more if parts near them are gone too, and some pairs matter for each other wherever they are. Costs of alike
 * parts are independent, or change slowly with the depth.
 */
function gameOf(seed) {
	const random = new Random(seed);
	const parts = Array.from({ length: 2 * blocks }, (_, part) => part);
	const depth = [random.normal(), random.normal()];
	const own = parts.map((part) => {
		const kind = part % 2;
		const step = costs === "smooth" ? [0.8, 0.6] : [0, 1];
		depth[kind] = step[0] * depth[kind] + step[1] * random.normal();
		return (kind === 0 ? 0.04 : 0.08) * Math.exp(0.6 * depth[kind]);
	});
	const near = parts.map(() => 0.06 * random.uniform());
	const links = Array.from({ length: blocks }, () => [random.integer(2 * blocks), random.integer(2 * blocks), 0.04 * random.normal()]);
	const loss = (coalition) => {
		const kept = keptParts(blocks, coalition.removed());
		const gone = (part) => kept[part] === false;
		let link = 0;
		for (const part of parts.filter(gone)) {
			link += own[part];
			for (const apart of [1, 2, 3, 4]) if (gone(part + apart)) link += near[part] / apart;
		}
		for (const [one, other, by] of links) if (gone(one) && gone(other)) link += by;
		return 3 + Math.expm1(Math.max(-0.5, link));
	};
	return new FunctionGame({ players: blocks, loss });
}

const half = { granularity: "half-block" };
const size = { kmax: k, counts: [k] };
const addedBy = ({ byCount }) => byCount.get(k).addedLoss;
const better = ({ found, halfBlocks }) =>
	Math.min(addedBy(found), ...(halfBlocks?.byCount.get(k) ?? []).slice(0, 1).map((set) => set.addedLoss));
const active = (options) => async (game, run) => addedBy(await activeSearch(game, { ...size, ...run, patience: 0, ...options }));
const evolved =
	(options) =>
	async (game, { budget, seed }) => {
		const [initial, offspring] = [Math.floor(budget / 3), Math.max(1, Math.floor(budget / 15))];
		const generations = Math.max(1, Math.floor((budget - blocks - 1 - initial) / offspring));
		return addedBy(await evolutionary(game, { ...size, seed, initial, offspring, generations, ...options }));
	};

const searches = {
	"greedy, whole blocks": async (game) => addedBy(await lazyGreedy(game, { kmax: k })),
	"greedy:half-block": async (game) => addedBy(await lazyGreedy(game, { kmax: k, ...half })),
	"evolutionary:half-block": evolved(half),
	"auto, whole blocks": async (game, run) => better(await auto(game, { ...size, ...run })),
	"auto:half-block": async (game, run) => better(await auto(game, { ...size, ...run, ...half })),
	"active, whole blocks": active({ fit: (samples) => fitMixedGp(samples) }),
	"active:half-block, pairwise": active({ ...half, fit: (samples) => fitPairwise(samples, half) }),
	"active:half-block, mixed": active({ ...half, fit: (samples) => fitMixedGp(samples, half) }),
};

const runs = [];
for (let seed = 1; seed <= seeds; seed++) {
	const first = addedBy(await swapSearch(gameOf(seed), { ...size, ...half }));
	const added = new Map();
	for (const [name, search] of Object.entries(searches))
		for (const budget of budgets) {
			const game = gameOf(seed);
			const loss = await search(game, { budget, seed });
			added.set(`${name} ${budget}`, { loss, spent: game.evaluated });
		}
	runs.push({ best: Math.min(first, ...[...added.values()].map(({ loss }) => loss)), added });
}

const rows = Object.keys(searches).map((name) => [
	name,
	...budgets.map((budget) => {
		const of = ({ added }) => added.get(`${name} ${budget}`);
		const regrets = runs.map((run) => of(run).loss - run.best);
		const error = Math.sqrt(mean(regrets.map((regret) => (regret - mean(regrets)) ** 2)) / Math.max(1, seeds - 1));
		return `${mean(regrets).toFixed(4)} ± ${error.toFixed(4)} (${mean(runs.map((run) => of(run).spent)).toFixed(0)})`;
	}),
]);
const bests = mean(runs.map(({ best }) => best)).toFixed(3);
process.stdout.write(`${k} of ${blocks} blocks removed, ${costs} costs, ${seeds} seeds; the best known sets add ${bests}\n\n`);
process.stdout.write(`${table(["search", ...budgets.map((budget) => `at most ${budget}`)], rows)}\n`);
