import { describe, expect, it } from "vitest";
import { Random } from "../../../src/game/random.js";
import { pool } from "../../../src/game/search/pooled.js";

const random = () => new Random("pooled");
/** Windows with a level of their own, and noise of each candidate. */
function text(truth: readonly number[], windows: number, noise: number, draw = random()): Float64Array[] {
	const levels = Array.from({ length: windows }, () => 3 * draw.normal());
	return truth.map((loss) => Float64Array.from(levels, (level) => loss + level + noise * draw.normal()));
}

describe("what is known of candidates", () => {
	it("is the mean of a single text, and the paired error", () => {
		const losses = text([2, 2.3, 2.1], 400, 0.2);
		const { means, best, error } = pool(3, [{ losses }]);
		const mean = (i: number) => losses[i]!.reduce((sum, x) => sum + x, 0) / 400;
		expect(best).toBe(0);
		for (const i of [0, 1, 2]) expect(means[i]).toBeCloseTo(mean(i) - mean(0), 6);
		// The levels of the windows, fifteen times as large as the noise, drop out.
		expect(error(0, 1)).toBeCloseTo(0.2 * Math.sqrt(2 / 400), 3);
		expect(error(1, 1)).toBe(0);
	});

	it("weighs texts by their precision, and gives the error of both together", () => {
		const draw = random();
		const exact = text([2, 2.1], 400, 0.05, draw);
		const vague = text([2.2, 2], 25, 0.5, draw);
		const { means, best, error } = pool(2, [{ losses: vague }, { losses: exact }]);
		expect(best).toBe(0);
		expect(means[1]).toBeCloseTo(0.1, 1);
		expect(error(0, 1)).toBeLessThan(pool(2, [{ losses: exact }]).error(0, 1));
		// The vague one alone says the reverse.
		expect(pool(2, [{ losses: vague }]).best).toBe(1);
	});

	it("believes little of a text that measures each candidate with an error of its own", () => {
		const draw = random();
		const copy = text([2.05, 2], 200, 0.01, draw);
		const own = text([2, 2.01], 200, 0.01, draw);
		expect(pool(2, [{ losses: copy }, { losses: own }]).best).toBe(1);
		expect(pool(2, [{ losses: copy, ownError: 0.1 }, { losses: own }]).best).toBe(0);
	});

	it("does not believe in one that came out low where little was measured, against what was expected", () => {
		// Two are as good, and one came out lower by less than the error.
		const losses = [Float64Array.of(2, 3, 2.4, 2.5), Float64Array.of(1.9, 3.2, 2.2, 2.5)];
		expect(pool(2, [{ losses }]).best).toBe(1);
		const expected = [
			{ mean: 0.4, sd: 0.02 },
			{ mean: 0.5, sd: 0.02 },
		];
		const { best, means } = pool(2, [{ losses }], expected);
		expect(best).toBe(0);
		expect(means[1]).toBeGreaterThan(0);
		expect(means[1]).toBeLessThan(0.1);
		// With as clear a difference on much text the expectation gives way.
		expect(pool(2, [{ losses: text([2.05, 2], 4000, 0.1) }], expected).best).toBe(1);
	});

	it("compares candidates that were not all measured on a text by those that were", () => {
		const draw = random();
		const [a, b] = text([2, 2.2], 200, 0.05, draw);
		const [c, d] = text([2.5, 2.4], 200, 0.05, draw);
		// Candidate 0 and 1 on one text, 1 and 2 on another: 2 is 0.1 below 1.
		const { means, error } = pool(3, [{ losses: [a, b, undefined] }, { losses: [undefined, c, d] }]);
		expect(means[1]! - means[0]!).toBeCloseTo(0.2, 1);
		expect(means[2]! - means[1]!).toBeCloseTo(-0.1, 1);
		expect(error(0, 2)).toBeGreaterThan(Math.max(error(0, 1), error(1, 2)));
		const apart = pool(3, [{ losses: [a, b, undefined] }]);
		expect(apart.error(0, 2)).toBe(Number.POSITIVE_INFINITY);
		expect(apart.best).toBe(0);
	});

	it("weighs sources as they are weighed", () => {
		const sources = [
			{ name: "chat", count: 3, weight: 3 },
			{ name: "code", count: 3, weight: 1 },
		];
		const losses = [Float64Array.of(1, 1.1, 1, 4, 4, 4.1), Float64Array.of(1.3, 1.3, 1.4, 3.5, 3.6, 3.5)];
		expect(pool(2, [{ losses, sources }]).best).toBe(0);
		expect(pool(2, [{ losses }]).best).toBe(1);
	});

	it("chooses the better one more often than either text alone", () => {
		const draw = random();
		const right = { search: 0, validation: 0, both: 0 };
		for (let i = 0; i < 300; i++) {
			const truth = [2, 2.02, 2.04, 2.06];
			const search = text(truth, 10, 0.1, draw);
			const validation = text(truth, 10, 0.1, draw);
			right.search += pool(4, [{ losses: search }]).best === 0 ? 1 : 0;
			right.validation += pool(4, [{ losses: validation }]).best === 0 ? 1 : 0;
			right.both += pool(4, [{ losses: search }, { losses: validation }]).best === 0 ? 1 : 0;
		}
		expect(right.both).toBeGreaterThan(1.05 * Math.max(right.search, right.validation));
	});

	it("is the first of those that are as low, also with one window or one candidate", () => {
		const same = [Float64Array.of(2, 3), Float64Array.of(2, 3)];
		expect(pool(2, [{ losses: same }]).best).toBe(0);
		expect(pool(2, [{ losses: [Float64Array.of(2.5), Float64Array.of(2.4)] }]).best).toBe(1);
		expect(pool(1, [{ losses: [Float64Array.of(2)] }])).toMatchObject({ best: 0, means: Float64Array.of(0) });
		expect(() => pool(2, [{ losses: [Float64Array.of(2), Float64Array.of(Number.NaN)] }])).toThrow("finite losses on the same 1 windows");
		expect(() => pool(2, [{ losses: [Float64Array.of(2), Float64Array.of(2, 3)] }])).toThrow(RangeError);
	});
});
