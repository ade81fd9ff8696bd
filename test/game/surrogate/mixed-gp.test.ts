import { describe, expect, test } from "vitest";
import { Coalition } from "../../../src/game/coalition.js";
import { windowDesign } from "../../../src/game/designs.js";
import { Random } from "../../../src/game/random.js";
import { type Sample, toSample } from "../../../src/game/sample.js";
import { crossJudge, judgeSurrogate, splitHeldOut } from "../../../src/game/surrogate/judge.js";
import { fitMixedGp } from "../../../src/game/surrogate/mixed-gp.js";
import { fitPairwise } from "../../../src/game/surrogate/pairwise.js";
import { drawnLinks, fixtureGame, fixtureSamples } from "../../helpers/games.js";

const samples = fixtureSamples().filter((sample) => sample.coalition.size >= 4);
const byKey = new Map(samples.map((sample) => [sample.coalition.key, sample]));

/** All single removals and random sets of 1 to 8 blocks. */
function training(count: number, seed: number): Sample[] {
	const singles = Array.from({ length: 12 }, (_, i) => Coalition.ofRemoved(12, [i]));
	const drawn = windowDesign(fixtureGame(), {
		kmax: 8,
		count: count - 12,
		random: new Random(seed),
		exclude: new Set(singles.map(String)),
	});
	return [...singles, ...drawn].map((set) => byKey.get(set.key)!);
}
const unseen = (seen: readonly Sample[]) => {
	const keys = new Set(seen.map((sample) => sample.coalition.key));
	return samples.filter((sample) => !keys.has(sample.coalition.key) && sample.coalition.size < 12 && sample.coalition.has(0));
};

test("on the fixture: unseen sets are ranked within their size, and 90 % intervals hold about nine in ten", async () => {
	for (const seed of [1, 2]) {
		const seen = training(200, seed);
		const surrogate = await fitMixedGp(seen);
		const judgement = judgeSurrogate(surrogate, unseen(seen), { training: seen, critical: [0] });
		expect(judgement.within.spearman).toBeGreaterThan(0.92);
		expect(judgement.within.r2).toBeGreaterThan(0.85);
		expect(judgement.coverage90).toBeGreaterThan(0.8);
		expect(judgement.coverage90).toBeLessThan(0.99);
		expect(judgement.r2).toBeGreaterThan(judgement.baselines.stratumMean.r2);
		const pairwise = judgeSurrogate(await fitPairwise(seen), unseen(seen), { training: seen });
		expect(judgement.within.r2).toBeGreaterThan(pairwise.within.r2);
	}
});

describe("the functions it gives", () => {
	test("are 0 at the original model, go through what was measured, and their flips are differences", async () => {
		const seen = training(60, 3);
		const surrogate = await fitMixedGp(seen, { start: { pairs: 0.1, reach: 4, rest: 0.1, length: 8, noise: 1e-6 }, rounds: 0 });
		const random = new Random(1);
		for (const loss of [surrogate.mean(), surrogate.draw(() => random.normal())]) {
			expect(loss.of(new Uint8Array(12))).toBeCloseTo(0, 9);
			for (const { coalition, addedLoss } of seen.slice(0, 20)) {
				const removed = coalition.toBytes().map((kept) => 1 - kept);
				expect(Math.abs(loss.of(removed) - Math.log1p(addedLoss))).toBeLessThan(0.02);
			}
			for (let round = 0; round < 10; round++) {
				const removed = Uint8Array.from({ length: 12 }, () => random.integer(2));
				const before = loss.of(removed);
				const block = random.integer(12);
				const change = loss.flip(removed, block);
				expect(loss.of(removed)).toBeCloseTo(before, 9);
				removed[block] = 1 - removed[block]!;
				expect(loss.of(removed)).toBeCloseTo(before + change, 9);
			}
		}
	});

	test("draws have the mean and the deviation that the process states", async () => {
		const surrogate = await fitMixedGp(training(80, 4));
		const sets = [
			[1, 2, 3],
			[4, 6, 9, 10],
			[2, 5],
			[1, 3, 5, 7, 9, 11],
		].map((removed) => Coalition.ofRemoved(12, removed));
		const { mean, sd } = surrogate.predictLinks(sets);
		const random = new Random(5);
		const draws = Array.from({ length: 400 }, () => surrogate.draw(() => random.normal()));
		for (const [i, set] of sets.entries()) {
			const { center, spread } = drawnLinks(draws, set);
			expect(Math.abs(center - mean[i]!)).toBeLessThan(0.25 * sd[i]!);
			expect(spread / sd[i]!).toBeGreaterThan(0.75);
			expect(spread / sd[i]!).toBeLessThan(1.25);
			expect(surrogate.toValue(mean[i]!)).toBeCloseTo(surrogate.predict([set])[0]!, 9);
		}
	});

	test("marginals are differences of predictions", async () => {
		const surrogate = await fitMixedGp(training(60, 6));
		const set = Coalition.ofRemoved(12, [2, 5, 8]);
		const marginals = surrogate.marginals(set.toBytes());
		for (let i = 0; i < 12; i++) {
			const [kept, gone] = surrogate.predict([set.with(i), set.without(i)]);
			expect(marginals[i]).toBeCloseTo(kept! - gone!, 9);
		}
	});
});

test("an additive game is recovered from single removals and a few sets", async () => {
	const own = [0.02, 0.1, 0.05, 0.2, 0.08, 0.15, 0.03, 0.12];
	const loss = (set: Coalition) => Math.expm1(set.removed().reduce((sum, i) => sum + own[i]!, 0));
	const sets = windowDesign({ players: 8, frozen: new Map(), allows: () => true }, { kmax: 4, count: 40, random: new Random(1) });
	const surrogate = await fitMixedGp(sets.map((set) => toSample(set, 3 + loss(set), 3)));
	const asked = [
		[0, 1, 2, 3, 4],
		[2, 4, 6, 7],
		[1, 3, 5],
	].map((removed) => Coalition.ofRemoved(8, removed));
	const { mean } = surrogate.predictLinks(asked);
	for (const [i, set] of asked.entries()) expect(mean[i]).toBeCloseTo(Math.log1p(loss(set)), 2);
});

test("broken models, repeats and the original model are no trouble; the same samples give the same fit", async () => {
	const seen = [...training(40, 7), byKey.get("1".repeat(12))!, ...training(40, 7)];
	const dead = { coalition: Coalition.ofRemoved(12, [0, 1, 2]), addedLoss: Number.POSITIVE_INFINITY, value: 0 };
	const surrogate = await fitMixedGp([...seen, dead]);
	expect(surrogate.fit.masks).toBe(41);
	const asked = [Coalition.ofRemoved(12, [3, 6]), Coalition.ofRemoved(12, [0, 1, 2])];
	expect(Array.from(surrogate.predict(asked)).every(Number.isFinite)).toBe(true);
	expect((await fitMixedGp([...seen, dead])).predict(asked)).toEqual(surrogate.predict(asked));
	await expect(fitMixedGp([])).rejects.toThrow(RangeError);
	await expect(fitMixedGp(seen, { signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
});

test("of more masks than it may use it keeps the best of each size and a spread of the others", async () => {
	const seen = training(150, 9);
	const surrogate = await fitMixedGp(seen, { maxMasks: 60 });
	expect(surrogate.fit.masks).toBe(60);
	const best = seen.filter(({ coalition }) => coalition.size === 8).sort((a, b) => a.addedLoss - b.addedLoss)[0]!;
	// What was used is followed closely, what was left out is not.
	const { sd } = surrogate.predictLinks([best.coalition]);
	const { sd: typical } = surrogate.predictLinks(unseen(seen).map(({ coalition }) => coalition));
	expect(sd[0]!).toBeLessThan(typical.slice().sort()[typical.length >> 1]!);
});

test("cross judging holds every judged mask out once", async () => {
	const seen = training(120, 8);
	const keys = new Set(seen.slice(12).map((sample) => sample.coalition.key));
	const heldOut: string[] = [];
	const learn = async (part: readonly Sample[]) => {
		const trained = new Set(part.map(({ coalition }) => coalition.key));
		heldOut.push(...seen.map(({ coalition }) => coalition.key).filter((key) => !trained.has(key)));
		return fitMixedGp(part, { rounds: 1 });
	};
	const judgement = (await crossJudge(seen, keys, learn, { seed: 1, splits: 4, critical: [0] }))!;
	expect(judgement.masks).toBe(108);
	expect(heldOut.sort()).toEqual([...keys].sort());
	expect(judgement.within.spearman).toBeGreaterThan(0.8);
	expect(judgement.coverage90).toBeGreaterThan(0.75);
	expect(judgement.baselines.criticalKept!.r2).toBeLessThan(judgement.r2);
	expect(await crossJudge(seen, new Set([...keys].slice(0, 9)), learn, { seed: 1 })).toBeUndefined();
	// The same masks held out by hand agree about the quality.
	const split = splitHeldOut(seen.slice(12), 0.25, 1);
	const byHand = judgeSurrogate(await fitMixedGp([...seen.slice(0, 12), ...split.training]), split.heldOut, {
		training: [...seen.slice(0, 12), ...split.training],
	});
	expect(Math.abs(byHand.r2 - judgement.r2)).toBeLessThan(0.08);
});

test("what it learned from is predicted as if it had not been measured", async () => {
	const seen = training(120, 3);
	const surrogate = await fitMixedGp(seen);
	const [known, other] = [seen.slice(30, 45), unseen(seen)[0]!];
	const sets = [...known, other].map(({ coalition }) => coalition);
	const { mean, sd } = surrogate.predictUnseen(sets);
	for (const [i, { coalition }] of known.entries()) {
		const without = seen.filter((sample) => sample.coalition.key !== coalition.key);
		const fitted = await fitMixedGp(without, { start: surrogate.setting, rounds: 0 });
		const alone = fitted.predictLinks([coalition]);
		// The weights of blocks and the overall variance are fitted anew: close, not equal.
		expect(Math.abs(mean[i]! - alone.mean[0]!)).toBeLessThan(0.5 * alone.sd[0]!);
		expect(sd[i]! / alone.sd[0]!).toBeGreaterThan(0.8);
		expect(sd[i]! / alone.sd[0]!).toBeLessThan(1.25);
	}
	const direct = surrogate.predictLinks(sets);
	expect([mean.at(-1), sd.at(-1)]).toEqual([direct.mean.at(-1), direct.sd.at(-1)]);
	// Those that it follows are not believed.
	expect(sd[0]).toBeGreaterThan(direct.sd[0]!);
});
