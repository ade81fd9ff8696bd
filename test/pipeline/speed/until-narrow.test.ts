import { describe, expect, it } from "vitest";
import type { SpeedFigures } from "../../../src/model/runtime/addon.js";
import { isNarrow, untilNarrow } from "../../../src/pipeline/speed/until-narrow.js";

const side = (prompt: readonly number[], generation: readonly number[]) =>
	({
		promptSeconds: Float64Array.from(prompt),
		generationSeconds: Float64Array.from(generation),
		weights: 1,
		kvCache: 2,
		compute: 3,
	}) as SpeedFigures;
const even = Array(6).fill(1);
const wide = [1, 1.3, 0.8, 1, 1.2, 0.9];

describe("speed that is measured until it is clear", () => {
	const measured = async (rounds: readonly SpeedFigures[][], most: number) => {
		const asked: number[] = [];
		const found = await untilNarrow(async (round) => {
			asked.push(round);
			return rounds[round]!;
		}, most);
		return { asked, found };
	};

	it("is measured once where both ratios are", async () => {
		const clear = [side(even, even), side([0.8, 0.81, 0.8, 0.8, 0.79, 0.8], even)];
		const { asked, found } = await measured([clear], 3);
		expect(asked).toEqual([0]);
		expect(found).toEqual(clear);
	});

	it("is measured again while one of them is not, and all repetitions count", async () => {
		const unclear = [side(even, wide), side(even, even)];
		const { asked, found } = await measured([unclear, [side(even, even), side(even, even)]], 2);
		expect(asked).toEqual([0, 1]);
		expect(Array.from(found[0]!.generationSeconds)).toEqual([...wide, ...even]);
		expect(found[1]!.promptSeconds).toHaveLength(12);
		expect(found[0]).toMatchObject({ weights: 1, kvCache: 2, compute: 3 });
		expect((await measured([unclear, unclear, unclear], 2)).asked).toEqual([0, 1]);
		expect((await measured([unclear, unclear, unclear], 3)).asked).toEqual([0, 1, 2]);
	});

	it("is measured once of one model, which has no ratio", async () => {
		expect((await measured([[side(wide, wide)]], 3)).asked).toEqual([0]);
	});

	it("is narrow within a twentieth on either side, and not without an interval", () => {
		expect(isNarrow({ value: 1.2, interval: { low: 1.15, high: 1.26 } })).toBe(true);
		expect(isNarrow({ value: 1.2, interval: { low: 1.1, high: 1.26 } })).toBe(false);
		expect(isNarrow({ value: 1.2 })).toBe(false);
	});
});
