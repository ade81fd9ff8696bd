import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Attribution, ranking } from "../../../src/game/attribution/attribution.js";
import { closedFormContributions } from "../../../src/game/attribution/closed-form.js";
import { cutVerdicts } from "../../../src/game/attribution/cut.js";
import { exactShapley, exactWeightedBanzhaf, exactWindowSemivalue } from "../../../src/game/attribution/exact.js";
import { pairInteractions } from "../../../src/game/attribution/interactions.js";
import { windowLeastSquares } from "../../../src/game/attribution/least-squares.js";
import { solveSymmetric } from "../../../src/game/attribution/linear.js";
import { pairwiseContributions } from "../../../src/game/attribution/pairwise.js";
import { surrogateContributions } from "../../../src/game/attribution/paper.js";
import { permutationContributions } from "../../../src/game/attribution/permutation.js";
import { posteriorContributions } from "../../../src/game/attribution/posterior.js";
import { commonSetContributions, weightedBanzhafContributions } from "../../../src/game/attribution/sampled.js";
import { surrogateWindowContributions } from "../../../src/game/attribution/surrogate-window.js";
import { Coalition } from "../../../src/game/coalition.js";
import { windowDesign } from "../../../src/game/designs.js";
import { FunctionGame } from "../../../src/game/function-game.js";
import { type Game, meanLoss } from "../../../src/game/game.js";
import type { Posterior } from "../../../src/game/predictor.js";
import { Random } from "../../../src/game/random.js";
import { type Sample, toSamples } from "../../../src/game/sample.js";
import { subsets } from "../../../src/game/strata.js";
import { studentT95 } from "../../../src/game/statistics.js";
import { fitMixedGp } from "../../../src/game/surrogate/mixed-gp.js";
import { fitPairwise } from "../../../src/game/surrogate/pairwise.js";
import { fixtureGame, fixtureSamples, valueGame } from "../../helpers/games.js";

const sum = (values: ArrayLike<number>) => Array.from(values).reduce((a, b) => a + b, 0);

/** All sets without 0 to `kmax` of the movable blocks. */
async function measured(game: Game, kmax: number): Promise<Sample[]> {
	const movable = Array.from({ length: game.players }, (_, i) => i).filter((block) => !game.frozen.has(block));
	const sets = Array.from({ length: kmax + 1 }, (_, size) => subsets(movable, size)).flat();
	const results = await game.measure(sets.map((removed) => Coalition.ofRemoved(game.players, removed)));
	return toSamples(results, meanLoss(results[0]!));
}

/** Everything is measured, so that only the estimator's own error is left. */
const estimators: Record<string, (game: Game, kmax: number) => Promise<Attribution>> = {
	"least squares": async (game, kmax) => windowLeastSquares(await measured(game, kmax), { kmax, frozen: game.frozen.keys() }),
	"common sets": (game, kmax) => commonSetContributions(game, { kmax, masks: 5000, seed: 1 }),
	"permutation walks": (game, kmax) => permutationContributions(game, { kmax, walks: 4000, seed: 1 }),
	"Gaussian process": async (game, kmax) =>
		posteriorContributions(await fitMixedGp(await measured(game, kmax)), {
			kmax,
			seed: 1,
			draws: 0,
			count: 4000,
			frozen: game.frozen.keys(),
		}),
	"pairwise surrogate": async (game, kmax) =>
		surrogateWindowContributions(await fitPairwise(await measured(game, kmax)), { kmax, seed: 1, frozen: game.frozen.keys() }),
};

/** Allowed distance from the exact value for those without a standard error, with blocks worth 0.03 to 0.4. */
const slack: Readonly<Record<string, number>> = { "Gaussian process": 3e-4, "pairwise surrogate": 1e-3 };

describe.each(Object.entries(estimators))("%s", (name, estimate) => {
	/** The estimate, compared with the exact values, and how far each may be off. */
	const compare = async (game: Game, kmax: number) => {
		const exact = await exactWindowSemivalue(game, { kmax });
		const { contributions, standardErrors } = await estimate(game, kmax);
		const errors = Array.from(contributions, (_, i) => slack[name] ?? Math.max(1e-8, 4 * standardErrors![i]!));
		for (const [i, phi] of exact.contributions.entries()) {
			if (Number.isNaN(phi)) expect(contributions[i]).toBeNaN();
			else expect(Math.abs(contributions[i]! - phi)).toBeLessThan(errors[i]!);
		}
		return { contributions, errors };
	};

	test("additive game: everyone gets their own", async () => {
		const own = [0.1, 0.15, 0.05, 0.12, 0.08, 0.03];
		const additive = valueGame(6, (set) => 0.47 + sum(set.kept().map((i) => own[i]!)));
		const { contributions, errors } = await compare(additive, 3);
		for (const [i, value] of own.entries()) expect(Math.abs(contributions[i]! - value)).toBeLessThan(errors[i]!);
	});

	test("symmetry, dummy, substitutes, frozen blocks", async () => {
		// Blocks 0 and 1 are redundant, 2 and 3 count alike, 4 does nothing, 5 is no player.
		const game = new FunctionGame({
			players: 6,
			frozen: new Map([[5, "stays"]]),
			loss: (set) => -Math.log((set.has(0) || set.has(1) ? 0.6 : 0.35) + 0.15 * Number(set.has(2)) + 0.15 * Number(set.has(3))),
		});
		const { contributions, errors } = await compare(game, 3);
		expect(Math.abs(contributions[0]! - contributions[1]!)).toBeLessThan(errors[0]! + errors[1]!);
		expect(Math.abs(contributions[2]! - contributions[3]!)).toBeLessThan(errors[2]! + errors[3]!);
		expect(Math.abs(contributions[4]!)).toBeLessThan(errors[4]!);
	});

	test("residual toy: each block adds to a stream that a head reads with saturation", async () => {
		const steps = [0.9, 0.3, 0.5, 0.2, 0.4, 0.7];
		const game = new FunctionGame({ players: 6, loss: (set) => 2 * Math.exp(-sum(set.kept().map((i) => steps[i]!)) / 1.5) });
		const { contributions } = await compare(game, 3);
		expect(ranking(contributions)).toEqual([3, 1, 4, 2, 5, 0]);
	});
});

describe("window least squares", () => {
	test("with every set of the window it is the window semivalue of any game, with all sizes the Shapley value", async () => {
		await fc.assert(
			fc.asyncProperty(
				fc.array(fc.double({ min: 0.01, max: 1, noNaN: true }), { minLength: 32, maxLength: 32 }),
				fc.integer({ min: 1, max: 5 }),
				async (values, kmax) => {
					const v = [...values.slice(0, 31), 1];
					const game = valueGame(5, (set) => v[Number.parseInt(set.key, 2)]!);
					const exact = kmax === 5 ? await exactShapley(game) : await exactWindowSemivalue(game, { kmax });
					const { contributions } = windowLeastSquares(await measured(game, kmax), { kmax });
					for (let i = 0; i < 5; i++) expect(contributions[i]).toBeCloseTo(exact.contributions[i]!, 6);
				},
			),
			{ numRuns: 30 },
		);
	});

	test("from samples its error matches its standard error", async () => {
		const exact = await exactWindowSemivalue(fixtureGame(), { kmax: 6 });
		const byKey = new Map(fixtureSamples().map((sample) => [sample.coalition.key, sample]));
		const scores: number[] = [];
		for (let seed = 0; seed < 8; seed++) {
			const drawn = windowDesign(fixtureGame(), { kmax: 6, count: 500, random: new Random(seed) });
			const { contributions, standardErrors } = windowLeastSquares(
				drawn.map((set) => byKey.get(set.key)!),
				{ kmax: 6 },
			);
			for (let i = 1; i < 12; i++) scores.push((contributions[i]! - exact.contributions[i]!) / standardErrors![i]!);
		}
		const rms = Math.sqrt(sum(scores.map((score) => score * score)) / scores.length);
		expect(rms).toBeGreaterThan(0.5);
		expect(rms).toBeLessThan(1.5);
	});

	test("if a size was not seen, or the smallest only once, it knows no error and says so", async () => {
		const all = await measured(fixtureGame(), 4);
		const of = (keep: (removed: number, index: number) => boolean) =>
			windowLeastSquares(
				all.filter(({ coalition }, index) => keep(12 - coalition.size, index)),
				{ kmax: 4 },
			);
		const last = all.length - 1;
		for (const [gap, sizes] of [
			[of((removed) => removed < 4), "4"],
			[of((removed) => removed !== 2), "2"],
			[of((removed, index) => removed < 4 || index === last), "4"],
			[of((removed) => removed === 2), "1, 3, 4"],
		] as const) {
			expect(gap.contributions.every(Number.isFinite)).toBe(true);
			expect(gap.standardErrors!.every(Number.isNaN)).toBe(true);
			expect(gap.notes!.join()).toMatch(new RegExp(`too few sets that miss ${sizes} blocks were measured.*errors are unknown`));
			expect(cutVerdicts(gap, 4)).toEqual([]);
		}
		const whole = of(() => true);
		expect(whole.notes).toBeUndefined();
		expect(whole.standardErrors!.every((error) => error === 0)).toBe(true);
	});

	test("too few sets are refused", async () => {
		const few = (await measured(fixtureGame(), 1)).slice(0, 8);
		expect(() => windowLeastSquares(few, { kmax: 1 })).toThrow(/too few/);
		expect(() => windowLeastSquares(few, { kmax: 13 })).toThrow(/1\.\.12/);
	});

	test("a system and its inverse", () => {
		const { solution, inverse } = solveSymmetric(Float64Array.of(4, 1, 1, 3), Float64Array.of(1, 2));
		expect(solution[0]).toBeCloseTo(1 / 11, 7);
		expect(solution[1]).toBeCloseTo(7 / 11, 7);
		expect(inverse[1]).toBeCloseTo(-1 / 11, 7);
	});
});

describe("sampled estimators on the fixture", () => {
	test("common sets and weighted Banzhaf are within their errors, and keep to their masks", async () => {
		for (const [exact, sampled] of [
			[
				await exactWindowSemivalue(fixtureGame(), { kmax: 6 }),
				await commonSetContributions(fixtureGame(), { kmax: 6, masks: 600, seed: 2 }),
			],
			[
				await exactWeightedBanzhaf(fixtureGame(), { k: 4, emptyValue: 0 }),
				await weightedBanzhafContributions(fixtureGame(), { k: 4, masks: 600, seed: 2 }),
			],
		] as const) {
			expect(sampled.masks).toBeLessThanOrEqual(600);
			expect(sampled.masks).toBeGreaterThan(500);
			const scores = Array.from(exact.contributions, (phi, i) => Math.abs(sampled.contributions[i]! - phi) / sampled.standardErrors![i]!);
			expect(Math.max(...scores)).toBeLessThan(5);
			expect(sum(scores.map((score) => score * score)) / 12).toBeLessThan(3);
		}
	});

	test("common sets of few masks lie all over the window, and say what they did not see", async () => {
		const sizes = new Set<number>();
		const game = valueGame(80, (set) => {
			const removed = 80 - set.size;
			sizes.add(removed);
			return 1 - (removed / 80) ** 2;
		});
		const few = await commonSetContributions(game, { kmax: 26, masks: 800, seed: 1 });
		expect(Math.max(...sizes)).toBeGreaterThan(20);
		// The r-th removal takes (2 r - 1) / 6400: 26 / 6400 in the mean.
		for (const value of few.contributions) expect(Math.abs(value * 6400 - 26)).toBeLessThan(5);
		expect(few.standardErrors!.every(Number.isNaN)).toBe(true);
		expect(few.notes!.join()).toMatch(/no sets without .* others were measured.* 80 of 80 have an unknown error/);
		const many = await commonSetContributions(game, { kmax: 3, masks: 2000, seed: 1 });
		expect(many.standardErrors!.every(Number.isFinite)).toBe(true);
		expect(many.notes).toBeUndefined();
	});

	test("common sets: what was seen once is no certainty", async () => {
		const exact = await exactWindowSemivalue(fixtureGame(), { kmax: 6 });
		const scores: number[] = [];
		for (let seed = 0; seed < 10; seed++) {
			const { contributions, standardErrors, degrees } = await commonSetContributions(fixtureGame(), { kmax: 6, masks: 128, seed });
			for (let i = 1; i < 12; i++) {
				if (!Number.isFinite(standardErrors![i])) continue;
				expect(degrees![i]).toBeGreaterThanOrEqual(1);
				const error = Math.abs(contributions[i]! - exact.contributions[i]!);
				scores.push(error / standardErrors![i]! / studentT95(Math.min(1000, degrees![i]!)));
			}
		}
		expect(scores.length).toBeGreaterThan(20);
		// Within the 95 % intervals of Student's t.
		expect(scores.filter((score) => score < 1).length / scores.length).toBeGreaterThan(0.85);
	});

	test("common sets: the games drawn from families spread as the errors say, and distinguish players", async () => {
		const exact = (await exactWindowSemivalue(fixtureGame(), { kmax: 6 })).contributions;
		const others = Array.from({ length: 11 }, (_, i) => i + 1);
		const truly = new Set(ranking(exact).slice(0, 4));
		const sure = { together: 0, alone: 0, wrong: 0 };
		for (let seed = 0; seed < 10; seed++) {
			const result = await commonSetContributions(fixtureGame(), { kmax: 6, masks: 300, seed });
			const { contributions, standardErrors, drawn } = result;
			const spreads = others.map((i) => sum(drawn!.map((game) => (game[i]! - contributions[i]!) ** 2)) / drawn!.length);
			const shares = others.map((i, at) => spreads[at]! / standardErrors![i]! ** 2);
			// A size that was seen once shows in no game.
			for (const share of shares.filter(Number.isFinite)) expect(share).toBeLessThan(1 + 1e-9);
			const verdicts = (of: Attribution) => cutVerdicts(of, 4).filter(({ verdict }) => verdict !== "undecided");
			const together = verdicts(result);
			sure.together += together.length;
			sure.alone += verdicts({ ...result, drawn: [] }).length;
			sure.wrong += together.filter(({ block, verdict }) => (verdict === "low") !== truly.has(block)).length;
		}
		expect(sure.together).toBeGreaterThan(sure.alone);
		expect(sure.wrong / sure.together).toBeLessThan(0.05);
	});

	test("options out of range, refused coalitions", async () => {
		const game = fixtureGame();
		await expect(commonSetContributions(game, { kmax: 13, masks: 100, seed: 1 })).rejects.toThrow(/kmax/);
		await expect(commonSetContributions(game, { kmax: 2, masks: 3, seed: 1 })).rejects.toThrow(/evaluations must be/);
		await expect(weightedBanzhafContributions(game, { k: 0, masks: 100, seed: 1 })).rejects.toThrow(/above 0/);
		await expect(weightedBanzhafContributions(game, { k: 2, masks: 3, seed: 1 })).rejects.toThrow(/evaluations must be/);
		const tied = new FunctionGame({ players: 4, loss: () => 1, allows: (set) => set.has(0) === set.has(1) });
		await expect(commonSetContributions(tied, { kmax: 2, masks: 20, seed: 1 })).rejects.toThrow(/units/);
		expect((await commonSetContributions(tied, { kmax: 2, masks: 20, seed: 1, units: [[0, 1]] })).contributions).toHaveLength(4);
	});
});

describe("weighted Banzhaf from samples, and the paper's step 4", () => {
	const own = [0.1, 0.15, 0.05, 0.12, 0.08, 0.03];
	const additive = () => valueGame(6, (set) => 0.47 + sum(set.kept().map((i) => own[i]!)));
	const substitutes = () => valueGame(6, (set) => (set.has(0) || set.has(1) ? 0.7 : 0.3) + 0.3 * Number(set.has(2)));
	/** The game itself instead of a surrogate. */
	const predictorOf = (game: FunctionGame, value: (set: Coalition) => number) => ({
		players: game.players,
		predict: (sets: readonly Coalition[]) => Float64Array.from(sets, value),
	});

	test("additive game: everyone gets their own", async () => {
		const { contributions } = await weightedBanzhafContributions(additive(), { k: 2, masks: 40, seed: 1 });
		for (const [i, value] of own.entries()) expect(contributions[i]).toBeCloseTo(value, 6);
		const masks = windowDesign(additive(), { kmax: 3, count: 20, random: new Random(1) });
		const value = (set: Coalition) => 0.47 + sum(set.kept().map((i) => own[i]!));
		const step4 = await surrogateContributions(predictorOf(additive(), value), masks);
		for (const [i, phi] of own.entries()) expect(step4.contributions[i]).toBeCloseTo(phi, 9);
	});

	test("symmetry, dummy, substitutes", async () => {
		const exact = await exactWeightedBanzhaf(substitutes(), { k: 2 });
		const { contributions } = await weightedBanzhafContributions(substitutes(), { k: 2, masks: 64, seed: 1 });
		for (let i = 0; i < 6; i++) expect(Math.abs(contributions[i]! - exact.contributions[i]!)).toBeLessThan(0.03);
		const all = subsets([0, 1, 2, 3, 4, 5], 2).map((removed) => Coalition.ofRemoved(6, removed));
		const value = (set: Coalition) => (set.has(0) || set.has(1) ? 0.7 : 0.3) + 0.3 * Number(set.has(2));
		const step4 = (await surrogateContributions(predictorOf(substitutes(), value), all)).contributions;
		expect(step4[0]).toBeCloseTo(step4[1]!, 9);
		expect(step4[2]).toBeCloseTo(0.3, 9);
		expect(step4[4]).toBeCloseTo(0, 9);
	});
});

describe("contributions from a posterior", () => {
	test("256 masks of the fixture: error about a tenth of the spread at most, and inside the stated errors", async () => {
		const exact = (await exactWindowSemivalue(fixtureGame(), { kmax: 8 })).contributions;
		const byKey = new Map(fixtureSamples().map((sample) => [sample.coalition.key, sample]));
		const singles = Array.from({ length: 12 }, (_, i) => Coalition.ofRemoved(12, [i]));
		const exclude = new Set(singles.map((set) => set.key));
		const drawn = windowDesign(fixtureGame(), { kmax: 8, count: 243, random: new Random(1), exclude });
		const model = await fitMixedGp([...singles, ...drawn].map((set) => byKey.get(set.key)!));
		const result = await posteriorContributions(model, { kmax: 8, seed: 1, count: 4000 });
		const others = Array.from({ length: 11 }, (_, i) => i + 1);
		const center = sum(others.map((i) => exact[i]!)) / 11;
		const spread = Math.sqrt(sum(others.map((i) => (exact[i]! - center) ** 2)) / 11);
		const error = Math.sqrt(sum(others.map((i) => (result.contributions[i]! - exact[i]!) ** 2)) / 11);
		expect(error / spread).toBeLessThan(0.12);
		const scores = others.map((i) => (result.contributions[i]! - exact[i]!) / result.standardErrors![i]!);
		expect(Math.sqrt(sum(scores.map((score) => score ** 2)) / 11)).toBeLessThan(2.5);
		expect(result.drawn).toHaveLength(30);

		const verdicts = cutVerdicts(result, 4, { keep: [0] });
		const truly = ranking(exact).slice(0, 4);
		for (const { block, verdict, chance } of verdicts) {
			expect(block).not.toBe(0);
			if (verdict === "low") expect(truly).toContain(block);
			if (verdict === "high") expect(truly).not.toContain(block);
			expect(chance! >= 0.95).toBe(verdict === "low");
		}
		expect(sum(verdicts.map(({ chance }) => chance!))).toBeCloseTo(4, 9);
	});

	test("with few backgrounds, sizes in which a block was never kept do not count as 0", async () => {
		const own = Array.from({ length: 16 }, (_, i) => 0.02 + 0.01 * i);
		const linear: Posterior = {
			players: 16,
			predict: () => new Float64Array(),
			draw: () => linear.mean(),
			mean: () => ({
				of: (removed) => sum(own.map((cost, i) => cost * removed[i]!)),
				flip: (removed, block) => (removed[block] === 1 ? -own[block]! : own[block]!),
			}),
			toValue: (loss) => 10 - loss,
		};
		// A share of one or two sets per size: most blocks are kept in none of the largest.
		const few = await posteriorContributions(linear, { kmax: 16, seed: 1, count: 32, draws: 2 });
		for (const [i, cost] of own.entries()) expect(few.contributions[i]).toBeCloseTo(cost, 9);
		expect(few.standardErrors!.some(Number.isNaN)).toBe(true);
		for (const game of few.drawn) expect(game.every(Number.isFinite)).toBe(true);

		// Marginals that differ: seen once, a size is no certainty.
		const bent = { ...linear, toValue: (loss: number) => Math.exp(-2 * loss) };
		const exact = await posteriorContributions(bent, { kmax: 10, seed: 1, count: 200000, draws: 0 });
		const scores: number[] = [];
		for (let seed = 0; seed < 20; seed++) {
			const { contributions, standardErrors } = await posteriorContributions(bent, { kmax: 10, seed, count: 30, draws: 1 });
			const errors = exact.contributions.map((phi, i) => (contributions[i]! - phi) / standardErrors![i]!);
			scores.push(...errors.filter(Number.isFinite));
		}
		expect(scores.length).toBeGreaterThan(100);
		expect(Math.sqrt(sum(scores.map((score) => score ** 2)) / scores.length)).toBeLessThan(1.6);
	});

	test("substitutes come out first among the pairs, blocks that need each other last", async () => {
		const game = new FunctionGame({
			players: 8,
			loss: (set) => {
				const gone = (i: number) => Number(!set.has(i));
				const own = 0.1 * (8 - set.size);
				return 2 + Math.expm1(own + 0.4 * gone(2) * gone(3) - 0.09 * gone(5) * gone(6));
			},
		});
		const model = await fitMixedGp(await measured(game, 3));
		const pairs = await pairInteractions(model, { kmax: 3, seed: 1 });
		expect(pairs).toHaveLength(28);
		expect(pairs[0]!.blocks).toEqual([2, 3]);
		expect(pairs[0]!.value).toBeCloseTo(0.4, 1);
		expect(pairs.at(-1)!.blocks).toEqual([5, 6]);
		expect(pairs.at(-1)!.value).toBeCloseTo(-0.09, 1);
		const kept = await pairInteractions(model, { kmax: 3, seed: 1, keep: [2], draws: 0 });
		expect(kept.some(({ blocks }) => blocks.includes(2))).toBe(false);
		expect(kept[0]!.standardError).toBeUndefined();
	});

	test("tied blocks play as one: contributions, pairs and the cut", async () => {
		const own = [0.05, 0.12, 0.02, 0.02, 0.2, 0.04, 0.03, 0.6];
		const units = [
			[2, 3],
			[5, 6],
		];
		const loss = (set: Coalition) => {
			const gone = (i: number) => Number(!set.has(i));
			return sum(own.map((value, i) => value * gone(i))) + 0.3 * gone(1) * gone(2);
		};
		const broken: string[] = [];
		const game = new FunctionGame({ players: 8, loss, allows: (set) => set.has(2) === set.has(3) && set.has(5) === set.has(6) });
		const of = (removed: Uint8Array) => {
			const set = Coalition.ofRemoved(
				8,
				[...removed.keys()].filter((i) => removed[i] === 1),
			);
			if (!game.allows(set)) broken.push(set.key);
			return loss(set);
		};
		const model: Posterior = {
			players: 8,
			predict: () => new Float64Array(),
			draw: () => model.mean(),
			mean: () => ({
				of,
				// Units are flipped block by block: the sets in between are not predicted.
				flip: (removed, block) => {
					const flipped = removed.slice();
					flipped[block] = 1 - removed[block]!;
					const value = (flags: Uint8Array) =>
						loss(
							Coalition.ofRemoved(
								8,
								[...flags.keys()].filter((i) => flags[i] === 1),
							),
						);
					return value(flipped) - value(removed);
				},
			}),
			toValue: (added) => Math.exp(-added),
		};
		const frozen = [7];
		const options = { kmax: 3, seed: 1, units, frozen };
		const result = await posteriorContributions(model, { ...options, count: 1000, draws: 2 });
		const board = new FunctionGame({ players: 8, frozen: new Map([[7, "stays"]]), loss, allows: (set) => game.allows(set) });
		const exact = (await exactWindowSemivalue(board, { kmax: 3, units })).contributions;
		for (const [i, phi] of exact.entries()) {
			if (i === 7) expect([phi, result.contributions[i]]).toEqual([Number.NaN, Number.NaN]);
			else expect(result.contributions[i]).toBeCloseTo(phi, 9);
		}
		expect(result.contributions[2]).toBe(result.contributions[3]);
		expect(broken).toEqual([]);

		const pairs = await pairInteractions(model, { ...options, count: 200, draws: 0 });
		// Five players: 0, 1, 2-3, 4, 5-6.
		expect(pairs).toHaveLength(10);
		expect(pairs[0]).toMatchObject({ blocks: [1, 2], units: [[1], [2, 3]], value: expect.closeTo(0.3, 9) });
		expect(pairs.find(({ blocks }) => blocks.join() === "0,1")!.units).toBeUndefined();

		// One block: only 0, 1 and 4 can be removed alone. Two: both of the cheaper unit.
		const low = (k: number) => cutVerdicts(result, k, { units }).flatMap(({ block, verdict }) => (verdict === "low" ? [block] : []));
		expect(low(1)).toEqual([0]);
		expect(low(2)).toEqual([5, 6]);
		expect(low(3)).toEqual([0, 5, 6]);
	});

	test("options out of range", async () => {
		const model = await fitMixedGp(await measured(fixtureGame(), 1));
		const overlapping = [
			[1, 2],
			[2, 3],
		];
		await expect(posteriorContributions(model, { kmax: 2, seed: 1, units: overlapping })).rejects.toThrow(/without common blocks/);
		for (const kmax of [0, 12, 1.5]) {
			await expect(posteriorContributions(model, { kmax, seed: 1, keep: [0] })).rejects.toThrow(/1\.\.11/);
		}
		await expect(posteriorContributions(model, { kmax: 2, seed: 1, draws: -1 })).rejects.toThrow(/draws/);
	});
});

describe("closed form", () => {
	test("of a fitted process: the mean over all sets of the window, and with all sizes the Shapley value", async () => {
		const model = await fitMixedGp(
			(await measured(fixtureGame(), 2)).filter((_, i) => i % 2 === 0),
			{ start: { pairs: 0.1, reach: 4, rest: 1, length: 4, noise: 1e-3 }, rounds: 0 },
		);
		const loss = model.mean();
		for (const [kmax, frozen] of [
			[4, [0, 7]],
			[12, []],
			[1, [3]],
		] as const) {
			const { contributions } = closedFormContributions(model.terms, { kmax, frozen });
			const movable = Array.from({ length: 12 }, (_, i) => i).filter((i) => !(frozen as readonly number[]).includes(i));
			for (const i of movable) {
				const others = movable.filter((j) => j !== i);
				let expected = 0;
				for (let t = 0; t < kmax; t++) {
					const sets = subsets(others, t);
					for (const set of sets) {
						const removed = Uint8Array.from({ length: 12 }, (_, j) => Number(set.includes(j)));
						expected += loss.flip(removed, i) / sets.length / kmax;
					}
				}
				expect(contributions[i]).toBeCloseTo(expected, 8);
			}
			for (const block of frozen) expect(contributions[block]).toBeNaN();
		}
		const shapley = closedFormContributions(model.terms, { kmax: 12 }).contributions;
		expect(sum(shapley)).toBeCloseTo(loss.of(new Uint8Array(12).fill(1)), 8);
	});

	test("of the pairwise surrogate with all sizes: efficiency", async () => {
		const pairwise = await fitPairwise(await measured(fixtureGame(), 2));
		const { contributions } = pairwiseContributions(pairwise, { kmax: 12 });
		expect(sum(contributions)).toBeCloseTo(pairwise.mean().of(new Uint8Array(12).fill(1)), 8);
	});
});

describe("where the cut falls", () => {
	const attribution = (contributions: number[], errors?: number[]): Attribution => ({
		estimator: "x",
		contributions: Float64Array.from(contributions),
		...(errors ? { standardErrors: Float64Array.from(errors) } : {}),
		scale: "value",
		masks: 0,
		settings: {},
	});

	test("standard errors decide who is sure", () => {
		const verdicts = cutVerdicts(attribution([1, 2, 2.1, 9, Number.NaN], [0.1, 0.5, 0.5, 0.1, 0.1]), 2);
		expect(verdicts.map(({ block, verdict }) => [block, verdict])).toEqual([
			[0, "low"],
			[1, "undecided"],
			[2, "undecided"],
			[3, "high"],
		]);
	});

	const of = (list: readonly { verdict: string }[]) => list.map(({ verdict }) => verdict);

	test("an unknown error gives no verdict, and others are sure only if they are so for every place of that block", () => {
		const two = cutVerdicts(attribution([0, 1, 2, 9], [0.01, 0.01, Number.NaN, 0.01]), 2);
		// Below 0 the third would push the second out; the first is among the two in any case.
		expect(two.map(({ chance, verdict }) => [chance, verdict])).toEqual([
			[1, "low"],
			[0.5, "undecided"],
			[null, "undecided"],
			[0, "high"],
		]);
		const unseen = cutVerdicts(attribution([0, 1, Number.NaN, 9], [0.01, 0.01, Number.NaN, 0.01]), 2, { unseen: [2] });
		expect(unseen).toEqual(two);
		expect(cutVerdicts(attribution([0, 1], [Number.NaN, Number.NaN]), 1)).toEqual([]);
		const windows = [1, -1].map((shift) => Float64Array.of(0.01 * shift, 1 + 0.01 * shift, Number.NaN));
		const shared = { ...attribution([0, 1, Number.POSITIVE_INFINITY], [0.01, 0.01, Number.NaN]), drawn: windows };
		expect(cutVerdicts(shared, 1).map(({ verdict }) => verdict)).toEqual(["low", "high", "high"]);
		const broken = cutVerdicts(attribution([0, 1, Number.POSITIVE_INFINITY], [0.01, 0.01, Number.NaN]), 1);
		expect(of(broken)).toEqual(["low", "high", "high"]);
	});

	test("errors of the sampling of a surrogate decide nothing", () => {
		expect(cutVerdicts({ ...attribution([0, 9], [0.01, 0.01]), errorsOf: "asking" }, 1)).toEqual([]);
	});

	test("errors that are known from few observations are wider", () => {
		const with_ = (degrees: number) => cutVerdicts({ ...attribution([0, 1], [0.3, 0.3]), degrees: Float64Array.of(degrees, degrees) }, 1);
		expect(of(with_(500))).toEqual(["low", "high"]);
		expect(of(with_(1))).toEqual(["undecided", "undecided"]);
		expect(with_(0)).toEqual([]);
	});

	test("drawn games: blocks that err together keep their order, few games are no certainty", () => {
		const drawn = (...games: number[][]) => games.map((game) => Float64Array.from(game));
		const wide = attribution([1, 1.1], [1, 1]);
		expect(of(cutVerdicts(wide, 1))).toEqual(["undecided", "undecided"]);
		expect(of(cutVerdicts({ ...wide, drawn: drawn([2, 2.1], [0, 0.1]) }, 1))).toEqual(["low", "high"]);
		// In none of the three is the first above the second.
		const few = { ...attribution([0, 1], [0.6, 0]), drawn: drawn([0.6, 1], [-0.6, 1], [0.6, 1]) };
		expect(of(cutVerdicts(few, 1))).toEqual(["undecided", "undecided"]);
		// The part of the error that the games do not show counts too.
		const hidden = { ...attribution([0, 1], [1, 1]), drawn: drawn([0.01, 1], [-0.01, 1]) };
		expect(of(cutVerdicts(hidden, 1))).toEqual(["undecided", "undecided"]);
	});

	test("without errors the ranking is certain; misuse is refused", () => {
		expect(cutVerdicts(attribution([3, 1, 2]), 1).map(({ verdict }) => verdict)).toEqual(["high", "low", "high"]);
		expect(() => cutVerdicts(attribution([1, 2]), 3)).toThrow(/1\.\.2/);
		expect(() => cutVerdicts(attribution([1, 2]), 1, { sure: 0.4 })).toThrow(/sure/);
	});
});
