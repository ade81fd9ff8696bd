import { expect, it } from "vitest";
import { Model } from "../src/index.js";
import * as research from "../src/research.js";
import { fixturePath, fixtureWindows, mean, removing } from "./helpers/fixture.js";

const { auto, balancedDesign, EvaluatorGame, fitPairwise, judgeSurrogate, leaveOneOut, Random, toSamples, windowDesign } = research;

// A name that disappears, or appears by accident, breaks someone: change this list, docs/api.md and the changelog together.
it("prune-gguf/research exports these names", () => {
	expect(Object.keys(research).sort().join(" ")).toMatchInlineSnapshot(
		`"Coalition EvaluatorGame FunctionGame Random STRATA_PRESETS TableGame activeSearch alternatingDesign auto balancedDesign beamSearch bernoulliDesign closedFormContributions commonSetContributions contiguous crossJudge cutVerdicts drawStrata evolutionary exactShapley exactWeightedBanzhaf exactWindowSemivalue fitGpHamming fitMixedGp fitMlp fitPairwise flipDesign greedy inRounds judgeSurrogate lazyGreedy leaveOneOut leaveOneOutContributions meanLoss pairDesign pairInteractions pairwiseContributions paperRepaired permutationContributions permutationDesign posteriorContributions rankAndCut ranking shiftedContributions strataSizes surrogateContributions surrogateWindowContributions swapDesign swapSearch tiltedDesign toSamples valueOfLoss weightedBanzhafContributions windowDesign windowLeastSquares"`,
	);
});

it("methods run on a loaded model as the documentation shows, each set measured once", async () => {
	await using model = await Model.load(fixturePath, { threads: 2 });
	const evaluator = model.createEvaluator();
	const windows = fixtureWindows();
	const game = new EvaluatorGame(evaluator, windows);
	const { byCount, originalLoss } = await leaveOneOut(game, { kmax: 3 });
	const [pair] = await game.measure([removing(3, 6)]);
	const [alone] = await evaluator.evaluate([removing(3, 6)], windows);
	expect([...pair!.losses]).toEqual([...alone!.losses]);
	const masks = windowDesign(game, { kmax: 3, count: 40, random: new Random(1) });
	const samples = toSamples(await game.measure([...masks, ...masks]), originalLoss).slice(0, masks.length);
	const known = game.evaluated;
	await game.measure(masks);
	expect(game.evaluated).toBe(known);
	const surrogate = await fitPairwise(samples.slice(0, 30));
	expect(judgeSurrogate(surrogate, samples.slice(30), { training: samples.slice(0, 30) }).spearman).toBeGreaterThan(0.5);
	const { found } = await auto(game, { kmax: 3, budget: 90, seed: 1 });
	expect(found.byCount.get(3)!.addedLoss).toBeLessThanOrEqual(byCount.get(3)!.addedLoss);
	expect(mean(alone!.losses) - originalLoss).toBeGreaterThan(0);
});

it("a game with a reference is one of divergences from it", async () => {
	await using model = await Model.load(fixturePath, { threads: 2 });
	const evaluator = model.createEvaluator();
	const windows = fixtureWindows();
	const reference = await evaluator.createReference(removing(), windows);
	const game = new EvaluatorGame(evaluator, windows, { reference });
	const [full, pair] = await game.measure([removing(), removing(3, 6)]);
	const [alone] = await evaluator.evaluate([removing(3, 6)], windows, { reference });
	expect([...pair!.losses]).toEqual([...alone!.divergences!]);
	expect(mean(full!.losses)).toBeCloseTo(0, 3);
	expect((await leaveOneOut(game, { kmax: 2 })).byCount.get(2)!.addedLoss).toBeGreaterThan(0.05);
});

it("an interrupted measurement keeps what it had, and what the rules forbid is refused", async () => {
	await using model = await Model.load(fixturePath, { threads: 2 });
	const game = new EvaluatorGame(model.createEvaluator(), fixtureWindows());
	const stop = new AbortController();
	const masks = windowDesign(game, { kmax: 3, count: 30, random: new Random(2) });
	const running = game.measure(masks, { signal: stop.signal });
	const wait = setInterval(() => game.evaluated > 2 && stop.abort(new Error("stopped")), 1);
	await expect(running)
		.rejects.toThrow("stopped")
		.finally(() => clearInterval(wait));
	expect(game.evaluated).toBeGreaterThan(2);
	expect(game.evaluated).toBeLessThan(30);
	expect(game.allows(removing())).toBe(true);
	expect(game.allows(removing(...Array.from({ length: 12 }, (_, i) => i)))).toBe(
		model.blocks.check(Array.from({ length: 12 }, (_, i) => i)) === undefined,
	);
});

it("balanced designs keep to their sizes", () => {
	const game = { players: 12, frozen: new Map<number, string>(), allows: () => true };
	const sets = balancedDesign(game, { kmin: 5, kmax: 5, count: 20, random: new Random(3) });
	expect(new Set(sets.map(({ size }) => 12 - size))).toEqual(new Set([5]));
	const counts = Array.from({ length: 12 }, (_, block) => sets.filter((set) => !set.has(block)).length);
	expect(Math.min(...counts)).toBeGreaterThan(3);
});
