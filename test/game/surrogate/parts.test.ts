import { describe, expect, it } from "vitest";
import { alternatingDesign } from "../../../src/game/alternating.js";
import { surrogateWindowContributions } from "../../../src/game/attribution/surrogate-window.js";
import { posteriorContributions } from "../../../src/game/attribution/posterior.js";
import { Coalition } from "../../../src/game/coalition.js";
import { windowDesign } from "../../../src/game/designs.js";
import { FunctionGame } from "../../../src/game/function-game.js";
import { Random } from "../../../src/game/random.js";
import { removedUnits, type Sample, toRows, toSamples } from "../../../src/game/sample.js";
import { partFlagsOf } from "../../../src/game/search/part-exchanges.js";
import { fitGpHamming } from "../../../src/game/surrogate/gp-hamming.js";
import { judgeSurrogate } from "../../../src/game/surrogate/judge.js";
import { fitMixedGp } from "../../../src/game/surrogate/mixed-gp.js";
import { fitMlp } from "../../../src/game/surrogate/mlp.js";
import { OwnCosts } from "../../../src/game/surrogate/own-costs.js";
import { fitPairwise } from "../../../src/game/surrogate/pairwise.js";
import type { PosteriorSurrogate } from "../../../src/game/surrogate/surrogate.js";
import { partGame, smoothPartGame } from "../../helpers/part-games.js";

const half = { granularity: "half-block" } as const;
const fits: Record<string, (samples: readonly Sample[], options?: object) => Promise<PosteriorSurrogate>> = {
	pairwise: fitPairwise,
	"gp-hamming": fitGpHamming,
	"mixed gp": fitMixedGp,
};

async function measured(game: FunctionGame, sets: readonly Coalition[]): Promise<Sample[]> {
	const full = Coalition.full(game.players);
	const [original] = await game.measure([full]);
	return toSamples(await game.measure([full, ...sets]), original!.losses[0]!);
}
const drawn = (game: FunctionGame, count: number, seed: number, exclude = new Set<string>()) =>
	alternatingDesign(game, { kmax: 4, count, random: new Random(seed), exclude });

describe.each(Object.entries(fits))("%s over parts of blocks", (_, learn) => {
	it("predicts sets with half-block cuts that it has not seen", async () => {
		const game = partGame(10, 4);
		const training = await measured(game, drawn(game, 220, 1));
		const known = new Set(training.map(({ coalition }) => coalition.key));
		const heldOut = (await measured(game, drawn(game, 120, 2, known))).slice(1);
		const model = await learn(training, half);
		expect(model.players).toBe(10);
		const { within, coverage90 } = judgeSurrogate(model, heldOut, { training });
		expect(within.spearman).toBeGreaterThan(0.85);
		expect(coverage90).toBeGreaterThan(0.6);
	});

	it("predicts whole blocks too, and what it draws is around what it says", async () => {
		const game = partGame(8, 2);
		const model = await learn(await measured(game, drawn(game, 90, 3)), half);
		const sets = [[2], [1.5, 4], [0, 3.5, 5.5]].map((removed) => Coalition.ofRemoved(8, removed));
		const { mean, sd } = model.predictLinks(sets);
		const values = model.predict(sets);
		const random = new Random(7);
		const draws = Array.from({ length: 400 }, () => model.draw(() => random.normal()));
		for (const [i, set] of sets.entries()) {
			const flags = partFlagsOf(set);
			expect(model.mean().of(flags)).toBeCloseTo(mean[i]!, 9);
			expect(values[i]).toBeCloseTo(model.toValue(mean[i]!), 9);
			const links = draws.map((draw) => draw.of(flags));
			const center = links.reduce((a, b) => a + b) / links.length;
			const spread = Math.sqrt(links.reduce((sum, link) => sum + (link - center) ** 2, 0) / links.length);
			// The deviation of a prediction has the noise in it, that of the draws has not.
			expect(Math.abs(center - mean[i]!)).toBeLessThan((5 * sd[i]!) / Math.sqrt(links.length) + 0.005);
			expect(spread).toBeLessThan(1.2 * sd[i]! + 1e-3);
			const next = flags.slice();
			next[5] = 1 - next[5]!;
			for (const draw of draws.slice(0, 3)) expect(draw.flip(flags, 5)).toBeCloseTo(draw.of(next) - draw.of(flags), 6);
		}
	});

	it("over whole blocks refuses half-block cuts, to learn and to predict", async () => {
		const game = partGame(8, 2);
		const cuts = await measured(game, drawn(game, 30, 3));
		await expect(learn(cuts)).rejects.toThrow(/a surrogate over whole blocks cannot learn from [01af]+, which keeps parts of blocks/);
		const whole = await learn(await measured(game, windowDesign(game, { kmax: 3, count: 40, random: new Random(1) })));
		expect(whole.granularity).toBe("block");
		expect(() => whole.predict([Coalition.ofRemoved(8, [2.5])])).toThrow(/expected whole blocks, got .*; use granularity half-block/);
	});
});

describe("rows of coalitions", () => {
	it("have a byte a block, or a byte a part", () => {
		const sets = [Coalition.ofRemoved(3, [1]), Coalition.ofRemoved(3, [])];
		expect([...toRows(sets, 3)]).toEqual([1, 0, 1, 1, 1, 1]);
		expect([...toRows([Coalition.ofRemoved(3, [0.5])], 3, "half-block")]).toEqual([1, 0, 0, 1, 1, 1]);
		expect(removedUnits(Coalition.ofRemoved(5, [0.5, 3]), "half-block")).toEqual([1, 2, 6, 7]);
		expect(() => removedUnits(Coalition.ofRemoved(5, [0.5, 3]))).toThrow(RangeError);
	});

	it("are refused with half-block cuts by the paper's network", async () => {
		const game = partGame(6, 1);
		await expect(fitMlp(await measured(game, drawn(game, 10, 1)), { seed: 1 })).rejects.toThrow(/whole blocks/);
	});
});

describe("own costs of parts", () => {
	const weights = Float64Array.of(1, 2, 0.5, 1, 3, 0.2);
	const correlation = (p: number, q: number, smooth: number) => ((p ^ q) & 1 ? 0 : Math.exp(-Math.abs(p - q) / 2 / smooth));

	it("of alike parts are as alike as the formula says, those of different kinds are independent", () => {
		for (const smooth of [0.5, 2]) {
			const own = new OwnCosts(weights, smooth);
			for (const [p, w] of weights.entries())
				for (const [q, v] of weights.entries()) {
					const expected = w * v * correlation(p, q, smooth);
					const unit = new Float64Array(6);
					unit[q] = 1;
					expect(own.with(unit)[p]).toBeCloseTo(expected, 12);
					expect(own.between([p], [q])).toBeCloseTo(p === q ? 0 : expected, 12);
				}
			expect(own.between([0, 3], [2, 4, 5])).toBeCloseTo(
				correlation(0, 2, smooth) * 0.5 + correlation(0, 4, smooth) * 3 + correlation(3, 5, smooth) * 0.2,
				12,
			);
		}
		expect(new OwnCosts(weights).between([0, 2], [2, 4])).toBe(0);
	});

	it("are drawn with that covariance", () => {
		const [own, random] = [new OwnCosts(weights, 1.5), new Random(3)];
		const draws = Array.from({ length: 4000 }, () => own.draw(2, () => random.normal()));
		for (let p = 0; p < 6; p++)
			for (let q = 0; q <= p; q++) {
				const mean = draws.reduce((sum, draw) => sum + draw[p]! * draw[q]!, 0) / draws.length;
				const scale = 4 * weights[p]! * weights[q]!;
				expect(Math.abs(mean - scale * correlation(p, q, 1.5))).toBeLessThan(0.12 * scale);
			}
	});

	it("tell of neighbors that were not measured, where costs change slowly", async () => {
		const errors = { 0: 0, 2: 0 };
		for (const seed of [1, 2, 3, 4]) {
			const random = new Random(seed);
			const [height, at] = [0.03 * random.uniform(), 8 * random.uniform()];
			const cost = (part: number) => (part % 2 === 0 ? 0.05 + height * Math.sin(part / 6 + at) : 0.09 + height * Math.cos(part / 5 + at));
			const link = (set: Coalition) => removedUnits(set, "half-block").reduce((sum, part) => sum + cost(part), 0);
			const game = new FunctionGame({ players: 16, loss: (set) => 3 + Math.expm1(link(set)) });
			const sets = alternatingDesign(game, { kmin: 3, kmax: 5, count: 60, random: random.fork("sets") });
			const training = await measured(game, sets.slice(0, 16));
			const rest = sets.slice(16);
			for (const smooth of [0, 2] as const) {
				const start = { pairs: 0.01, reach: 4, rest: 0.001, length: 8, noise: 1e-4, smooth };
				const { mean } = (await fitMixedGp(training, { ...half, start, rounds: 0 })).predictLinks(rest);
				for (const [i, set] of rest.entries()) errors[smooth] += (mean[i]! - link(set)) ** 2;
			}
		}
		expect(errors[2]).toBeLessThan(0.5 * errors[0]);
	});

	it("are chosen to be alike by the likelihood, where they are", async () => {
		const game = smoothPartGame(16, 5);
		const model = await fitMixedGp(await measured(game, drawn(game, 150, 1)), half);
		expect(model.fit.settings.smooth).toBeGreaterThan(0);
		expect(
			(await fitMixedGp(await measured(game, windowDesign(game, { kmax: 3, count: 60, random: new Random(1) })))).fit.settings,
		).not.toHaveProperty("smooth");
	});
});

describe("contributions of whole blocks", () => {
	it("by a surrogate over parts are those by one over blocks, near enough; the posterior's closed ways are refused", async () => {
		const game = partGame(8, 6);
		const whole = await measured(game, windowDesign(game, { kmax: 4, count: 120, random: new Random(1) }));
		const [one, other] = [await fitMixedGp(whole), await fitMixedGp(whole, half)];
		const options = { kmax: 3, seed: 1 };
		const [blocks, parts] = [await surrogateWindowContributions(one, options), await surrogateWindowContributions(other, options)];
		for (const [block, value] of blocks.contributions.entries()) expect(Math.abs(parts.contributions[block]! - value)).toBeLessThan(0.02);
		await expect(posteriorContributions(other, options)).rejects.toThrow("contributions are of whole blocks");
	});
});
