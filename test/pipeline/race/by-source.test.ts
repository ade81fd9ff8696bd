import { describe, expect, it } from "vitest";
import { Coalition } from "../../../src/game/coalition.js";
import { disagreementsOf, disagreementText } from "../../../src/pipeline/race/by-source.js";

const sources = [
	{ name: "chat.jsonl", count: 4, weight: 3 },
	{ name: "code.txt", count: 4, weight: 1 },
];
const of = (removed: number, chat: number[], code: number[]) => ({
	coalition: Coalition.ofRemoved(6, [removed]),
	losses: Float64Array.from([...chat, ...code]),
	sources,
});
const chosen = of(2, [2, 2, 2, 2], [3, 3.1, 2.9, 3]);

describe("sources that disagree", () => {
	it("are named with the set that they would rather have", () => {
		const better = of(4, [2.5, 2.5, 2.5, 2.5], [2.5, 2.5, 2.5, 2.5]);
		const [found, ...more] = disagreementsOf(chosen, [chosen, better, of(5, [2, 2, 2, 2], [3.2, 3.2, 3.2, 3.2])]);
		expect(more).toEqual([]);
		// 0.5 on code, its deviation over 4 windows sqrt(0.02 / 3) / 2; 0.75 x 0.5 - 0.25 x 0.5 worse overall.
		expect(found).toMatchObject({ source: "code.txt", chosen: [2], better: [4] });
		expect(found!.by).toBeCloseTo(0.5, 12);
		expect(found!.standardError).toBeCloseTo(Math.sqrt(0.02 / 3) / 2, 12);
		expect(found!.worseOverall).toBeCloseTo(0.25, 12);
		expect(disagreementText(found!)).toBe(
			"the calibration texts disagree: on code.txt, removing 4 is better than the chosen 2 by 0.500 ± 0.041, but worse by 0.250 on all texts together. To take it: --remove 4, or give code.txt more weight",
		);
	});

	it("agree where the difference is within its interval, or the sets are the same", () => {
		// Mean 0.1; 95 % of it reach 3.182 x 0.041.
		const near = of(4, [2.5, 2.5, 2.5, 2.5], [2.9, 2.9, 2.9, 2.9]);
		expect(disagreementsOf(chosen, [chosen, near])).toEqual([]);
		expect(disagreementsOf(chosen, [chosen])).toEqual([]);
	});

	it("take a broken set for no better one, and say nothing of a single window", () => {
		expect(disagreementsOf(chosen, [of(4, [2, 2, 2, 2], [1, 1, 1, Number.POSITIVE_INFINITY])])).toEqual([]);
		expect(disagreementsOf(chosen, [of(4, [2, 2, 2, Number.POSITIVE_INFINITY], [1, 1, 1, 1])])).toEqual([]);
		const single = [sources[0]!, { ...sources[1]!, count: 1 }];
		const short = (removed: number, code: number) => ({ ...of(removed, [2, 2, 2, 2], [code]), sources: single });
		expect(disagreementsOf(short(2, 3), [short(2, 3), short(4, 1)])).toEqual([]);
		expect(disagreementsOf({ ...chosen, sources: undefined }, [chosen])).toEqual([]);
	});
});
