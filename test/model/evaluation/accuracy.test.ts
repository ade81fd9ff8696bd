import { describe, expect, it } from "vitest";
import { accuracyOf, answer, compareAnswers, mcnemar, rightOf } from "../../../src/model/evaluation/accuracy.js";

describe("an answer", () => {
	it("is the most likely choice; by length it may be another", () => {
		// Nats per character: -0.5, -0.4; the shorter one is more likely as a whole.
		const { pick, normalizedPick } = answer(1, [-2, -4], [4, 10], [2, 5]);
		expect([pick, normalizedPick]).toEqual([0, 1]);
	});

	it("has the share of the right choice as its loss, in nats per token", () => {
		// Two characters per token: -0.5 and -0.4 per character are -1 and -0.8 per token.
		const { goldLoss } = answer(1, [-2, -4], [4, 10], [2, 5]);
		expect(goldLoss).toBeCloseTo(Math.log(1 + Math.exp(-0.2)), 12);
		// Counted in tokens the scores stay unchanged.
		expect(answer(0, [-2, -6], [2, 3], [2, 3]).goldLoss).toBeCloseTo(Math.log(1 + Math.exp(-1)), 12);
		expect(answer(0, [-3, -3, -3], [5, 5, 5], [2, 2, 2]).goldLoss).toBeCloseTo(Math.log(3), 12);
	});

	it("takes the first of equals, and none where the model broke down", () => {
		expect(answer(1, [-3, -3], [1, 1], [1, 1])).toMatchObject({ pick: 0, normalizedPick: 0 });
		expect(answer(0, [Number.NaN, -3], [1, 1], [1, 1])).toMatchObject({ pick: 1, goldLoss: Number.POSITIVE_INFINITY });
		expect(answer(0, [Number.NaN, Number.NaN], [1, 1], [1, 1])).toMatchObject({ pick: -1, normalizedPick: -1 });
		expect(answer(0, [-1, Number.NaN], [1, 1], [1, 1]).goldLoss).toBe(0);
	});
});

it("an answer to a question of very many choices is found", () => {
	const same = new Array<number>(200_000).fill(1);
	const scores = same.map((_, i) => (i === 150_000 ? -1 : -2));
	expect(answer(150_000, scores, same, same)).toMatchObject({ pick: 150_000, normalizedPick: 150_000 });
});

describe("an accuracy", () => {
	it("has the standard error of the sample's deviation", () => {
		const right = [true, true, true, false];
		// Deviation with n - 1: sqrt(4 * 0.1875 / 3) = 0.5; over sqrt(4).
		expect(accuracyOf(right)).toEqual({ value: 0.75, correct: 3, standardError: 0.25 });
		expect(accuracyOf([true]).standardError).toBeUndefined();
	});

	it("counts what was picked", () => {
		const answers = [answer(1, [-2, -4], [4, 10], [2, 5]), answer(0, [-1, -2], [1, 1], [1, 1])];
		expect(rightOf(answers, false)).toEqual([false, true]);
		expect(rightOf(answers, true)).toEqual([true, true]);
	});
});

describe("two models", () => {
	it("differ by the questions that change, with the exact test", () => {
		const first = [true, true, true, true, false, true];
		const second = [true, false, false, false, true, false];
		const difference = compareAnswers(first, second);
		expect(difference).toMatchObject({ gained: 1, lost: 4 });
		expect(difference.value).toBeCloseTo(-0.5, 12);
		// Changes 0, -1, -1, -1, 1, -1: mean -0.5, squares about it 3.5.
		expect(difference.standardError).toBeCloseTo(Math.sqrt(3.5 / 5 / 6), 12);
		// At most one head in five fair coins, twice: 2 * 6 / 32.
		expect(difference.pValue).toBeCloseTo(0.375, 12);
	});

	it.each([
		[0, 0, 1],
		[3, 3, 1],
		[0, 5, 2 / 32],
		[9, 1, 22 / 1024],
		[2, 8, 112 / 1024],
	])("gained %d and lost %d gives p = %d", (gained, lost, p) => {
		expect(mcnemar(gained, lost)).toBeCloseTo(p, 12);
		expect(mcnemar(lost, gained)).toBeCloseTo(p, 12);
	});

	it("with very many changes stays in range", () => {
		expect(mcnemar(5000, 5000)).toBe(1);
		const p = mcnemar(4800, 5200);
		// Normal approximation with continuity correction: z = 3.99.
		expect(p).toBeGreaterThan(5e-5);
		expect(p).toBeLessThan(8e-5);
		expect(mcnemar(0, 5000)).toBe(0);
	});
});
