// Contributions of every estimator compared with the exact ones on measured games, by number of distinct masks.
//   node scripts/study/contributions.mjs GAME.jsonl.gz... [--seeds 5] [--only NAME] [--json OUT.json]
import { writeFileSync } from "node:fs";
import { agreement, commandArguments, kmax, load, mean, readGame, table } from "./lib.mjs";

const { exactWeightedBanzhaf, exactWindowSemivalue } = await load("game/attribution/exact.js");
const { windowLeastSquares } = await load("game/attribution/least-squares.js");
const { leaveOneOutContributions } = await load("game/attribution/leave-one-out.js");
const { surrogateContributions } = await load("game/attribution/paper.js");
const { permutationContributions } = await load("game/attribution/permutation.js");
const { posteriorContributions } = await load("game/attribution/posterior.js");
const { commonSetContributions, weightedBanzhafContributions } = await load("game/attribution/sampled.js");
const { surrogateWindowContributions } = await load("game/attribution/surrogate-window.js");
const { auto } = await load("game/search/auto-method.js");
const { balancedDesign, flipDesign, windowDesign } = await load("game/designs.js");
const { Random } = await load("game/random.js");
const { drawStrata, strataSizes } = await load("game/strata.js");
const { paperRepaired } = await load("game/search/paper-repaired.js");
const { fitGpHamming } = await load("game/surrogate/gp-hamming.js");
const { fitMixedGp } = await load("game/surrogate/mixed-gp.js");
const { fitMlp } = await load("game/surrogate/mlp.js");
const { fitPairwise } = await load("game/surrogate/pairwise.js");

const { paths, take } = commandArguments();
const seeds = Number(take("--seeds", 5));
const [only, json] = [take("--only"), take("--json")];
const budgets = [64, 128, 256, 512];

/** A fresh game in which critical blocks stay, as in `rank`. */
const playable = (game) => game.fresh(game.critical);

/** All single removals and random sets of 1..kmax blocks: `masks` in all, including the original model. */
function designed(game, masks, seed) {
	const exclude = new Set(game.singles.map((set) => set.key));
	const drawn = windowDesign(playable(game), { kmax, count: masks - 1 - game.n, random: new Random(seed), exclude });
	return [...game.singles, ...drawn].map((set) => game.byKey.get(set.key));
}

/** The same with half flips of common sets and half balanced groups instead of random sets. */
function flipped(game, masks, seed) {
	const random = new Random(seed);
	const keys = new Set(game.singles.map((set) => set.key));
	const board = playable(game);
	const count = masks - 1 - game.n;
	const flips = flipDesign(board, { kmax, kmin: 2, count: Math.floor(count / 2), random, exclude: keys });
	for (const set of flips) keys.add(set.key);
	const groups = balancedDesign(board, { kmax, count: count - flips.length, random, exclude: keys });
	return [...game.singles, ...flips, ...groups].map((set) => game.byKey.get(set.key));
}

/** The paper's step 4 with the true values instead of the network's. */
async function exactStep4(game, asked) {
	const predictor = { players: game.n, predict: (sets) => Float64Array.from(sets, (set) => game.byKey.get(set.key)?.value ?? 0) };
	return (await surrogateContributions(predictor, asked)).contributions;
}

async function walks(game, masks, seed) {
	let best;
	for (let count = 4; ; count = Math.ceil(count * 1.15)) {
		const result = await permutationContributions(playable(game), { kmax, walks: count, seed });
		if (result.masks > masks) return best;
		best = result.contributions;
	}
}

async function estimatorsOf(game) {
	const frozen = game.critical;
	const window = (await exactWindowSemivalue(playable(game), { kmax })).contributions;
	const banzhaf = (await exactWeightedBanzhaf(playable(game), { k: 4, emptyValue: 0 })).contributions;
	const sizes = strataSizes(game.n);
	const fitted =
		(learn, design = designed) =>
		async (masks, seed) =>
			(await surrogateWindowContributions(await learn(design(game, masks, seed)), { kmax, seed, frozen })).contributions;
	return {
		"leave-one-out (n + 1 masks)": { exact: window, run: async () => (await leaveOneOutContributions(game.fresh())).contributions },
		"permutation walks": { exact: window, run: (masks, seed) => walks(game, masks, seed) },
		"common sets": {
			exact: window,
			run: async (masks, seed) => (await commonSetContributions(playable(game), { kmax, masks, seed })).contributions,
		},
		"window least squares": {
			exact: window,
			run: async (masks, seed) => windowLeastSquares(designed(game, masks, seed), { kmax, frozen }).contributions,
		},
		"weighted Banzhaf, k = 4": {
			exact: banzhaf,
			run: async (masks, seed) => (await weightedBanzhafContributions(playable(game), { k: 4, masks, seed })).contributions,
		},
		"pairwise ridge": { exact: window, run: fitted(fitPairwise) },
		"pairwise ridge, flips and balanced groups": { exact: window, run: fitted(fitPairwise, flipped) },
		"Gaussian process, additive and Hamming": { exact: window, run: fitted(fitGpHamming) },
		"Gaussian process, mixed": {
			exact: window,
			run: async (masks, seed) =>
				(await posteriorContributions(await fitMixedGp(designed(game, masks, seed)), { kmax, seed, draws: 0, count: 4000, frozen }))
					.contributions,
		},
		"auto's report": {
			exact: window,
			run: async (budget, seed) => (await auto(game.fresh(), { kmax, budget, seed, patience: 0 })).contributions?.contributions,
		},
		"the paper's network and step 4": {
			run: async (masks, seed) => {
				const random = new Random(seed);
				const drawn = drawStrata(game.fresh(), { sizes, count: masks, random });
				const network = await fitMlp(
					drawn.map((set) => game.byKey.get(set.key)),
					{ seed },
				);
				const asked = drawStrata(game.fresh(), { sizes, count: 80_000, random });
				return { estimated: (await surrogateContributions(network, asked)).contributions, exact: await exactStep4(game, asked) };
			},
		},
		"paper, repaired": {
			run: async (masks, seed) => {
				const deepest = Math.max(kmax, game.n - sizes.at(-1));
				const movable = Math.min(deepest, game.n - game.critical.length);
				const exact = (await exactWindowSemivalue(game.fresh(game.critical), { kmax: movable })).contributions;
				return { estimated: (await paperRepaired(game.fresh(), { kmax, masks, seed })).contributions.contributions, exact };
			},
		},
	};
}

const report = {};
for (const path of paths) {
	const game = readGame(path);
	const blocks = Array.from({ length: game.n }, (_, i) => i).filter((i) => !game.critical.includes(i));
	const rows = [];
	report[game.name] = {};
	for (const [name, { exact, run }] of Object.entries(await estimatorsOf(game))) {
		if (only && !name.startsWith(only)) continue;
		const cells = [];
		for (const masks of budgets) {
			const found = [];
			for (let seed = 0; seed < seeds; seed++) {
				const result = await run(masks, seed);
				if (!result) continue;
				found.push(agreement(result.estimated ?? result, result.exact ?? exact, blocks));
			}
			const figures = {
				error: mean(found.map((x) => x.error)),
				spearman: mean(found.map((x) => x.spearman)),
				overlap: mean(found.map((x) => x.overlap)),
			};
			report[game.name][name] = { ...report[game.name][name], [masks]: figures };
			cells.push(found.length === 0 ? "-" : `${figures.error.toFixed(3)} / ${figures.spearman.toFixed(2)} / ${figures.overlap.toFixed(2)}`);
		}
		rows.push([name, ...cells]);
	}
	process.stdout.write(
		`\n${game.name}: ${game.n} blocks, critical ${game.critical.join(", ") || "none"}; RMSE/sd, Spearman, overlap of the lowest 4; ${seeds} seeds\n\n`,
	);
	process.stdout.write(`${table(["estimator", ...budgets.map((b) => `${b} masks`)], rows)}\n`);
}
if (json) writeFileSync(json, `${JSON.stringify(report, null, "\t")}\n`);
