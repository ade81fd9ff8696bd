import { describe, expect, test } from "vitest";
import { ranking } from "../../../src/game/attribution/attribution.js";
import { exactWindowSemivalue } from "../../../src/game/attribution/exact.js";
import { pairwiseContributions } from "../../../src/game/attribution/pairwise.js";
import { surrogateContributions } from "../../../src/game/attribution/paper.js";
import { Coalition } from "../../../src/game/coalition.js";
import { Random } from "../../../src/game/random.js";
import { toSample, toSamples } from "../../../src/game/sample.js";
import { drawStrata, strataSizes } from "../../../src/game/strata.js";
import { Cholesky } from "../../../src/game/surrogate/cholesky.js";
import { judgeSurrogate, splitHeldOut } from "../../../src/game/surrogate/judge.js";
import { fitMlp } from "../../../src/game/surrogate/mlp.js";
import { fitPairwise } from "../../../src/game/surrogate/pairwise.js";
import { ranks, rSquared, spearman } from "../../../src/game/surrogate/statistics.js";
import { linkOfLoss, lossOfLink } from "../../../src/game/surrogate/surrogate.js";
import { FIXTURE_FULL_LOSS, fixtureGame, quadraticGame } from "../../helpers/games.js";

const fixture = fixtureGame();
async function fixtureSplit(train: number, held: number, seed = 1) {
	const random = new Random(seed);
	const sizes = strataSizes(12);
	const training = drawStrata(fixture, { sizes, count: train, random });
	const exclude = new Set(training.map((mask) => mask.key));
	const heldOut = drawStrata(fixture, { sizes, count: held, random, distinct: true, exclude });
	return {
		training: toSamples(await fixture.measure(training), FIXTURE_FULL_LOSS),
		heldOut: toSamples(await fixture.measure(heldOut), FIXTURE_FULL_LOSS),
	};
}

describe("statistics", () => {
	test("ranks share ties; Spearman is 1 for any rising map, -1 for a falling one, known with ties", () => {
		expect([...ranks([3, 1, 3, Number.POSITIVE_INFINITY])]).toEqual([2.5, 1, 2.5, 4]);
		expect(spearman([1, 2, 3], [1, 10, 100])).toBeCloseTo(1, 12);
		expect(spearman([1, 2, 3], [3, 2, 1])).toBeCloseTo(-1, 12);
		// Ranks 1.5 1.5 3 4 against 1 2 3 4: 4.5 / sqrt(4.5 * 5).
		expect(spearman([1, 1, 2, 3], [1, 2, 3, 4])).toBeCloseTo(4.5 / Math.sqrt(22.5), 12);
		expect(spearman([1, 1], [1, 2])).toBeNaN();
		expect(() => spearman([1], [1, 2])).toThrow(RangeError);
	});

	test("R2", () => {
		expect(rSquared([1, 2, 3], [1, 2, 3])).toBe(1);
		expect(rSquared([1, 2, 3], [2, 2, 2])).toBe(0);
		expect(rSquared([1, 2, 3], [3, 2, 1])).toBe(-3);
		expect(rSquared([1, 1], [1, 1])).toBeNaN();
	});

	test("Cholesky solves, inverts and refuses", () => {
		const random = new Random(1);
		const size = 20;
		const b = Float64Array.from({ length: size * size }, () => random.normal());
		const a = new Float64Array(size * size);
		for (let i = 0; i < size; i++) {
			for (let j = 0; j < size; j++)
				for (let k = 0; k < size; k++) a[i * size + j]! += b[i * size + k]! * b[j * size + k]! + (i === j ? 0.1 : 0);
		}
		const factor = new Cholesky(a.slice(), size);
		const x = Float64Array.from({ length: size }, () => random.normal());
		const y = x.map((_, i) => x.reduce((sum, value, j) => sum + a[i * size + j]! * value, 0));
		for (const [i, value] of factor.solve(y).entries()) expect(value).toBeCloseTo(x[i]!, 6);
		const unit = new Float64Array(size);
		unit[7] = 1;
		expect(factor.inverseDiagonal()[7]).toBeCloseTo(factor.solve(unit)[7]!, 8);
		expect(new Cholesky(Float64Array.of(4, 0, 0, 9), 2).logDeterminant()).toBeCloseTo(Math.log(36), 12);
		expect(() => new Cholesky(Float64Array.of(1, 2, 2, 1), 2)).toThrow(/positive definite/);
	});
});

test("the link and its inverse", () => {
	for (const loss of [-0.5, 0, 0.3, 5]) expect(lossOfLink(linkOfLoss(loss))).toBeCloseTo(loss, 12);
	expect(Number.isFinite(linkOfLoss(Number.POSITIVE_INFINITY))).toBe(true);
	expect(Number.isFinite(linkOfLoss(-3))).toBe(true);
});

describe("the paper's network", () => {
	test("its gradient is the gradient: one tiny step on one batch lowers the error as far as the slope says", async () => {
		// With momentum 0 and one step, the change of the error is -rate * |gradient|^2; halving the rate must halve it.
		const samples = ["1111", "1011", "0101", "1100"].map((key, i) => toSample(Coalition.parse(key), 1 + i * 0.4, 1));
		const errorAfter = async (epochs: number, learningRate: number) => {
			const network = await fitMlp(samples, { seed: 3, epochs, learningRate, momentum: 0 });
			const guesses = network.predict(samples.map((sample) => sample.coalition));
			return samples.reduce((sum, sample, i) => sum + (guesses[i]! - sample.value) ** 2, 0) / samples.length;
		};
		const start = await errorAfter(1, 1e-12);
		const small = start - (await errorAfter(1, 1e-3));
		const smaller = start - (await errorAfter(1, 5e-4));
		expect(small).toBeGreaterThan(0);
		expect(small / smaller).toBeCloseTo(2, 2);
		// Two small steps must do as one twice as long.
		expect((start - (await errorAfter(2, 5e-4))) / small).toBeCloseTo(1, 2);
	});

	test("it agrees with a plain transcription of the training, number by number", async () => {
		const { training } = await fixtureSplit(40, 2);
		const options = { seed: 5, epochs: 7, batch: 16, decayEvery: 3 };
		const network = await fitMlp(training, options);
		const reference = plainMlp(training, options);
		const guesses = network.predict(training.map((sample) => sample.coalition));
		for (const [i, sample] of training.entries()) expect(guesses[i]).toBeCloseTo(reference(sample.coalition), 10);
	});

	test("same seed, same network; pauses happen; abort and progress work", async () => {
		const { training } = await fixtureSplit(1500, 2);
		let pauses = 0;
		const pause = async () => void pauses++;
		const progress: number[] = [];
		const a = await fitMlp(training, { seed: 1, epochs: 30, pause, onProgress: (done) => progress.push(done) });
		const b = await fitMlp(training, { seed: 1, epochs: 30 });
		const masks = [Coalition.parse("110111111011")];
		expect(a.predict(masks)).toEqual(b.predict(masks));
		expect((await fitMlp(training, { seed: 2, epochs: 30 })).predict(masks)).not.toEqual(a.predict(masks));
		expect(pauses).toBeGreaterThan(0);
		expect(progress.at(-1)).toBe(1);
		const signal = AbortSignal.abort(new Error("halt"));
		await expect(fitMlp(training, { seed: 1, signal })).rejects.toThrow("halt");
	});

	test("it learns the fixture's game from 1,500 masks better than the mean of each size tells", async () => {
		const { training, heldOut } = await fixtureSplit(1500, 200);
		const network = await fitMlp(training, { seed: 1 });
		const report = judgeSurrogate(network, heldOut, { training, critical: [0] });
		expect(report.masks).toBe(200);
		expect(report.spearman).toBeGreaterThan(0.6);
		expect(report.r2).toBeGreaterThan(report.baselines.stratumMean.r2 + 0.1);
		expect(report.within.spearman).toBeGreaterThan(0.5);
	});

	test("marginals are differences of predictions", async () => {
		const { training } = await fixtureSplit(60, 2);
		for (const surrogate of [await fitMlp(training, { seed: 1, epochs: 20 }), await fitPairwise(training)]) {
			const mask = Coalition.parse("101111010111");
			const marginals = surrogate.marginals!(mask.toBytes());
			for (let i = 0; i < 12; i++) {
				const [high, low] = surrogate.predict([mask.with(i), mask.without(i)]);
				expect(marginals[i]).toBeCloseTo(high! - low!, 12);
			}
		}
	});

	test.each([{ epochs: 0 }, { batch: 1.5 }, { learningRate: 0 }, { momentum: 1 }, { decayEvery: -1 }, { decay: 0 }, { hidden: 0 }])(
		"refuses %o",
		async (bad) => {
			await expect(fitMlp([toSample(Coalition.parse("11"), 1, 1)], { seed: 1, ...bad })).rejects.toThrow(Object.keys(bad)[0]);
		},
	);

	test("refuses nothing to learn from, and mixed lengths", async () => {
		await expect(fitMlp([], { seed: 1 })).rejects.toThrow(RangeError);
		const mixed = [toSample(Coalition.parse("11"), 1, 1), toSample(Coalition.parse("111"), 1, 1)];
		await expect(fitMlp(mixed, { seed: 1 })).rejects.toThrow(/one length/);
		await expect(fitPairwise(mixed)).rejects.toThrow(/one length/);
	});
});

describe("pairwise ridge", () => {
	const quadratic = quadraticGame(10, 4);
	const drawQuadratic = async (count: number, seed: number) => {
		const masks = drawStrata(quadratic, { sizes: [9, 8, 7, 6, 5], count, random: new Random(seed), distinct: true });
		return toSamples(await quadratic.measure(masks), 3);
	};

	test.each([
		["fewer masks than pairs", 50, 0.95],
		["more masks than pairs", 250, 0.99],
	])("recovers a quadratic game from %s", async (_, count, least) => {
		const all = await drawQuadratic(600, 1);
		const training = all.filter((__, i) => i % Math.floor(all.length / count) === 0).slice(0, count);
		const keys = new Set(training.map((sample) => sample.coalition.key));
		const surrogate = await fitPairwise(training);
		const report = judgeSurrogate(
			surrogate,
			all.filter((sample) => !keys.has(sample.coalition.key)),
			{ training },
		);
		expect(report.r2Log).toBeGreaterThan(least === 0.99 ? 0.999 : 0.8);
		expect(surrogate.predict([Coalition.full(10)])[0]).toBe(1);
	});

	test("both ways of solving give the same answer", async () => {
		const training = await drawQuadratic(120, 2);
		const options = { penalties: [0.1] };
		const few = training.slice(0, 50);
		const a = await fitPairwise(few, options);
		const b = await fitPairwise([...few, ...few], { penalties: [0.2] });
		const masks = training.map((sample) => sample.coalition);
		// Every mask twice at twice the penalty is the same problem, solved over coefficients instead of masks.
		for (const [i, value] of a.predict(masks).entries()) expect(b.predict(masks)[i]).toBeCloseTo(value, 8);
	});

	test("draws scatter around the mean as far as the posterior says, both ways", async () => {
		for (const count of [40, 200]) {
			const training = await drawQuadratic(count, 3);
			const noisy = training.map((sample, i) => toSample(sample.coalition, 3 + sample.addedLoss + 0.05 * Math.sin(100 * i), 3));
			const surrogate = await fitPairwise(noisy, { penalties: [0.3] });
			const random = new Random(1);
			const removed = Uint8Array.from({ length: 10 }, (_, i) => (i % 3 === 0 ? 1 : 0));
			const draws = Array.from({ length: 800 }, () => surrogate.draw(() => random.normal()).of(removed));
			const mean = draws.reduce((a, b) => a + b) / draws.length;
			const sd = Math.sqrt(draws.reduce((sum, x) => sum + (x - mean) ** 2, 0) / draws.length);
			expect(sd).toBeGreaterThan(0);
			expect(Math.abs(mean - surrogate.mean().of(removed))).toBeLessThan((4 * sd) / Math.sqrt(800));
		}
	});

	test("draws spread alike, solved over masks or over coefficients", async () => {
		const noisy = (await drawQuadratic(40, 3)).map((sample, i) =>
			toSample(sample.coalition, 3 + sample.addedLoss + 0.2 * Math.sin(100 * i), 3),
		);
		const overMasks = await fitPairwise(noisy, { penalties: [0.3] });
		// Every mask twice at twice the penalty: the same mean, half the variance, more masks than coefficients.
		const overPairs = await fitPairwise([...noisy, ...noisy], { penalties: [0.6] });
		expect(overPairs.fit.settings.noise).toBeCloseTo(overMasks.fit.settings.noise as number, 8);
		const masks = [noisy[0]!, noisy[20]!, noisy[39]!].map((sample) => sample.coalition.toBytes().map((kept) => 1 - kept));
		for (const removed of masks) {
			const [a, b] = [overMasks, overPairs].map((surrogate) => {
				const random = new Random(2);
				const draws = Array.from({ length: 2000 }, () => surrogate.draw(() => random.normal()).of(removed));
				return draws.reduce((sum, x) => sum + (x - surrogate.mean().of(removed)) ** 2, 0) / draws.length;
			});
			expect(a! / b! / 2).toBeGreaterThan(0.85);
			expect(a! / b! / 2).toBeLessThan(1.15);
		}
	});

	test("flips are differences", async () => {
		const loss = (await fitPairwise(await drawQuadratic(100, 5))).mean();
		const removed = Uint8Array.of(1, 0, 0, 1, 1, 0, 0, 0, 1, 0);
		for (let i = 0; i < 10; i++) {
			const flipped = removed.slice();
			flipped[i] = 1 - flipped[i]!;
			expect(loss.flip(removed, i)).toBeCloseTo(loss.of(flipped) - loss.of(removed), 12);
		}
	});

	test("on the fixture it beats the paper's network by far", async () => {
		const { training, heldOut } = await fixtureSplit(256, 300);
		const [mlp, pairwise] = [await fitMlp(training, { seed: 1 }), await fitPairwise(training)];
		const [a, b] = [mlp, pairwise].map((surrogate) => judgeSurrogate(surrogate, heldOut, { training }));
		expect(b!.r2).toBeGreaterThan(0.9);
		expect(b!.within.r2).toBeGreaterThan(0.8);
		expect(b!.spearman).toBeGreaterThan(a!.spearman);
	});

	test("closed-form contributions rank as the exact window semivalue of the link does", async () => {
		const training = await drawQuadratic(400, 6);
		const surrogate = await fitPairwise(training, { penalties: [1e-4] });
		const result = pairwiseContributions(surrogate, {
			kmax: 4,
			draws: { count: 20, seed: 1, draw: (normal) => surrogate.drawCoefficients(normal) },
		});
		// The same average by enumeration: the exact value of a game whose v is a linear map of the link.
		const link = (c: Coalition) => surrogate.mean().of(c.toBytes().map((kept) => 1 - kept));
		const { FunctionGame } = await import("../../../src/game/function-game.js");
		const scaled = new FunctionGame({ players: 10, loss: (c) => -Math.log(1 - 0.01 * link(c)) });
		const exact = await exactWindowSemivalue(scaled, { kmax: 4 });
		for (let i = 0; i < 10; i++) expect(0.01 * result.contributions[i]!).toBeCloseTo(exact.contributions[i]!, 10);
		expect(result.standardErrors!.every((error) => error >= 0)).toBe(true);
		expect(() => pairwiseContributions(surrogate, { kmax: 11 })).toThrow(RangeError);
		const frozen = pairwiseContributions(surrogate, { kmax: 9, frozen: [3] });
		expect(frozen.contributions[3]).toBeNaN();
	});
});

describe("the paper's step 4", () => {
	const additive = {
		players: 4,
		predict: (masks: readonly Coalition[]) => Float64Array.from(masks, (mask) => mask.kept().reduce((sum, i) => sum + (i + 1) / 10, 0)),
	};

	test("mean difference of with and without, whatever the masks", async () => {
		const masks = ["1111", "0101", "0101", "1000"].map(Coalition.parse);
		const result = await surrogateContributions(additive, masks, { seed: 9 });
		for (let i = 0; i < 4; i++) expect(result.contributions[i]).toBeCloseTo((i + 1) / 10, 12);
		expect(result).toMatchObject({ estimator: "paper-step-4", masks: 3, seed: 9, settings: { drawn: 4 } });
		await expect(surrogateContributions(additive, [])).rejects.toThrow(RangeError);
	});

	test("repeats count as often as drawn; both branches agree", async () => {
		const curved = { players: 2, predict: (masks: readonly Coalition[]) => Float64Array.from(masks, (mask) => mask.size ** 2) };
		const result = await surrogateContributions(curved, ["11", "11", "11", "00"].map(Coalition.parse), { frozen: [1] });
		// With i: 4 - 1 at 11 (three times), 1 - 0 at 00 (once).
		expect(result.contributions[0]).toBeCloseTo(2.5, 12);
		expect(result.contributions[1]).toBeNaN();
		expect(result.standardErrors![0]).toBeCloseTo(0.5, 12);
		const { training } = await fixtureSplit(60, 2);
		const surrogate = await fitPairwise(training);
		const masks = drawStrata(fixture, { sizes: [10, 8], count: 300, random: new Random(1) });
		const fast = await surrogateContributions(surrogate, masks);
		const slow = await surrogateContributions({ players: 12, predict: (m) => surrogate.predict(m) }, masks);
		for (let i = 0; i < 12; i++) expect(fast.contributions[i]).toBeCloseTo(slow.contributions[i]!, 12);
	});

	test("80,000 masks of the fixture's network: each distinct one counts once, and block 0 ranks highest", async () => {
		const { training } = await fixtureSplit(1500, 2);
		const network = await fitMlp(training, { seed: 1 });
		const masks = drawStrata(fixture, { sizes: strataSizes(12), count: 80_000, random: new Random(2) });
		const result = await surrogateContributions(network, masks);
		expect(ranking(result.contributions).at(-1)).toBe(0);
		expect(result.masks).toBe(new Set(masks.map((mask) => mask.key)).size);
	});
});

describe("judging", () => {
	const sample = (key: string, loss: number) => toSample(Coalition.parse(key), loss, 0);
	const training = [sample("1111", 0), sample("1110", 0.1), sample("1100", 0.3)];
	const heldOut = [
		sample("1011", 0.2),
		sample("0111", 0.4),
		sample("0011", 0.9),
		sample("1010", 0.5),
		sample("1001", Number.POSITIVE_INFINITY),
	];
	const oracle = {
		players: 4,
		predict: (masks: readonly Coalition[]) => Float64Array.from(masks, (m) => heldOut.find((s) => s.coalition.equals(m))!.value),
	};

	test("a perfect guess is 1 everywhere, baselines are not", () => {
		const report = judgeSurrogate(oracle, [...heldOut, heldOut[0]!], { training, critical: [0] });
		expect(report).toMatchObject({ masks: 5, r2: 1, spearman: 1 });
		expect(report.r2Log).toBeCloseTo(1, 10);
		expect(report.within.r2).toBe(1);
		expect(report.within.spearman).toBeCloseTo(1, 12);
		expect(report.strata.map((s) => [s.kept, s.masks])).toEqual([
			[3, 2],
			[2, 3],
		]);
		expect(report.baselines.stratumMean.r2).toBeLessThan(0.7);
		expect(report.baselines.criticalKept!.r2).toBeLessThan(0.7);
		expect(judgeSurrogate(oracle, heldOut, { training }).baselines.criticalKept).toBeUndefined();
	});

	test("the stratum mean of the held-out masks has within-stratum R2 of 0", () => {
		const means = new Map(
			[3, 2].map((size) => [size, heldOut.filter((s) => s.coalition.size === size).reduce((a, s, _, l) => a + s.value / l.length, 0)]),
		);
		const flat = { players: 4, predict: (masks: readonly Coalition[]) => Float64Array.from(masks, (m) => means.get(m.size)!) };
		expect(judgeSurrogate(flat, heldOut, { training }).within.r2).toBeCloseTo(0, 12);
	});

	test("masks seen in training are refused", () => {
		expect(() => judgeSurrogate(oracle, [...heldOut, training[1]!], { training })).toThrow(/is in the training set/);
		expect(() => judgeSurrogate(oracle, heldOut.slice(0, 1), { training })).toThrow(/two distinct/);
	});

	test("the split keeps repeats of a mask on one side and every size's share", async () => {
		const { training: samples } = await fixtureSplit(1000, 2);
		const split = splitHeldOut(samples, 0.2, 1);
		const keys = (list: typeof samples) => new Set(list.map((s) => s.coalition.key));
		const held = keys(split.heldOut);
		for (const key of keys(split.training)) expect(held.has(key)).toBe(false);
		expect(split.training.length + split.heldOut.length).toBe(samples.length);
		expect([...held].filter((key) => Coalition.parse(key).size === 11)).toHaveLength(2);
		expect(() => splitHeldOut(samples, 1, 1)).toThrow(RangeError);
	});
});

/** The same network and training written out without any shortcut: dense products, one mask at a time. */
function plainMlp(samples: ReturnType<typeof toSamples>, options: { seed: number; epochs: number; batch: number; decayEvery: number }) {
	const n = 12;
	const hidden = 24;
	const random = new Random(options.seed);
	const draws = random.fork("weights");
	const uniform = (bound: number) => (2 * draws.uniform() - 1) * bound;
	const w1 = Array.from({ length: n }, () => Array.from({ length: hidden }, () => uniform(1 / Math.sqrt(n))));
	const b1 = Array.from({ length: hidden }, () => uniform(1 / Math.sqrt(n)));
	const w2 = Array.from({ length: hidden }, () => uniform(1 / Math.sqrt(hidden)));
	const b2 = [uniform(1 / Math.sqrt(hidden))];
	const all = [...w1, b1, w2, b2];
	const velocity = all.map((row) => row.map(() => 0));
	const run = (mask: Coalition) => {
		const inputs = b1.map((bias, h) => mask.kept().reduce((sum, i) => sum + w1[i]![h]!, bias));
		const acts = inputs.map((x) => (x > 0 ? x : Math.exp(x) - 1));
		return { inputs, acts, out: 1 / (1 + Math.exp(-acts.reduce((sum, a, h) => sum + a * w2[h]!, b2[0]!))) };
	};
	const shuffles = random.fork("order");
	const order = samples.map((_, i) => i);
	for (let epoch = 0; epoch < options.epochs; epoch++) {
		const rate = 0.008 * 0.1 ** Math.floor(epoch / options.decayEvery);
		shuffles.shuffle(order);
		for (let start = 0; start < order.length; start += options.batch) {
			const batch = order.slice(start, start + options.batch);
			const gradient = all.map((row) => row.map(() => 0));
			for (const index of batch) {
				const { coalition, value } = samples[index]!;
				const { inputs, acts, out } = run(coalition);
				const outer = (2 * (out - value) * out * (1 - out)) / batch.length;
				gradient[n + 2]![0]! += outer;
				for (let h = 0; h < hidden; h++) {
					gradient[n + 1]![h]! += outer * acts[h]!;
					const inner = outer * w2[h]! * (inputs[h]! > 0 ? 1 : Math.exp(inputs[h]!));
					gradient[n]![h]! += inner;
					for (const i of coalition.kept()) gradient[i]![h]! += inner;
				}
			}
			for (const [r, row] of all.entries()) {
				for (let c = 0; c < row.length; c++) {
					velocity[r]![c] = 0.9 * velocity[r]![c]! + gradient[r]![c]!;
					row[c]! -= rate * velocity[r]![c]!;
				}
			}
		}
	}
	return (mask: Coalition) => run(mask).out;
}
