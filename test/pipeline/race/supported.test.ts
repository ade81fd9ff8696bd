import { describe, expect, it } from "vitest";
import { Coalition } from "../../../src/game/coalition.js";
import type { Measurement } from "../../../src/game/game.js";
import { bySupport, type Support, supportOf } from "../../../src/pipeline/race/supported.js";
import type { Field } from "../../../src/pipeline/race/ties.js";

const set = (removed: readonly number[], ...losses: number[]): Measurement => ({
	coalition: Coalition.ofRemoved(6, removed),
	losses: Float64Array.from(losses),
});
const order = (field: Field) => field.map(({ coalition }) => coalition.removed().join());
const support = (sets: readonly Measurement[], more: Partial<Support> = {}): Support => {
	const known = new Map(sets.map((one) => [one.coalition.key, one]));
	return { searched: ({ key }) => known.get(key), ownError: 0, ...more };
};

describe("finalists by all that is known of them", () => {
	// Ahead by 0.02 on the comparison's text, with an error of about 0.05.
	const field: Field = [set([1, 2], 2, 3.2, 2, 3), set([1, 3], 2.1, 3, 2.2, 2.98)];

	it("are left as they are if nothing else is known, or the rest says the same", () => {
		expect(order(bySupport(field, support([])))).toEqual(["1,2", "1,3"]);
		expect(order(bySupport(field, support([set([1, 2], 2, 3), set([1, 3], 2.1, 3.1)])))).toEqual(["1,2", "1,3"]);
		expect(order(bySupport(field, support([set([1, 2], 2, 3)])))).toEqual(["1,2", "1,3"]);
	});

	it("are not replaced by one that is ahead by less than its error and clearly worse in the search", () => {
		expect(order(bySupport(field, support([set([1, 2], 2.2, 3.22, 2.2, 3.2), set([1, 3], 2, 3, 2, 3)])))).toEqual(["1,3", "1,2"]);
	});

	it("believe less of a search that ran on a copy", () => {
		const searched = [set([1, 2], 2.03, 3.03, 2.03, 3.03), set([1, 3], 2, 3, 2, 3)];
		expect(order(bySupport(field, support(searched)))).toEqual(["1,3", "1,2"]);
		expect(order(bySupport(field, support(searched, { ownError: 1 })))).toEqual(["1,2", "1,3"]);
		const onCopy = { exactSearch: false };
		expect(supportOf(onCopy, searched).ownError).toBeGreaterThan(0);
		expect(supportOf({ exactSearch: true }, searched).ownError).toBe(0);
		expect(supportOf(onCopy, searched).searched(searched[1]!.coalition)).toBe(searched[1]);
	});

	it("believe the search half as much as the comparison, for they were chosen by it", () => {
		// As many windows with the same errors, the other way around: the comparison's decides.
		const one = set([1, 2], 2, 3.1, 2.02, 3.05);
		const two = set([1, 3], 2.1, 3, 2.12, 3.03);
		const swapped = [set([1, 3], ...one.losses), set([1, 2], ...two.losses)];
		expect(order(bySupport([one, two], support(swapped)))).toEqual(["1,2", "1,3"]);
	});

	it("that break the model stay behind, and do not count for others", () => {
		const broken = set([2, 3], Number.NaN, 2, 2, 2);
		expect(order(bySupport([...field, broken] as unknown as Field, support([set([1, 3], Number.POSITIVE_INFINITY, 2)])))).toEqual([
			"1,2",
			"1,3",
			"2,3",
		]);
		expect(order(bySupport([broken], support([])))).toEqual(["2,3"]);
	});
});
