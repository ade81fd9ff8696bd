import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { SessionSettings } from "../../../src/api/options/settings.js";
import { ranking } from "../../../src/game/attribution/attribution.js";
import type { Coalition } from "../../../src/game/coalition.js";
import { Random } from "../../../src/game/random.js";
import { isStaged, raceByWindows, type StagedGame } from "../../../src/game/racing.js";
import { pruneGguf } from "../../../src/jobs/prune.js";
import { groupOf, type StagedLedgerGame, stagesOf } from "../../../src/pipeline/session/staged-game.js";
import { Session } from "../../../src/pipeline/session/session.js";
import { fixturePath, fullSet, removing } from "../../helpers/fixture.js";
import { ownHomes } from "../../helpers/home.js";
import { tempFolder } from "../../helpers/temp-folder.js";

/** Text of the same kind in every window, as a race needs it. It never changes, since other text may have another winner. */
const text = join(tempFolder(), "text.txt");
writeFileSync(text, sentences(400));

/** Sentences of a few words, drawn alike every time. */
function sentences(count: number): string {
	const random = new Random("sentences");
	const one = (words: string) => words.split(" ")[random.integer(words.split(" ").length)]!;
	const noun = () => one("captain sailor harbor whale island morning storm ship letter village");
	const sentence = () =>
		`The ${noun()} ${one("saw left feared found followed")} the ${one("old white quiet distant great")} ${noun()} ${one("at near before behind")} the ${noun()}.`;
	return Array.from({ length: count }, sentence).join(" ");
}
const { newHome, home } = ownHomes();
const measuring = { windows: 10, windowLength: 32, search: undefined, threads: 1, calibration: [text] };
const plan = { masks: 12, weights: "own" } as const;
/** Four windows share a ubatch. */
const racing: SessionSettings = { ...measuring, ubatch: 128, racing: true };

async function withSession<T>(options: SessionSettings, work: (session: Session) => Promise<T>): Promise<T> {
	const session = await Session.open(fixturePath, options, plan);
	try {
		return await work(session);
	} finally {
		await session.close();
	}
}
const singles = Array.from({ length: 12 }, (_, block) => removing(block));

describe("stages of a split", () => {
	it("keep windows together that run at once, and leave as many for the last part", () => {
		expect(stagesOf(10, 4)).toEqual([4]);
		expect(stagesOf(40, 4)).toEqual([4, 8, 16, 32]);
		expect(stagesOf(10, 1)).toEqual([2, 4, 8]);
		expect(stagesOf(10, 3)).toEqual([3, 6]);
		// All at once, or in halves that are no whole groups.
		expect([stagesOf(10, 10), stagesOf(7, 4), stagesOf(2, 1), stagesOf(3, 1)]).toEqual([[], [], [], [2]]);
		expect([groupOf(128, 512), groupOf(128, 500), groupOf(600, 512)]).toEqual([4, 3, 1]);
	});
});

describe("a search split that is measured part by part", () => {
	it("gives what is measured on all windows the bits of one measurement, and keeps what is not", async () => {
		newHome();
		const whole = await withSession({ ...racing, racing: false }, async ({ games }) => {
			expect(isStaged(games.search)).toBe(false);
			return games.search.measure([fullSet, ...singles]);
		});
		newHome();
		const sets = [removing(3), removing(5, 6), removing(0)];
		const seen = await withSession(racing, async ({ games }) => {
			const game = games.search as StagedLedgerGame;
			expect(game.stages).toEqual([4]);
			const first = await game.measureFirst(singles, 4);
			for (const [i, { losses }] of first.entries()) expect(losses).toEqual(whole[i + 1]!.losses.slice(0, 4));
			expect(game.seen(singles[2]!)!.losses.length).toBe(4);
			expect(game.played()).toEqual([]);
			const all = await game.measure([fullSet, ...singles.slice(0, 9)]);
			expect(all.map(({ losses }) => losses)).toEqual(whole.slice(0, 10).map(({ losses }) => losses));
			expect(game.seen(singles[2]!)).toBeUndefined();
			expect(game.played()).toHaveLength(10);
			return raceByWindows(game, sets);
		});
		// A later session goes on with all of it: nothing is measured again.
		await withSession(racing, async ({ games }) => {
			const game = games.search as StagedLedgerGame;
			expect(game.seen(singles[11]!)!.losses).toEqual(whole[12]!.losses.slice(0, 4));
			expect(await raceByWindows(game, sets)).toEqual(seen);
			expect(game.counts.measured).toBe(0);
		});
	});

	it("knows surely critical blocks by the first windows, with an error from these", async () => {
		newHome();
		await withSession(racing, async (session) => {
			const game = session.games.search as StagedLedgerGame;
			const [original] = await game.measure([fullSet]);
			const raced = await raceByWindows(game, singles, { limit: { original: original!, added: Math.LN2 } });
			const stopped = raced.flatMap(({ coalition, measured }) => (measured ? [] : coalition.removed()));
			expect(stopped.length).toBeGreaterThan(0);
			const { contributions, standardErrors, degrees } = await session.singleRemovals(
				original!.losses.reduce((sum, x) => sum + x, 0) / 10,
				undefined,
			);
			for (const block of stopped) {
				expect(contributions[block]).toBeGreaterThan(Math.LN2);
				expect(standardErrors![block]).toBeGreaterThan(0);
				expect(degrees![block]).toBe(3);
			}
			const other = singles.findIndex((_, block) => !stopped.includes(block));
			expect(degrees![other]).toBe(9);
			expect(game.counts.measured).toBe(1);
		});
	});

	it("takes a block that breaks the model on the first windows for the most important one", async () => {
		const losses = (set: Coalition, count: number) =>
			new Float64Array(count).fill(set.isFull ? 2 : set.removed()[0] === 1 ? Number.NaN : 2.5);
		const measured = (sets: readonly Coalition[], count: number) =>
			sets.map((coalition) => ({ coalition, losses: losses(coalition, count) }));
		const game: StagedGame = {
			...{ players: 3, frozen: new Map(), stages: [2], windows: 4, allows: () => true },
			measure: async (sets) => measured(sets, 4),
			measureFirst: async (sets, count) => measured(sets, count),
			seen: (set) => (set.removed()[0] === 1 ? measured([set], 2)[0] : undefined),
		};
		const { contributions } = await Session.prototype.singleRemovals(2, undefined, game);
		expect([...contributions]).toEqual([0.5, Number.POSITIVE_INFINITY, 0.5]);
		expect(ranking(contributions)).toEqual([0, 2, 1]);
	});

	it.each([
		["a share of the positions", { scoreShare: 0.5 }],
		["the metric kl", { metric: "kl" }],
		["windows that all run at once", { ubatch: 512 }],
	] as const)("is not one with %s", async (_, more) => {
		newHome();
		await withSession({ ...racing, ...more }, async ({ games }) => expect(isStaged(games.search)).toBe(false));
	});
});

describe("a run that races", () => {
	it("removes what a run without does here, measures less, and does the same again", async () => {
		const run = (racing: boolean) =>
			pruneGguf(fixturePath, undefined, {
				...{ removeBlocks: 3, threads: 1, windows: 10, windowLength: 32, speed: false, samples: 0, calibration: [text] },
				search: { method: "greedy", granularity: "block", ubatch: 128, workingWeights: "own", racing },
			});
		newHome();
		const full = await run(false);
		newHome();
		const raced = await run(true);
		expect(raced.plan!.removed).toEqual(full.plan!.removed);
		expect(raced.plan!.losses).toEqual(full.plan!.losses);
		const again = await run(true);
		expect(again.plan!.removed).toEqual(raced.plan!.removed);
		expect(again.plan!.importance).toEqual(raced.plan!.importance);
		expect(raced.plan!.options).toMatchObject({ search: { racing: true } });
		// What was stopped stands in the ledger of the first windows alone.
		const ledgers = readdirSync(home(), { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".jsonl"));
		const lines = ledgers.map((name) => readFileSync(join(home(), name), "utf8").trim().split("\n"));
		const [first, second] = ["0 to 3 of 10", "4 to 9 of 10"].map((part) => lines.find(([header]) => header!.includes(part))!.length - 1);
		expect(second).toBeGreaterThan(10);
		expect(first).toBeGreaterThan(second!);
	});
});
