import { describe, expect, it } from "vitest";
import { Coalition } from "../../../src/game/coalition.js";
import { nearBest } from "../../../src/pipeline/race/near-best.js";
import type { Session } from "../../../src/pipeline/session/session.js";

/** A session whose search has measured these sets. */
function searched(sets: readonly (readonly [removed: readonly number[], loss: number])[], onItself = false): Session {
	const search = {
		played: () => sets.map(([removed, loss]) => ({ coalition: Coalition.ofRemoved(8, removed), losses: Float64Array.of(loss) })),
		allows: (set: Coalition) => !set.removed().includes(7),
	};
	return { games: { search }, exactSearch: onItself } as unknown as Session;
}

describe("sets near the best", () => {
	const sets = [
		[[1, 2], 3.0],
		[[1, 3], 3.019],
		[[2, 3], 3.001],
		[[2, 4], 3.005],
		[[3, 4], 3.004],
		[[4, 5], 3.021],
		[[5, 7], 3.0005],
		[[5, 6], Number.NaN],
		[[1], 2.5],
		[[1, 2, 3], 3.4],
		[[1, 2, 4], 3.41],
	] as const;

	it("are those within 0.02 nats of it, three at most, allowed and whole", () => {
		expect(nearBest(searched(sets), [2]).map(({ removed }) => removed)).toEqual([
			[2, 3],
			[3, 4],
			[2, 4],
		]);
		expect(nearBest(searched(sets), [1, 3, 5]).map(({ removed }) => removed)).toEqual([[1, 2, 4]]);
	});

	it("are none where the search measured the model itself", () => {
		expect(nearBest(searched(sets, true), [2, 3])).toEqual([]);
	});
});
