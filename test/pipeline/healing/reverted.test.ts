import { expect, it, vi } from "vitest";
import type { LogEvent } from "../../../src/api/index.js";
import { pruneGguf } from "../../../src/jobs/prune.js";
import type { RacedHealed } from "../../../src/pipeline/healing/race.js";
import { withWinner } from "../../../src/pipeline/race/standing.js";
import type { Session } from "../../../src/pipeline/session/session.js";
import { removedText } from "../../../src/notation.js";
import { fixturePath } from "../../helpers/fixture.js";
import { ownHomes, small } from "../../helpers/home.js";
import { firstOf, thorough } from "../../helpers/slow.js";

// The comparison of roughly healed sets takes a set that turns out worse when both are healed with all of the text.

const roughly = vi.hoisted(() => ({ taken: [] as number[] }));
vi.mock("../../../src/pipeline/healing/race.js", async (original) => ({
	...(await original<object>()),
	raceHealed: async (_: Session, won: RacedHealed): Promise<RacedHealed> => {
		const chosen = { ...won.chosen, removed: roughly.taken, method: "raced healed" };
		return { ...withWinner(won, chosen, [chosen]), chosen, unhealed: won };
	},
}));
const { out } = ownHomes();

it.each(firstOf(1, [[[1, 2]], [[1, 2, 3]]]))(
	"a healed comparison that is taken back leaves no trace of %j in plan and curve",
	async (worse) => {
		roughly.taken = worse;
		const search = { method: "leave-one-out", granularity: "block" } as const;
		const notes: LogEvent[] = [];
		const options = { ...small, search, removeBlocks: 2, heal: { tokens: 1024 }, onLog: (event: LogEvent) => void notes.push(event) };
		const { plan, curve } = await pruneGguf(fixturePath, undefined, options);
		const { removed, alternatives } = plan!;
		expect(removed).toHaveLength(2);
		expect(removed).not.toEqual(worse);
		const back = `healed with all of the text, removing ${removedText(worse)} is not surely better than removing ${removedText(removed)}: the latter stays`;
		expect(notes.map(({ message }) => message)).toContain(back);
		expect(curve.map((point) => point.removed)).toEqual([[], removed]);
		expect(alternatives.find(({ count }) => count === 2)!.removed).toEqual(removed);
		expect(alternatives.map((one) => one.removed)).not.toContainEqual(worse);
	},
);

it.runIf(thorough)("a run that is interrupted after a healed comparison was taken back names the set that stands", async () => {
	roughly.taken = [1, 2];
	const controller = new AbortController();
	const reason = new Error("stopped");
	const told: LogEvent[] = [];
	const search = { method: "leave-one-out", granularity: "block" } as const;
	const run = pruneGguf(fixturePath, out(), {
		...{ ...small, search, removeBlocks: 2, heal: { tokens: 1024 } },
		signal: controller.signal,
		onLog: (event) => void (event.sets && told.push(event)),
		onProgress: ({ name }) => name === "Writing and verifying" && controller.abort(reason),
	});
	await expect(run).rejects.toBe(reason);
	expect(told).toHaveLength(1);
	expect(told[0]!.sets![0]!.removed).not.toEqual([1, 2]);
	expect(told[0]!.message).toContain("The final comparison chose ");
});
