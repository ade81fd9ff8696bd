import { expect, test } from "vitest";
import { exactWindowSemivalue } from "../../../src/game/attribution/exact.js";
import { surrogateWindowContributions } from "../../../src/game/attribution/surrogate-window.js";
import type { Coalition } from "../../../src/game/coalition.js";
import { Random } from "../../../src/game/random.js";
import { toSamples } from "../../../src/game/sample.js";
import { drawStrata } from "../../../src/game/strata.js";
import { fitGpHamming } from "../../../src/game/surrogate/gp-hamming.js";
import { FIXTURE_FULL_LOSS, fixtureGame, valueGame } from "../../helpers/games.js";

const sizes = [11, 10, 9, 8, 7, 6];

test("gives the exact window semivalue of a known game, within the standard errors", async () => {
	const value = (c: Coalition) => 1 / (1 + c.removed().reduce((sum, i) => sum + 0.05 * (i + 1), 0) ** 2);
	const exact = await exactWindowSemivalue(valueGame(8, value), { kmax: 4 });
	const predictor = { players: 8, predict: (masks: readonly Coalition[]) => Float64Array.from(masks, value) };
	const sampled = await surrogateWindowContributions(predictor, { kmax: 4, seed: 1, count: 100 });
	for (let i = 0; i < 8; i++) {
		const error = Math.abs(sampled.contributions[i]! - exact.contributions[i]!);
		expect(error).toBeLessThan(4 * sampled.standardErrors![i]! + 1e-12);
		expect(error).toBeLessThan(0.05);
	}
	// Three removed of eight: 56 sets, more than twice the share of 25, so that size is sampled.
	expect(Math.max(...sampled.standardErrors!)).toBeGreaterThan(0);
	expect(await surrogateWindowContributions(predictor, { kmax: 4, seed: 1, count: 100 })).toEqual(sampled);
});

test("256 masks of the fixture: error below a tenth of the spread of the non-critical blocks, whatever the seed", async () => {
	const game = fixtureGame();
	const exact = (await exactWindowSemivalue(game, { kmax: 6 })).contributions;
	const blocks = Array.from({ length: 11 }, (_, i) => i + 1);
	const mean = (values: number[]) => values.reduce((a, b) => a + b) / values.length;
	const center = mean(blocks.map((i) => exact[i]!));
	const sd = Math.sqrt(mean(blocks.map((i) => (exact[i]! - center) ** 2)));
	for (const seed of [1, 2, 3]) {
		const masks = drawStrata(game, { sizes, count: 256, random: new Random(seed), distinct: true });
		const surrogate = await fitGpHamming(toSamples(await game.measure(masks), FIXTURE_FULL_LOSS));
		const { contributions, standardErrors, masks: asked } = await surrogateWindowContributions(surrogate, { kmax: 6, seed });
		const rmse = Math.sqrt(mean(blocks.map((i) => (exact[i]! - contributions[i]!) ** 2)));
		expect(rmse / sd).toBeLessThan(0.1);
		// At 12 blocks every size is listed whole.
		expect(asked).toBe(1 + 12 + 66 + 220 + 495 + 792);
		expect(Math.max(...standardErrors!)).toBe(0);
	}
});

test("frozen blocks stay out; bad options are refused", async () => {
	const predictor = { players: 4, predict: (masks: readonly Coalition[]) => Float64Array.from(masks, (m) => (m.has(0) ? m.size / 4 : 0)) };
	const { contributions } = await surrogateWindowContributions(predictor, { kmax: 3, seed: 1, count: 30, frozen: [0] });
	expect(contributions[0]).toBeNaN();
	for (let i = 1; i < 4; i++) expect(contributions[i]).toBeCloseTo(0.25, 12);
	await expect(surrogateWindowContributions(predictor, { kmax: 4, seed: 1, frozen: [0] })).rejects.toThrow(/1\.\.3/);
	await expect(surrogateWindowContributions(predictor, { kmax: 4, seed: 1, count: 3 })).rejects.toThrow(/at least kmax/);
});
