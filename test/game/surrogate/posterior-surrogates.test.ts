import { describe, expect, test } from "vitest";
import { exactWindowSemivalue } from "../../../src/game/attribution/exact.js";
import { posteriorContributions } from "../../../src/game/attribution/posterior.js";
import { Coalition } from "../../../src/game/coalition.js";
import { windowDesign } from "../../../src/game/designs.js";
import { Random } from "../../../src/game/random.js";
import type { Sample } from "../../../src/game/sample.js";
import { fitGpHamming } from "../../../src/game/surrogate/gp-hamming.js";
import { crossJudge, judgeSurrogate } from "../../../src/game/surrogate/judge.js";
import { fitMixedGp } from "../../../src/game/surrogate/mixed-gp.js";
import { fitMlp } from "../../../src/game/surrogate/mlp.js";
import { fitPairwise } from "../../../src/game/surrogate/pairwise.js";
import type { PosteriorSurrogate } from "../../../src/game/surrogate/surrogate.js";
import { drawnLinks, fixtureGame, fixtureSamples } from "../../helpers/games.js";
import { firstOf } from "../../helpers/slow.js";

// Properties of every surrogate that knows how uncertain it is, whichever family it is of.

const samples = fixtureSamples().filter(({ coalition }) => coalition.size >= 4 && coalition.size < 12);
const byKey = new Map(samples.map((sample) => [sample.coalition.key, sample]));

/** All single removals and random sets of 2 to 8 blocks of the fixture's model. */
function training(count: number, seed: number): Sample[] {
	const singles = Array.from({ length: 12 }, (_, i) => Coalition.ofRemoved(12, [i]));
	const drawn = windowDesign(fixtureGame(), { kmin: 2, kmax: 8, count: count - 12, random: new Random(seed) });
	return [...singles, ...drawn].map((set) => byKey.get(set.key)!);
}

const unseen = (seen: readonly Sample[]) => {
	const keys = new Set(seen.map(({ coalition }) => coalition.key));
	return samples.filter(({ coalition }) => !keys.has(coalition.key));
};

const families: Record<string, (samples: readonly Sample[]) => Promise<PosteriorSurrogate>> = {
	"pairwise ridge": (list) => fitPairwise(list),
	"Gaussian process, additive and Hamming": (list) => fitGpHamming(list),
	"Gaussian process, mixed": (list) => fitMixedGp(list),
};

describe.each(Object.entries(families))("%s", (name, learn) => {
	test.each(firstOf(1, [200, 60]))(
		"about nine in ten unseen sets lie in the intervals of 90 per cent after %i masks, as judging says",
		async (count) => {
			const shares: number[] = [];
			for (const seed of [1, 2, 3]) {
				const seen = training(count, seed);
				shares.push(judgeSurrogate(await learn(seen), unseen(seen), { training: seen }).coverage90!);
			}
			const mean = shares.reduce((a, b) => a + b) / shares.length;
			expect(mean).toBeGreaterThan(0.83);
			expect(mean).toBeLessThan(0.985);
		},
	);

	test("so does judging by masks held out in turn", async () => {
		const seen = training(112, 4);
		const keys = new Set(seen.slice(12).map(({ coalition }) => coalition.key));
		const { coverage90 } = (await crossJudge(seen, keys, learn, { seed: 1 }))!;
		expect(coverage90).toBeGreaterThan(0.8);
		expect(coverage90).toBeLessThanOrEqual(1);
	});

	// The second count is beyond the pairs and blocks: pairwise ridge then solves over coefficients.
	test.each([60, 120])("draws have the mean and the deviation that it states, noise left out, after %i masks", async (count) => {
		const surrogate = await learn(training(count, 5));
		const sets = [[], [1, 2, 3], [4, 6, 9, 10], [2, 5], [1, 3, 5, 7, 9, 11]].map((removed) => Coalition.ofRemoved(12, removed));
		const { mean, sd } = surrogate.predictLinks(sets);
		// For the Gaussian processes it is almost nothing here.
		const noise = name === "pairwise ridge" ? Number(surrogate.fit.settings.noise) : 0;
		const random = new Random(6);
		const draws = Array.from({ length: 600 }, () => surrogate.draw(() => random.normal()));
		for (const [i, set] of sets.entries()) {
			const { removed, values, center, spread } = drawnLinks(draws, set);
			expect(surrogate.toValue(mean[i]!)).toBeCloseTo(surrogate.predict([set])[0]!, 9);
			expect(surrogate.mean().of(removed)).toBeCloseTo(mean[i]!, 9);
			if (set.size === 12) {
				expect(Math.max(...values.map(Math.abs))).toBeLessThan(1e-9);
				continue;
			}
			const stated = Math.sqrt(sd[i]! ** 2 - noise ** 2);
			expect(Math.abs(center - mean[i]!)).toBeLessThan(0.25 * stated);
			expect(spread / stated).toBeGreaterThan(0.75);
			expect(spread / stated).toBeLessThan(1.25);
		}
	});

	test("flips of the mean and of draws are differences", async () => {
		const surrogate = await learn(training(60, 7));
		const random = new Random(8);
		for (const loss of [surrogate.mean(), surrogate.draw(() => random.normal())]) {
			const removed = Uint8Array.from({ length: 12 }, (_, i) => Number(i % 3 === 1));
			for (let i = 0; i < 12; i++) {
				const flipped = removed.slice();
				flipped[i] = 1 - flipped[i]!;
				const expected = loss.of(flipped) - loss.of(removed);
				expect(loss.flip(removed, i)).toBeCloseTo(expected, 9);
			}
		}
	});

	test("contributions with errors come from it", async () => {
		const exact = (await exactWindowSemivalue(fixtureGame(), { kmax: 8 })).contributions;
		const result = await posteriorContributions(await learn(training(256, 1)), { kmax: 8, seed: 1, count: 2000 });
		const others = Array.from({ length: 11 }, (_, i) => i + 1);
		const scores = others.map((i) => (result.contributions[i]! - exact[i]!) / result.standardErrors![i]!);
		expect(Math.sqrt(scores.reduce((sum, score) => sum + score ** 2, 0) / 11)).toBeLessThan(3);
		for (const i of others) expect(Math.abs(result.contributions[i]! - exact[i]!)).toBeLessThan(0.02);
	});
});

test("the paper's network gives no intervals", async () => {
	const seen = training(60, 1);
	expect(judgeSurrogate(await fitMlp(seen, { seed: 1, epochs: 5 }), unseen(seen), { training: seen }).coverage90).toBeUndefined();
});
