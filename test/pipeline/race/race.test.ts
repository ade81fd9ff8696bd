import { describe, expect, it } from "vitest";
import { nearRivals } from "../../../src/game/search/rivals.js";
import { Coalition } from "../../../src/game/coalition.js";
import { FunctionGame } from "../../../src/game/function-game.js";
import { race } from "../../../src/pipeline/race/race.js";
import type { Measurement } from "../../../src/game/game.js";
import type { SourceShare } from "../../../src/game/sources.js";
import type { AutoSearchResult } from "../../../src/game/search/auto.js";
import type { Session } from "../../../src/pipeline/session/session.js";
import { standingOf } from "../../../src/pipeline/race/standing.js";
import { curveOf } from "../../../src/pipeline/race/curve.js";

/** A session whose validation split has these losses, one per window. */
function racing(losses: Readonly<Record<string, readonly number[]>>, sources?: readonly SourceShare[]): Session {
	const validation = {
		players: 6,
		measure: async (sets: readonly Coalition[]) =>
			sets.map((coalition) => ({ coalition, losses: Float64Array.from(losses[coalition.removed().join()]!), sources })),
	};
	const games = { validation, search: { played: () => [] } };
	const session = {
		games,
		exactSearch: true,
		metric: "loss",
		races: { first: async () => ({ game: validation, byDivergence: false }), further: async () => undefined, end: () => {} },
	};
	return { ...session, timed: (_: string, work: () => unknown) => work() } as unknown as Session;
}
const set = (method: string, ...removed: number[]) => ({ method, removed });

describe("a race", () => {
	const losses = {
		"": [2, 3, 2, 3],
		"1,2": [2.5, 3.5, 2.5, 3.5],
		// Worse by 0.05 in the mean, better in every other window: 1.7 standard errors.
		"1,3": [2.6, 3.5, 2.6, 3.5],
		// Worse by 0.02 in every window: surely.
		"2,3": [2.52, 3.52, 2.52, 3.52],
		"4": [2.1, 3.1, 2.1, 3.1],
	};

	it("reports the sets that are tied with the winner, each once", async () => {
		const choices = [set("auto", 1, 2), set("auto", 4), set("greedy", 1, 3), set("leave-one-out", 2, 3), set("contiguous", 1, 3)];
		const decided = await race(racing(losses), choices, {});
		expect(decided.winners.get(2)).toMatchObject({ removed: [1, 2], tied: [{ method: "greedy", removed: [1, 3] }] });
		const { above, standardError } = decided.winners.get(2)!.tied![0]!;
		expect(above).toBeCloseTo(0.05, 12);
		expect(standardError).toBeCloseTo(0.05 / Math.sqrt(3), 12);
		expect(decided.winners.get(1)!.tied).toBeUndefined();
		expect(curveOf(standingOf(decided)).map(({ tied }) => tied?.length)).toEqual([undefined, undefined, 1]);
	});

	it("on a copy reports the original and the winners as the model itself measures them", async () => {
		const session = racing(losses);
		const asked: string[] = [];
		const own = {
			...session.games.validation,
			measure: async (sets: readonly Coalition[], run: object) => {
				asked.push(...sets.map((set) => set.removed().join()));
				return session.games.validation.measure(sets, run);
			},
		};
		const copied = Object.fromEntries(
			Object.entries(losses).map(([removed, values]) => [removed, values.map((loss) => loss + 0.5 + removed.length / 100)]),
		);
		const copy = racing(copied).games.validation;
		const onCopy = {
			...session,
			games: { ...session.games, validation: own },
			races: { ...session.races, first: async () => ({ game: copy, byDivergence: false, onCopy: true }) },
		};
		const decided = await race(onCopy as unknown as Session, [set("auto", 1, 2), set("auto", 4), set("greedy", 1, 3)], {});
		expect(asked).toEqual(["", "1,2", "4"]);
		expect(decided.confirmed.map((set) => set.removed().join())).toEqual(asked);
		expect([...decided.onSplit].map(([count, { losses: own }]) => [count, ...own])).toEqual([
			[2, ...losses["1,2"]],
			[1, ...losses["4"]],
		]);
		expect(decided.originalLoss).toBe(2.5);
		expect(decided.winners.get(2)).toMatchObject({ loss: 3, added: 0.5 });
		expect(decided.winners.get(1)!.added).toBeCloseTo(0.1, 12);
		// What did not win is as the copy has it.
		expect(decided.finalists[2]!.added).toBeCloseTo(0.55 + 0.03, 12);
	});

	it.each([Number.NaN, Number.POSITIVE_INFINITY])("is not won by a set that breaks the model on that split (%d)", async (broken) => {
		const some = { "": [2, 3], "1,2": [2.1, broken], "1,3": [3.2, 3.3], "4": [2.1, broken], "5": [broken, 3] };
		const choices = [set("auto", 1, 2), set("greedy", 1, 3), set("auto", 4), set("greedy", 5)];
		const { winners } = await race(racing(some), choices, {});
		expect(winners.get(2)!.removed).toEqual([1, 3]);
		expect(winners.get(2)!.tied).toBeUndefined();
		expect(winners.get(1)!.removed).toEqual([4]);
	});

	it("says nothing of it where there is one window, and takes a tie for a tie", async () => {
		const one = { "": [2], "1,2": [2.5], "1,3": [2.5], "4": [2.2] };
		expect((await race(racing(one), [set("auto", 1, 2), set("greedy", 1, 3)], {})).winners.get(2)!.tied).toBeUndefined();
		const tied = { "": [2, 3], "1,2": [2.5, 3.5], "1,3": [2.5, 3.5] };
		const { winners } = await race(racing(tied), [set("auto", 1, 2), set("greedy", 1, 3)], {});
		expect(winners.get(2)).toMatchObject({ method: "auto", tied: [{ above: 0, standardError: 0 }] });
	});
});

describe("a race whose text does not tell", () => {
	it("takes the set that the search supports, reports the one that is ahead as tied, and says so", async () => {
		// Ahead by 0.02 with an error of 0.05; in the search behind by 0.2, surely.
		const some = { "": [2, 3, 2, 3], "1,2": [2.5, 3.7, 2.5, 3.5], "1,3": [2.6, 3.5, 2.7, 3.48] };
		const session = racing(some);
		const set12 = { coalition: Coalition.ofRemoved(6, [1, 2]), losses: Float64Array.of(2.7, 3.72, 2.7, 3.7) };
		const set13 = { coalition: Coalition.ofRemoved(6, [1, 3]), losses: Float64Array.of(2.5, 3.5, 2.5, 3.5) };
		const games = { ...session.games, search: { played: () => [set12, set13] } };
		const known = { ...session, games, exactSearch: true } as unknown as Session;
		const choices = [set("auto", 1, 2), set("greedy", 1, 3)];
		const decided = await race(known, choices, {});
		expect(decided.winners.get(2)).toMatchObject({ removed: [1, 3], method: "greedy", tied: [{ removed: [1, 2] }] });
		expect(decided.winners.get(2)!.tied![0]!.above).toBeCloseTo(-0.02, 12);
		expect(decided.notes[0]).toContain("2 blocks: 1, 3 is taken: 1-2 is ahead in the final comparison by less than its error");
		// Ahead by two errors, which is within the interval of so few windows.
		const further = { ...some, "1,2": [2.5, 3.5, 2.56, 3.46], "1,3": [2.6, 3.52, 2.6, 3.5] };
		const ahead = await race(
			{ ...racing(further), games: { ...racing(further).games, search: games.search }, exactSearch: true } as unknown as Session,
			choices,
			{},
		);
		expect(ahead.winners.get(2)).toMatchObject({ removed: [1, 3], tied: [{ removed: [1, 2] }] });
		expect(ahead.notes[0]).toContain("1-2 is ahead in the final comparison by no more than chance, and worse by all that was measured");
		// A method in a comparison of methods knows what it measured itself.
		expect((await race(known, choices, {}, { played: [] })).winners.get(2)!.removed).toEqual([1, 2]);
	});
});

describe("a race on several sources", () => {
	const sources = [
		{ name: "chat.jsonl", weight: 3, count: 3 },
		{ name: "code.txt", weight: 1, count: 3 },
	];

	it("warns of the source that would rather have another set, and says what that costs", async () => {
		const some = { "": [1, 1, 1, 2, 2, 2], "1,2": [1.1, 1.1, 1.1, 2.9, 3, 3.1], "1,3": [1.5, 1.5, 1.5, 2.5, 2.5, 2.5] };
		const warnings: string[] = [];
		const onLog = ({ level, message }: { level: string; message: string }) => level === "warning" && warnings.push(message);
		const { winners, disagreements } = await race(racing(some, sources), [set("auto", 1, 2), set("best on code.txt", 1, 3)], { onLog });
		expect(winners.get(2)!.removed).toEqual([1, 2]);
		expect(disagreements).toMatchObject([{ source: "code.txt", chosen: [1, 2], better: [1, 3] }]);
		expect(disagreements[0]!.by).toBeCloseTo(0.5, 12);
		expect(disagreements[0]!.worseOverall).toBeCloseTo(0.75 * 0.4 - 0.25 * 0.5, 12);
		expect(warnings).toEqual([
			expect.stringContaining("the calibration texts disagree: on code.txt, removing 1, 3 is better than the chosen 1-2"),
		]);
	});
});

describe("a race that the validation split cannot decide", () => {
	const losses = { "": [2, 3, 2, 3], "1,2": [2.5, 3.5, 2.5, 3.5], "1,3": [2.6, 3.5, 2.6, 3.5], "2,3": [2.9, 3.9, 2.9, 3.9] };
	const choices = [set("auto", 1, 2), set("greedy", 1, 3), set("leave-one-out", 2, 3)];
	const played = (count: number) => ({
		search: {
			played: () => Array.from({ length: count }, () => ({ coalition: Coalition.ofRemoved(6, [5]), losses: Float64Array.of(9, 9) })),
		},
	});

	/** A session with more text on which the second set is better by 0.2 in every window. */
	function withMore(searched: number) {
		const asked: string[][] = [];
		const session = racing(losses);
		const measure = async (sets: readonly Coalition[]) => {
			asked.push(sets.map((set) => set.removed().join()));
			return sets.map((coalition) => ({ coalition, losses: Float64Array.of(2, 3, 2, 3).map((x) => x + (coalition.has(2) ? 0.3 : 0.5)) }));
		};
		return {
			asked,
			session: {
				...session,
				games: { ...session.games, ...played(searched) },
				races: { ...session.races, further: async () => ({ measure }) },
			} as unknown as Session,
		};
	}

	it("goes on with more text; figures stay those of the split", async () => {
		const { asked, session } = withMore(100);
		const notes: string[] = [];
		const decided = await race(session, choices, { onLog: ({ message }) => notes.push(message) });
		for (const sets of asked) expect([...sets].sort()).toEqual(["1,2", "1,3"]);
		expect(asked.length).toBeGreaterThan(0);
		const winner = decided.winners.get(2)!;
		expect(winner).toMatchObject({ removed: [1, 3], method: "greedy" });
		expect(winner.added).toBeCloseTo(0.55, 12);
		expect(decided.further.map((sets) => sets.length)).toEqual(asked.map((sets) => sets.length));
		expect(notes.join("\n")).toContain("2 candidates were tied; compared again on");
	});

	it("names those left out for better ones as tied, with what they add on the text that they had", async () => {
		// On the split each is 0.01 above the one before; on further text the first is worse than the others by 0.1.
		const names = ["1,2", "1,3", "1,4", "1,5", "2,3", "2,4"];
		const close = Object.fromEntries(names.map((name, at) => [name, [0, 1, 2, 3, 4, 5].map((i) => 3 + at / 100 + (i === at ? 0.3 : 0))]));
		const session = racing({ "": [2, 2, 2, 2, 2, 2], ...close });
		const asked: string[][] = [];
		const measure = async (sets: readonly Coalition[]) => {
			asked.push(sets.map((set) => set.removed().join()));
			return sets.map((coalition) => ({
				coalition,
				losses: Float64Array.from(close[coalition.removed().join()]!, (x) => x + (coalition.has(2) ? 0 : 0.1)),
			}));
		};
		const races = { ...session.races, further: async () => ({ measure }) };
		const more = { ...session, races, games: { ...session.games, ...played(100) } } as unknown as Session;
		const decided = await race(
			more,
			names.map((name) => set("auto", ...name.split(",").map(Number))),
			{ effort: "quick" },
		);
		expect(asked).toEqual([["1,2", "1,3", "1,4", "1,5"]]);
		const winner = decided.winners.get(2)!;
		expect(winner.removed).toEqual([1, 3]);
		const tied = winner.tied!.map(({ removed, windows, above }) => [removed.join(), windows, above.toFixed(3)]);
		expect(tied.filter(([, windows]) => windows === 6)).toEqual([
			["2,3", 6, "0.030"],
			["2,4", 6, "0.040"],
		]);
		expect(tied.filter(([, windows]) => windows === 12).map(([name]) => name)).toContain("1,4");
	});

	it("uses the divergence if the text is self-generated, on the split and on further text; losses stay losses", async () => {
		const { session } = withMore(100);
		const asked: string[][] = [];
		const text = (shift: number) => ({
			measure: async (sets: readonly Coalition[]) => {
				asked.push(sets.map((set) => set.removed().join()));
				return sets.map((coalition) => ({
					coalition,
					losses: Float64Array.from(losses[coalition.removed().join() as keyof typeof losses]),
					// 1,3 and 2,3 beside one another on the split; 1,2 is far behind, whose loss is lowest.
					figures: {
						divergence: Float64Array.of(0.1, 0.2, 0.1, 0.2).map(
							(x, i) => x + (coalition.has(3) ? 1 : coalition.has(2) ? shift * (i % 3) : 0),
						),
					},
				}));
			},
		});
		const known: string[] = [];
		const validation = {
			players: 6,
			know: async (sets: readonly Measurement[]) => known.push(...sets.map((set) => Object.keys(set).join())),
		};
		let ended = 0;
		const own = {
			...{ ...session, games: { ...session.games, validation } },
			races: { first: async () => ({ game: text(0.01), byDivergence: true }), further: async () => text(-0.05), end: () => ended++ },
		} as unknown as Session;
		const decided = await race(own, choices, {});
		expect(asked[0]).toEqual(["", "1,2", "1,3", "2,3"]);
		expect([...asked[1]!].sort()).toEqual(["1,3", "2,3"]);
		const winner = decided.winners.get(2)!;
		expect(winner.removed).toEqual([1, 3]);
		expect(winner.added).toBeCloseTo(0.55, 12);
		expect(winner.figures).toBeUndefined();
		expect(decided.originalFigures).toBeUndefined();
		expect(decided.byDivergence).toBe(true);
		// The plain split learns the losses, and the distributions are freed.
		expect(known).toEqual(Array.from({ length: 4 }, () => "coalition,losses"));
		expect(ended).toBe(1);
	});

	it("says how much further text there was, and which limit ended it", async () => {
		const notesOf = async (searched: number, furtherMasks?: number, effort: "quick" | "standard" = "quick") => {
			const notes: string[] = [];
			const options = { effort, onLog: ({ message }: { message: string }) => notes.push(message) };
			await race(withMore(searched).session, choices, options, furtherMasks === undefined ? {} : { furtherMasks });
			return notes.join("\n");
		};
		expect(await notesOf(100)).toContain("compared again on 2 times the text; 1 tied with the best");
		expect(await notesOf(7)).toContain(": more would cost above a quarter of the search");
		expect(await notesOf(100, 1)).toContain(": more would exceed what this comparison may measure");
	});

	it("keeps for the report what won against the method's own set, and says it only in detail", async () => {
		const logged: string[] = [];
		const onLog = ({ level, message }: { level: string; message: string }) => logged.push(`${level}: ${message}`);
		const rival = racing({ ...losses, "4": [2.1, 3.1, 2.1, 3.1], "5": [2.2, 3.2, 2.2, 3.2] });
		const { notes } = await race(rival, [set("auto", 2, 3), set("auto", 4), set("greedy", 1, 2), set("greedy", 5)], { onLog });
		expect(notes).toEqual(["2 blocks: 1-2 (greedy) is better in the final comparison than the choice of auto"]);
		expect(logged).toEqual([`debug: ${notes[0]}`]);
		const halves = racing({ "": [2, 3, 2, 3], "1.5": [2.1, 3.1, 2.1, 3.1], "2": [2.1, 3.1, 2.1, 3.1] });
		expect((await race(halves, [set("auto", 1.5), set("greedy", 2)], {})).notes).toEqual([
			"1 block: 2 is taken, as 1f-2a is not better by more than its error",
		]);
		const parts = racing({ "": [2, 3, 2, 3], "2.25": [2.2, 3.2, 2.2, 3.2], "2": [2.1, 3.1, 2.1, 3.1] });
		expect((await race(parts, [set("auto", 2.25), set("greedy", 2)], {})).notes).toEqual([
			"1 block: 2 (greedy) is better in the final comparison than the choice of auto",
		]);
	});

	it("is not won against a method that has no set of the size", async () => {
		const notes: string[] = [];
		const mixed = [set("auto", 4), set("leave-one-out", 1, 2)];
		const session = racing({ ...losses, "4": [2.1, 3.1, 2.1, 3.1] });
		const { winners } = await race(session, mixed, { onLog: ({ message }) => notes.push(message) });
		expect(winners.get(2)!.method).toBe("leave-one-out");
		expect(notes).toEqual([]);
	});

	it("asks for no comparison where nothing is contested", async () => {
		const session = { ...racing(losses), races: { first: async () => expect.unreachable(), end: () => {} } } as unknown as Session;
		expect((await race(session, [set("auto", 1, 2)], {})).winners.get(2)!.added).toBeCloseTo(0.5, 12);
	});

	it("spends a quarter of the search's masks, or what it is given", async () => {
		const little = withMore(7);
		expect((await race(little.session, choices, {})).winners.get(2)!.removed).toEqual([1, 2]);
		expect(little.asked).toEqual([]);
		await race(little.session, choices, {}, { furtherMasks: 2 });
		expect(little.asked).toEqual([["1,2", "1,3"]]);
		const quick = withMore(100);
		await race(quick.session, choices, { effort: "quick" });
		expect(quick.asked.length).toBe(1);
	});
});

describe("rivals of another kind", () => {
	const game = new FunctionGame({ players: 8, frozen: new Map([[0, "first"]]), loss: () => 1, allows: (kept) => kept.has(7) });
	/** @param runs losses of the runs that were measured; the surrogate expects 0.5 of every other. */
	const found = (greedy: number, runs: Readonly<Record<string, number>>, expected = 0.5) =>
		({
			byCount: new Map([[2, { removed: [1, 3], addedLoss: 0.4, loss: 2.4 }]]),
			greedy: new Map([[2, { removed: [2, 4], addedLoss: greedy }]]),
			critical: [{ blocks: [3], frozen: true }],
			evidence: {
				samples: Object.entries(runs).map(([run, addedLoss]) => ({
					coalition: Coalition.ofRemoved(8, run.split(",").map(Number)),
					addedLoss,
				})),
			},
			model: { predict: (sets: readonly Coalition[]) => Float64Array.from(sets, () => Math.exp(-expected)) },
		}) as unknown as AutoSearchResult;

	it("are raced where they come within a tenth of the best, or 0.02 nats", () => {
		expect(nearRivals(game, found(0.43, { "4,5": 0.42 }), [2])).toEqual([
			{ removed: [2, 4], method: "greedy" },
			{ removed: [4, 5], method: "contiguous" },
		]);
		expect(nearRivals(game, found(0.45, { "4,5": 0.45 }), [2])).toEqual([]);
	});

	it("are no runs through critical or frozen blocks, or that the game refuses; unmeasured ones count by their prediction", () => {
		expect(nearRivals(game, found(1, { "0,1": 0.1, "2,3": 0.1, "6,7": 0.1 }), [2])).toEqual([]);
		expect(nearRivals(game, found(1, { "4,5": 0.9 }, 0.41), [2])).toEqual([{ removed: [1, 2], method: "contiguous" }]);
	});

	it("are so many runs in any case, the cheapest first, the best set of the search not among them", () => {
		const runs = { "4,5": 0.9, "5,6": 0.7 };
		const removedOf = (count: number) => nearRivals(game, found(1, runs, 0.8), [2], count).map(({ removed }) => removed);
		expect(removedOf(1)).toEqual([[5, 6]]);
		expect(removedOf(3)).toEqual([
			[5, 6],
			[1, 2],
			[4, 5],
		]);
		const own = {
			...found(1, runs, 0.8),
			byCount: new Map([[2, { removed: [5, 6], addedLoss: 0.7, loss: 2.7 }]]),
		} as unknown as AutoSearchResult;
		expect(nearRivals(game, own, [2], 2)).toEqual([{ removed: [1, 2], method: "contiguous" }]);
	});

	it("are not what the search took already, nor of sizes that it has not", () => {
		const own = found(0.4, {});
		const same = { ...own, greedy: new Map([[2, { removed: [1, 3], addedLoss: 0.4 }]]) } as AutoSearchResult;
		expect(nearRivals(game, same, [1, 2])).toEqual([]);
	});
});
