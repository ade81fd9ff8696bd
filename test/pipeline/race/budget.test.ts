import { describe, expect, it } from "vitest";
import type { Effort, Method } from "../../../src/api/index.js";
import { raceReserve, raceWithin } from "../../../src/jobs/compare/race.js";
import { Coalition } from "../../../src/game/coalition.js";
import { resolveJob } from "../../../src/pipeline/preflight/job.js";
import { InvalidOptionError } from "../../../src/errors.js";
import type { Session } from "../../../src/pipeline/session/session.js";
import { finalistSeconds, furtherSeconds, plannedSeconds, workOf } from "../../../src/pipeline/pruning/planned-work.js";
import type { ProposedSet } from "../../../src/pipeline/methods/selection-context.js";
import { type SplitName, splitNames } from "../../../src/model/calibration/index.js";
import { smallerAtMost } from "../../../src/pipeline/race/smaller.js";
import { racedSets, raceField } from "../../../src/pipeline/methods/budget.js";
import { tiedSets } from "../../../src/game/search/tied.js";

const set = (method: string, ...removed: number[]): ProposedSet => ({ method, removed });

describe("masks kept for the race of a comparison", () => {
	it("are the original model, the sets of each size and further text for some of them, a quarter of the budget at most", () => {
		const of = (method: Method, granularity?: "half-block") =>
			[1, 3].map((sizes) => raceReserve({ method, ...(granularity ? { granularity } : {}) }, sizes, 10_000));
		// auto: 16 + 5 sets, or 8 + 3 of each of three sizes, 4 of them on a part more, 2 on 6 more; swap: 2, both on 7; greedy and beam: 2.
		// Beside them what sets are compared with on each text, and the original and the winners on the model itself.
		expect(of("auto")).toEqual([48, 94]);
		expect(of("swap")).toEqual([27, 61]);
		expect([of("greedy"), of("beam")]).toEqual(Array(2).fill([6, 12]));
		expect(of("random")).toEqual([0, 0]);
		// Two sets with half-block cuts more; of others the best whole blocks and leave-one-out's beside their own.
		expect(of("auto", "half-block")).toEqual([50, 100]);
		expect([of("greedy", "half-block"), of("contiguous", "half-block")]).toEqual(Array(2).fill([7, 15]));
		expect(raceReserve({ method: "auto" }, 3, 101)).toBe(25);
	});
});

it("gets all tied sets of a search that it may hold", () => {
	const equal = Array.from({ length: 20 }, (_, block) => ({ coalition: Coalition.ofRemoved(20, [block]), losses: Float64Array.of(2, 2) }));
	expect(tiedSets(equal).get(1)).toHaveLength(racedSets("standard", { sizes: 1, limited: false }));
	expect((["quick", "standard", "thorough"] as const).map((effort) => racedSets(effort, { sizes: 1, limited: false }))).toEqual([
		4, 16, 16,
	]);
	expect(racedSets("standard", { sizes: 2, limited: false })).toBe(8);
	expect(racedSets("thorough", { sizes: 1, limited: true })).toBe(8);
});

describe("a race within a budget", () => {
	/** Sets with one loss per window; on further text the later proposals are better. */
	function racing(byDivergence = false) {
		const asked: string[][] = [];
		const losses = (coalition: Coalition, part: number) => {
			const removed = coalition.removed();
			const sum = removed.reduce((total, block) => total + block, 0);
			return Float64Array.from([2, 3, 2, 3], (x, i) => x + removed.length - (part > 0 ? 0.1 * sum : 0) + (i % 2 ? 0.01 * sum : 0));
		};
		const game = (part: number) => ({
			players: 6,
			know: async () => {},
			measure: async (sets: readonly Coalition[]) => {
				asked.push(sets.map((coalition) => coalition.removed().join()));
				return sets.map((coalition) => ({
					coalition,
					losses: losses(coalition, part),
					figures: { divergence: losses(coalition, part) },
				}));
			},
		});
		const session = {
			games: { validation: game(0), search: { played: () => expect.unreachable() } },
			exactSearch: true,
			metric: "loss",
			model: { facts: { blocks: 6 } },
			evaluator: { resumes: () => true },
			timed: (_: string, work: () => unknown) => work(),
			races: {
				first: async () => ({ game: game(0), byDivergence }),
				further: async (part: number) => game(part + 1),
				confirms: () => 0,
				end: () => {},
			},
		};
		return { asked, session: session as unknown as Session };
	}
	const own = [set("auto", 1, 2), set("auto", 1, 2, 3)];
	const rivals = [set("auto", 1, 3), set("leave-one-out", 2, 3), set("auto", 1, 2), set("auto", 1, 4), set("greedy", 2, 3)];
	const limits = (masks: number, furtherMasks = 0) => ({ masks, furtherMasks, played: [] });

	it("holds the rivals that the masks reach for, those of another kind first and each once", async () => {
		const { asked, session } = racing();
		// Two of its own, the original model, its distributions: two masks are left for rivals.
		const { sets, masks } = await raceWithin(session, { own, rivals }, limits(6), {});
		expect(asked).toEqual([["", "1,2", "1,2,3", "2,3", "1,3"]]);
		expect(masks).toBe(5);
		expect([...sets.keys()].sort()).toEqual([2, 3]);
		const all = racing();
		expect((await raceWithin(all.session, { own, rivals }, limits(100), {})).masks).toBe(6);
	});

	it("holds whole blocks against each half-block cut before all other rivals", async () => {
		const cuts = [set("greedy", 1.5, 3), set("greedy", 1.5, 3, 4)];
		const wholes = [set("leave-one-out", 2, 4), set("greedy", 2, 3), set("greedy", 2, 3, 4)];
		const { asked, session } = racing();
		await raceWithin(session, { own: cuts, rivals: [set("beam", 1, 2.5), ...wholes] }, limits(6), {});
		expect(asked).toEqual([["", "1.5,3", "1.5,3,4", "2,4", "2,3,4"]]);
	});

	it("takes the best measured whole blocks where the masks hold none to race against a half-block cut, and says so", async () => {
		const cuts = [set("greedy", 1.5, 3), set("greedy", 1.5, 3, 4)];
		const rivals = [set("leave-one-out", 2, 4), set("leave-one-out", 2, 4, 5)];
		const measured = (loss: number, ...removed: number[]) => ({
			coalition: Coalition.ofRemoved(6, removed),
			losses: Float64Array.of(loss),
		});
		const played = [measured(3, 1, 2), measured(2.9, 3, 4), measured(2, 1.5, 3), measured(2.1, 2.5, 4)];
		const none = racing();
		const unopposed = await raceWithin(none.session, { own: cuts, rivals }, { ...limits(4), played }, {});
		expect([...unopposed.sets.values()]).toEqual([set("greedy", 3, 4), set("greedy", 2, 4, 5)]);
		expect(unopposed.notes).toEqual([
			"2 blocks, 3-4: the best measured whole blocks are taken, as no evaluations are left to compare 1f-2a, 3 with them",
			"3 blocks, 2, 4-5: the best measured whole blocks are taken, as no evaluations are left to compare 1f-2a, 3-4 with them",
		]);
		expect(none.asked).toEqual([]);
		// One of two fits.
		const one = racing();
		const raced = await raceWithin(one.session, { own: cuts, rivals }, { ...limits(5), played }, {});
		expect(one.asked).toEqual([["", "1.5,3", "2,4,5", "2,4"]]);
		expect(raced.notes).toHaveLength(1);
	});

	it("is none where the masks hold no rival, or there is none", async () => {
		const { asked, session } = racing();
		for (const [others, masks] of [[rivals, 4] as const, [[set("leave-one-out", 1, 2)], 100] as const]) {
			const raced = await raceWithin(session, { own, rivals: others }, limits(masks), {});
			expect(raced).toMatchObject({ masks: 0, executions: 0 });
			expect([...raced.sets.values()]).toEqual(own);
		}
		expect(asked).toEqual([]);
	});

	it.each<[boolean, Effort]>([
		[false, "standard"],
		[false, "thorough"],
		[true, "thorough"],
	])("overspends neither the budget nor what further text may cost (by divergence: %s, effort %s)", async (byDivergence, effort) => {
		for (let most = 5; most < 80; most++) {
			for (const further of [0, 3, 20]) {
				const { asked, session } = racing(byDivergence);
				const { masks } = await raceWithin(session, { own, rivals }, limits(most, further), { effort });
				const measured = asked.flat().length + (byDivergence ? asked.length : 0);
				expect(masks).toBe(measured);
				expect(masks).toBeLessThanOrEqual(most);
				expect(asked.slice(1).flat().length).toBeLessThanOrEqual(further);
			}
		}
	});

	it("takes a size that the method has no set of from its rivals", async () => {
		const { session } = racing();
		const { sets } = await raceWithin(session, { own: [set("auto", 1)], rivals: [set("leave-one-out", 1, 2)] }, limits(10), {});
		expect(sets.get(2)).toMatchObject({ method: "leave-one-out", removed: [1, 2] });
	});
});

describe("the work that is announced", () => {
	const tokens = { search: 100, validation: 200, heldOut: 300 };
	const base = { known: 0, singles: 13, sizes: 1, field: 1, effort: "standard", tokens, secondsPerMask: 2 } as const;

	it("counts the sets of every size that are raced, and further text as far as rounds and masks go", () => {
		const validation = (asked: Partial<Parameters<typeof workOf>[0]>) =>
			(workOf({ ...base, masks: 0, ...asked }).tokens - 4 * tokens.heldOut - 100 * (asked.masks ?? 0)) / tokens.validation;
		expect(validation({})).toBe(4);
		expect(validation({ sizes: 5 })).toBe(8);
		// 2 sets, each on 3 parts more, or on 7.
		expect(validation({ field: 2, masks: 100 })).toBe(3 + 2 + 6);
		expect(validation({ field: 2, masks: 100, effort: "thorough" })).toBe(3 + 2 + 14);
		expect(validation({ field: 2, masks: 8, known: 8, effort: "thorough" })).toBe(3 + 2 + 4);
		// 4 of 7, then 2 on 2 parts, and on 4 more.
		expect(validation({ field: 7, sizes: 4, masks: 400 })).toBe(3 + 28 + 32);
		expect(validation({ field: 7, sizes: 4, masks: 400, effort: "thorough" })).toBe(3 + 28 + 64);
		expect((["quick", "thorough"] as const).map((effort) => raceField("auto", { effort, sizes: 1 }))).toEqual([7, 21]);
		expect(raceField("auto", { effort: "standard", sizes: 1, granularity: "attention" })).toBe(19);
		expect((["quick", "standard", "thorough"] as const).map((effort) => raceField("auto", { effort, sizes: 2 }))).toEqual([7, 11, 11]);
		expect((["swap", "last"] as const).map((method) => raceField(method, { effort: "thorough", sizes: 1 }))).toEqual([2, 1]);
	});

	it("is that of the search within its time, single removals at least", () => {
		const seconds = (asked: Partial<Parameters<typeof workOf>[0]>) => plannedSeconds({ ...base, masks: 800, ...asked });
		// 4 sets on the validation split, 2 on the held-out split.
		expect(seconds({})).toEqual({ search: 1600, compare: 2 * (8 + 6), drawing: 0, heldOut: 6 });
		expect(seconds({ maxTime: 60 }).search).toBe(60);
		expect(seconds({ maxTime: 1e6 }).search).toBe(1600);
		expect(seconds({ maxTime: 1 }).search).toBe(26);
		expect(seconds({ maxTime: 1, known: 13 })).toEqual({ search: 0, compare: 28, drawing: 0, heldOut: 6 });
		// A search on a copy of a small type is four times as fast as the model itself, which compares.
		const slow = { secondsPerMask: 0.5, secondsPerToken: 0.02 };
		expect(seconds(slow)).toEqual({ search: 400, compare: 2 * (8 + 6), drawing: 0, heldOut: 6 });
		expect(finalistSeconds({ ...base, masks: 800, field: 3, ...slow })).toBe(2 * 4);
		expect(furtherSeconds({ ...base, masks: 800, field: 3, ...slow })).toEqual({ measuring: 7 * 4, drawing: 0 });
		// Sets may be compared on the copy too; the original and the winner are measured on the model then.
		const copied = { ...slow, secondsPerRacedToken: 0.005 };
		expect(seconds(copied)).toEqual({ search: 400, compare: 2 * 1 + 2 * 4 + 2 * 6, drawing: 0, heldOut: 6 });
		const asked = { ...base, masks: 800, field: 3, ...copied };
		expect(finalistSeconds(asked)).toBe(2 * 1);
		expect(furtherSeconds(asked)).toEqual({ measuring: 7 * 1, drawing: 0 });
		expect(seconds({ maxTime: 60, secondsPerMask: Number.NaN }).search).toBeNaN();
	});

	it("counts the whole blocks that half-block cuts must beat, among the tied ones", () => {
		const further = (effort: Effort, cuts: boolean) =>
			furtherSeconds({ ...base, masks: 800, field: 11, cuts, effort, secondsPerToken: 0.005 }).measuring;
		const of = (cuts: boolean) => (["quick", "standard", "thorough"] as const).map((effort) => further(effort, cuts));
		expect([of(false), of(true)]).toEqual([
			[4, 8, 16],
			[4, 10, 22],
		]);
	});

	it("counts what makes reference logits: a pass for the splits that are compared, and for each part of further text", () => {
		const made = (asked: Partial<Parameters<typeof workOf>[0]>, names: readonly SplitName[]) => {
			const of = (references: readonly SplitName[]) => ({ ...base, masks: 800, secondsPerToken: 1, references, ...asked });
			const passes = workOf(of(names)).tokens - workOf(of([])).tokens;
			const seconds = (name: "search" | "compare") => plannedSeconds(of(names))[name] - plannedSeconds(of([]))[name];
			return [passes, seconds("search"), seconds("compare")];
		};
		const own = ["search", "validation"] as const;
		// Three parts with the standard effort, half of which counts for the time.
		expect(made({ field: 7 }, own)).toEqual([100 + 4 * 200, 100, 2.5 * 200]);
		expect(made({ field: 7, effort: "thorough" }, own)).toEqual([100 + 8 * 200, 100, 4.5 * 200]);
		expect(made({ field: 7 }, ["validation"])).toEqual([4 * 200, 0, 2.5 * 200]);
		// One set is compared with nothing; by the metric kl all are.
		expect(made({ field: 1, masks: 1 }, own)).toEqual([100, 100, 0]);
		expect(made({ field: 1, masks: 1 }, splitNames)).toEqual([600, 100, 500]);
		// All candidates are known.
		expect(made({ field: 7, masks: 0, known: 800 }, own)).toEqual([4 * 200, 0, 2.5 * 200]);
		// The time of the search holds its pass, that of further text those of the parts.
		const asked = { ...base, masks: 800, field: 7, secondsPerToken: 0.01, references: own };
		expect(plannedSeconds({ ...asked, maxTime: 61 }).search).toBe(61);
		expect(furtherSeconds(asked).measuring).toBe(2 * (8 + 3));
	});

	it("counts what a limit compares with reference logits, and no figures where none are measured", () => {
		const more = (asked: Partial<Parameters<typeof workOf>[0]>) => {
			const [own, other] = [base, { ...base, ...asked }].map((one) => ({ ...one, masks: 800 }));
			return [workOf(other!).tokens - workOf(own!).tokens, plannedSeconds(other!).compare - plannedSeconds(own!).compare];
		};
		expect(more({ limited: ["heldOut"] })).toEqual([2 * 300, 2 * 6]);
		expect(more({ limited: ["validation", "heldOut"] })).toEqual([2 * 200 + 2 * 300, 2 * 4 + 2 * 6]);
		expect(more({ noFigures: true })).toEqual([-2 * 200 - 4 * 300, -2 * 4 - 2 * 6]);
	});

	it("counts the winners that the model itself confirms after a comparison on a copy, and fewer blocks than were chosen", () => {
		const own = { ...base, masks: 800, field: 7, sizes: 4, secondsPerToken: 0.02 };
		// The original model and the winner are measured for the figures in any case.
		const again = (confirmed: number) => [
			(workOf({ ...own, confirmed }).tokens - workOf(own).tokens) / 200,
			plannedSeconds({ ...own, confirmed }).compare - plannedSeconds(own).compare,
		];
		expect(again(0)).toEqual([0, 0]);
		expect(again(2)).toEqual([0, 0]);
		expect(again(5)).toEqual([3, 12]);
		const fewer = (maxTime?: number) => {
			const asked = { ...own, maxTime };
			return [
				(workOf({ ...asked, smaller: 15 }).tokens - workOf(asked).tokens) / 200,
				plannedSeconds({ ...asked, smaller: 15 }).compare - plannedSeconds(asked).compare,
			];
		};
		expect(fewer()).toEqual([15, 30]);
		// What is left of a limit decides then.
		expect(fewer(600)).toEqual([0, 0]);
		expect([1, 2, 3, 4, 20].map(smallerAtMost)).toEqual([0, 5, 10, 15, 15]);
	});

	it("draws further text that is not there, as far as the rounds go", () => {
		const drawingOf = (asked: Partial<Parameters<typeof workOf>[0]>) =>
			furtherSeconds({ ...base, masks: 800, field: 3, drawing: [10, 20, 40], ...asked }).drawing;
		expect([drawingOf({ effort: "quick" }), drawingOf({}), drawingOf({ effort: "thorough" })]).toEqual([10, 30, 70]);
		expect([drawingOf({ drawing: [0, 20, 40] }), drawingOf({ drawing: [0, 20, 40], effort: "thorough" })]).toEqual([20, 60]);
		// A quarter of the candidates are measured further at most: two sets on the first part, or on no part.
		expect([drawingOf({ masks: 8 }), drawingOf({ masks: 4 })]).toEqual([10, 0]);
		expect(drawingOf({ field: 1 })).toBe(0);
		expect(plannedSeconds({ ...base, masks: 800, field: 3, drawing: [10, 20, 40] }).drawing).toBe(15);
	});
});

it.each(["maxTime", "effort", "rounds", "method", "epochs"])("compareMethods refuses search.%s, which JavaScript may give", (name) => {
	const given = { search: { [name]: 1 } };
	expect(() => resolveJob("compare", given)).toThrow(InvalidOptionError);
	expect(() => resolveJob("compare", given)).toThrow(`compareMethods does not read search.${name}: leave it out`);
});
