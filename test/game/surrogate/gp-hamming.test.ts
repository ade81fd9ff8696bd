import { expect, test } from "vitest";
import { Coalition } from "../../../src/game/coalition.js";
import { Random } from "../../../src/game/random.js";
import { toSample, toSamples } from "../../../src/game/sample.js";
import { drawStrata, strataSizes } from "../../../src/game/strata.js";
import { fitGpHamming } from "../../../src/game/surrogate/gp-hamming.js";
import { judgeSurrogate } from "../../../src/game/surrogate/judge.js";
import { fitPairwise } from "../../../src/game/surrogate/pairwise.js";
import { linkOfLoss } from "../../../src/game/surrogate/surrogate.js";
import { FIXTURE_FULL_LOSS, fixtureGame } from "../../helpers/games.js";

async function split(count: number) {
	const game = fixtureGame();
	const random = new Random(7);
	const masks = drawStrata(game, { sizes: strataSizes(12), count: count + 300, random, distinct: true });
	const samples = random.shuffle(toSamples(await game.measure(masks), FIXTURE_FULL_LOSS));
	return { training: samples.slice(0, count), heldOut: samples.slice(count) };
}

test("on the fixture: better than pairwise, and its 90 % intervals hold about nine in ten", async () => {
	const { training, heldOut } = await split(256);
	const surrogate = await fitGpHamming(training);
	const report = judgeSurrogate(surrogate, heldOut, { training });
	const pairwise = judgeSurrogate(await fitPairwise(training), heldOut, { training });
	expect(report.within.r2).toBeGreaterThan(0.99);
	expect(report.within.r2).toBeGreaterThan(pairwise.within.r2);
	const { mean, sd } = surrogate.predictLinks(heldOut.map((sample) => sample.coalition));
	const covered = heldOut.filter((sample, i) => Math.abs(linkOfLoss(sample.addedLoss) - mean[i]!) < 1.645 * sd[i]!).length;
	expect(covered / heldOut.length).toBeGreaterThan(0.82);
	expect(covered / heldOut.length).toBeLessThan(0.98);
});

test("anchored at the original model, sure where it measured and unsure far away; repeats change nothing", async () => {
	const { training } = await split(80);
	const surrogate = await fitGpHamming(training, { noises: [1e-4] });
	expect(surrogate.predict([Coalition.full(12)])[0]).toBeCloseTo(1, 6);
	const near = surrogate.predictLinks(training.map((sample) => sample.coalition));
	const far = surrogate.predictLinks([Coalition.parse("000000000001")]);
	expect(Math.max(...near.sd)).toBeLessThan(far.sd[0]!);
	const twice = await fitGpHamming([...training, ...training], { noises: [1e-4] });
	expect(twice.predict([Coalition.parse("101010111111")])).toEqual(surrogate.predict([Coalition.parse("101010111111")]));
});

test("a flat game and a single mask are no trouble; dead masks are finite", async () => {
	const flat = await fitGpHamming(["1110", "1101", "0111"].map((key) => toSample(Coalition.parse(key), 1, 1)));
	expect(flat.predict([Coalition.parse("1011")])[0]).toBeCloseTo(1, 6);
	const dead = await fitGpHamming([toSample(Coalition.parse("0111"), Number.POSITIVE_INFINITY, 1)]);
	expect(Number.isFinite(dead.predict([Coalition.parse("0011")])[0])).toBe(true);
	await expect(fitGpHamming([])).rejects.toThrow(RangeError);
});
