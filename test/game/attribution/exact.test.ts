import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ranking } from "../../../src/game/attribution/attribution.js";
import { exactShapley, exactWeightedBanzhaf, exactWindowSemivalue } from "../../../src/game/attribution/exact.js";
import { leaveOneOutContributions } from "../../../src/game/attribution/leave-one-out.js";
import { permutationContributions } from "../../../src/game/attribution/permutation.js";
import { Coalition } from "../../../src/game/coalition.js";
import { FunctionGame } from "../../../src/game/function-game.js";
import type { Game } from "../../../src/game/game.js";
import { TableGame } from "../../../src/game/table-game.js";
import { fixtureGame, valueGame } from "../../helpers/games.js";

const sum = (values: ArrayLike<number>) => Array.from(values).reduce((a, b) => a + b, 0);
const close = (a: ArrayLike<number>, b: ArrayLike<number>, digits = 10) => {
	expect(a.length).toBe(b.length);
	for (let i = 0; i < a.length; i++) expect(a[i]).toBeCloseTo(b[i] as number, digits);
};
/** A game of any values: index by the bits of the kept blocks. */
const tableOf = (players: number, values: readonly number[]) =>
	valueGame(players, (coalition) => values[Number.parseInt(coalition.key, 2)] as number);

const estimators: Record<string, (game: Game) => Promise<{ contributions: Float64Array }>> = {
	shapley: (game) => exactShapley(game),
	window: (game) => exactWindowSemivalue(game, { kmax: 3 }),
	banzhaf: (game) => exactWeightedBanzhaf(game, { k: 2 }),
};
const anyValues = fc.array(fc.double({ min: 0.01, max: 1, noNaN: true }), { minLength: 32, maxLength: 32 });
/** Values are relative to the original model: v(N) = 1 in every game, so linearity is tested on games that share it. */
const withFullOne = (values: readonly number[]) => [...values.slice(0, 31), 1];

describe("the fixture's measured game", () => {
	test("exact Shapley values with v(empty) = 0 are the published ones", async () => {
		const result = await exactShapley(fixtureGame(), { emptyValue: 0 });
		const published = [0.4457, 0.0579, 0.0701, 0.054, 0.0542, 0.0523, 0.0383, 0.0489, 0.0483, 0.0346, 0.0339, 0.0618];
		close(result.contributions, published, 4);
		expect(sum(result.contributions)).toBeCloseTo(1, 12);
		expect(result.masks).toBe(4095);
		expect(ranking(result.contributions).slice(0, 3)).toEqual([10, 9, 6]);
	});

	test("windowed efficiency", async () => {
		const game = fixtureGame();
		const { contributions, masks } = await exactWindowSemivalue(game, { kmax: 4 });
		const values = game.all().filter((m) => m.coalition.size === 8);
		const full = sum((await game.measure([Coalition.full(12)]))[0]!.losses) / 10;
		const mean = sum(values.map((m) => Math.exp(full - sum(m.losses) / 10))) / values.length;
		expect(sum(contributions)).toBeCloseTo((12 / 4) * (1 - mean), 10);
		expect(masks).toBe(1 + 12 + 66 + 220 + 495);
	});

	test("permutation walks agree within their standard errors", async () => {
		const exact = await exactWindowSemivalue(fixtureGame(), { kmax: 6 });
		const walks = await permutationContributions(fixtureGame(), { walks: 600, kmax: 6, seed: 1 });
		const errors = Array.from(exact.contributions, (phi, i) => (walks.contributions[i]! - phi) / walks.standardErrors![i]!);
		expect(Math.max(...errors.map(Math.abs))).toBeLessThan(3.5);
		expect(sum(errors.map((e) => e * e)) / 12).toBeLessThan(2.2);
		expect(walks.estimator).toBe("permutation-window");
		const again = await permutationContributions(fixtureGame(), { walks: 600, kmax: 6, seed: 1 });
		expect(again.contributions).toEqual(walks.contributions);
	});

	test("leave-one-out contributions", async () => {
		const result = await leaveOneOutContributions(fixtureGame(), { scale: "loss" });
		expect(result.contributions[6]).toBeCloseTo(0.0726, 4);
		expect(result.masks).toBe(13);
		const value = await leaveOneOutContributions(fixtureGame());
		expect(value.contributions[6]).toBeCloseTo(1 - Math.exp(-0.0726), 4);
	});
});

describe.each(Object.entries(estimators))("axioms of %s", (name, estimate) => {
	test("additive game: everyone gets their own", async () => {
		const own = [0.1, 0.2, 0.05, 0.3, 0.25];
		const game = valueGame(5, (coalition) => 0.1 + sum(coalition.kept().map((i) => own[i] as number)));
		close((await estimate(game)).contributions, own);
	});

	test("symmetry, dummy", async () => {
		await fc.assert(
			fc.asyncProperty(fc.array(fc.double({ min: 0.01, max: 1, noNaN: true }), { minLength: 12, maxLength: 12 }), async (values) => {
				// Blocks 0 and 1 count alike, block 4 does nothing.
				const v = (c: Coalition) => values[(Number(c.has(0)) + Number(c.has(1))) * 4 + Number(c.has(2)) * 2 + Number(c.has(3))] as number;
				const { contributions } = await estimate(valueGame(5, v));
				expect(contributions[0]).toBeCloseTo(contributions[1]!, 10);
				expect(contributions[4]).toBeCloseTo(0, 10);
			}),
			{ numRuns: 25 },
		);
	});

	test("linearity", async () => {
		await fc.assert(
			fc.asyncProperty(anyValues, anyValues, fc.double({ min: 0, max: 1, noNaN: true }), async (a, b, mix) => {
				const [left, right] = [withFullOne(a), withFullOne(b)];
				const mixed = left.map((value, i) => mix * value + (1 - mix) * (right[i] as number));
				const [phiL, phiR, phiM] = await Promise.all([left, right, mixed].map(async (v) => (await estimate(tableOf(5, v))).contributions));
				close(
					phiM!,
					phiL!.map((phi, i) => mix * phi + (1 - mix) * phiR![i]!),
				);
			}),
			{ numRuns: 25 },
		);
	});

	test("substitutes share", async () => {
		// One of blocks 0 and 1 is enough.
		const { contributions } = await estimate(valueGame(5, (c) => (c.has(0) || c.has(1) ? 1 : 0.2)));
		expect(contributions[0]).toBeCloseTo(contributions[1]!, 12);
		expect(contributions[0]).toBeGreaterThan(0);
		expect(contributions[2]).toBeCloseTo(0, 12);
	});

	test("frozen blocks are no players", async () => {
		const game = new FunctionGame({ players: 6, loss: (c) => 1 - 0.1 * c.size, frozen: new Map([[3, "first"]]) });
		const { contributions } = await estimate(game);
		expect(contributions[3]).toBeNaN();
		expect(contributions.filter((x) => x > 0)).toHaveLength(5);
		expect(name).toBeTruthy();
	});
});

test("Shapley values are efficient", async () => {
	await fc.assert(
		fc.asyncProperty(anyValues, async (values) => {
			const v = withFullOne(values);
			expect(sum((await exactShapley(tableOf(5, v))).contributions)).toBeCloseTo(1 - v[0]!, 10);
			const walks = await permutationContributions(tableOf(5, v), { walks: 5, seed: 2 });
			expect(sum(walks.contributions)).toBeCloseTo(1 - v[0]!, 10);
		}),
		{ numRuns: 25 },
	);
});

test("every permutation of three players gives the exact Shapley value", async () => {
	const values = [0.05, 0.1, 0.3, 0.5, 0.2, 0.6, 0.4, 1];
	const exact = await exactShapley(tableOf(3, values));
	const walks = await permutationContributions(tableOf(3, values), { walks: 30_000, seed: 3 });
	close(walks.contributions, exact.contributions, 2);
});

test("tied blocks are one player and share its contribution", async () => {
	const tied = new FunctionGame({ players: 4, loss: (c) => 0.3 * c.removed().length, allows: (c) => c.has(1) === c.has(2) });
	await expect(exactShapley(tied)).rejects.toThrow(/as units/);
	await expect(permutationContributions(tied, { walks: 8, seed: 1 })).rejects.toThrow(/as units/);
	const { contributions, masks } = await exactShapley(tied, { units: [[1, 2]] });
	expect(masks).toBe(8);
	expect(contributions[1]).toBe(contributions[2]);
	expect(sum(contributions)).toBeCloseTo(1 - Math.exp(-1.2), 10);
});

test("a window needs only its own coalitions, at any number of blocks; too many are refused", async () => {
	const game = valueGame(40, (c) => 1 - 0.01 * c.removed().length);
	const { contributions, masks } = await exactWindowSemivalue(game, { kmax: 2 });
	expect(masks).toBe(1 + 40 + 780);
	for (const phi of contributions) expect(phi).toBeCloseTo(0.01, 10);
	await expect(exactShapley(game)).rejects.toThrow(/too many/);
	await expect(exactWindowSemivalue(game, { kmax: 0 })).rejects.toThrow(RangeError);
	await expect(exactWeightedBanzhaf(fixtureGame(), { k: 13 })).rejects.toThrow(RangeError);
	expect(TableGame).toBeDefined();
});

test("ranking leaves frozen blocks out and breaks ties by number", () => {
	expect(ranking([0.2, Number.NaN, 0.1, 0.2])).toEqual([2, 0, 3]);
});
