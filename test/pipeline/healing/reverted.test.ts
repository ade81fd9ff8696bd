import { expect, it, vi } from "vitest";
import { pruneGguf } from "../../../src/jobs/prune.js";
import type { RacedHealed } from "../../../src/pipeline/healing/race.js";
import { withWinner } from "../../../src/pipeline/race/standing.js";
import type { Session } from "../../../src/pipeline/session/session.js";
import { fixturePath } from "../../helpers/fixture.js";
import { ownHomes, small } from "../../helpers/home.js";
import { firstOf } from "../../helpers/slow.js";

// The comparison of roughly healed sets takes a set that turns out worse when both are healed with all of the text.

const roughly = vi.hoisted(() => ({ taken: [] as number[] }));
vi.mock("../../../src/pipeline/healing/race.js", async (original) => ({
	...(await original<object>()),
	raceHealed: async (_: Session, won: RacedHealed): Promise<RacedHealed> => {
		const chosen = { ...won.chosen, removed: roughly.taken, method: "raced healed" };
		return { ...withWinner(won, chosen, [chosen]), chosen, unhealed: won };
	},
}));
ownHomes();

it.each(firstOf(1, [[[1, 2]], [[1, 2, 3]]]))(
	"a healed comparison that is taken back leaves no trace of %j in plan and curve",
	async (worse) => {
		roughly.taken = worse;
		const search = { method: "leave-one-out", granularity: "block" } as const;
		const { plan, curve } = await pruneGguf(fixturePath, undefined, { ...small, search, removeBlocks: 2, heal: { tokens: 1024 } });
		const { removed, alternatives } = plan!;
		expect(removed).toHaveLength(2);
		expect(removed).not.toEqual(worse);
		expect(curve.map((point) => point.removed)).toEqual([[], removed]);
		expect(alternatives.find(({ count }) => count === 2)!.removed).toEqual(removed);
		expect(alternatives.map((one) => one.removed)).not.toContainEqual(worse);
	},
);
