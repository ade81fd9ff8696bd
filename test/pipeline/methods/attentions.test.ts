import { describe, expect, it } from "vitest";
import type { Method } from "../../../src/api/index.js";
import type { ChoosingSettings } from "../../../src/api/options/settings.js";
import { leaveOneOutContributions } from "../../../src/game/attribution/leave-one-out.js";
import { Coalition } from "../../../src/game/coalition.js";
import { FunctionGame } from "../../../src/game/function-game.js";
import { type Game, type Measurement, meanLoss } from "../../../src/game/game.js";
import type { SearchStep } from "../../../src/game/search/search.js";
import { keptParts, removedParts } from "../../../src/game/parts.js";
import { searchBudget } from "../../../src/pipeline/methods/budget.js";
import { reasonedBlocks } from "../../../src/pipeline/methods/critical.js";
import { setsLeaving } from "../../../src/pipeline/methods/attentions.js";
import type { Choices } from "../../../src/pipeline/methods/selection-context.js";
import { surrogateData } from "../../../src/pipeline/reporting/evidence.js";
import { checkBudget, choose, chooseBase, plannedMasks } from "../../../src/pipeline/methods/registry.js";
import { withTimed } from "../../../src/pipeline/methods/timed.js";
import { granularityOf, removableAttentions } from "../../../src/pipeline/preflight/method-options.js";
import type { Session } from "../../../src/pipeline/session/session.js";
import { partGame } from "../../helpers/part-games.js";

const taking = ["auto", "greedy", "leave-one-out", "beam", "swap", "evolutionary", "random"] as const satisfies readonly Method[];
const attention = { granularity: "attention" } as const;
const players = 10;
const isAttention = (position: number) => position % 1 === 0.25;

/** The rule that the first block left keeps its attention. */
const allowsFirst = (coalition: Coalition) => coalition.stack()[0]?.attention !== undefined;

/** The game that says what it measured. */
function recorded(game: FunctionGame): FunctionGame & { played(): Measurement[] } {
	const measure = game.measure.bind(game);
	const played = new Map<string, Measurement>();
	return Object.assign(game, {
		played: () => [...played.values()],
		measure: async (sets: readonly Coalition[]) => {
			const measured = await measure(sets);
			for (const one of measured) played.set(one.coalition.key, one);
			return measured;
		},
	});
}

/** Costs of parts. */
function modelGame(seed: number): FunctionGame & { played(): Measurement[] } {
	const parts = partGame(players, seed);
	const known = new Map<string, number>();
	const game = new FunctionGame({ players, allows: allowsFirst, loss: (coalition) => known.get(coalition.key)! });
	const measure = game.measure.bind(game);
	game.measure = async (sets) => {
		for (const [i, one] of (await parts.measure(sets)).entries()) known.set(sets[i]!.key, one.losses[0]!);
		return measure(sets);
	};
	return recorded(game);
}

/** What methods that play a game need of a session. */
function sessionOn(game: Game): Session {
	return {
		...{ model: { blocks: {} }, tokens: { search: 1 }, seed: 1, games: { search: game } },
		timed: (_: string, run: () => Promise<unknown>) => run(),
		singleRemovals: async (_loss: number, _signal: unknown, inner: Game) => leaveOneOutContributions(inner, { scale: "loss" }),
	} as unknown as Session;
}

const chosen = async (method: Method, { kmax = 3, base = [] as readonly number[], options = {} as ChoosingSettings, seed = 1 } = {}) => {
	const game = modelGame(seed);
	const steps: SearchStep[] = [];
	const all = { removeAttention: kmax - base.length, ...attention, ...options };
	const setting = { game, counts: [kmax], judged: false, base, onStep: (step: SearchStep) => steps.push(step) };
	const choices = await choose(sessionOn(game), { method, kmax }, all, setting);
	return { game, choices, steps };
};

it("blocks beside attention parts leave enough of them: others without attention take their place", () => {
	// Blocks 2 and 4 have none, and the first block left keeps its own.
	const allows = (set: Coalition) => allowsFirst(set) && !set.removed().some((one) => one === 2.25 || one === 4.25);
	const game = new FunctionGame({ players: 6, allows, loss: () => 1 });
	const choicesOf = (...sets: number[][]) =>
		({ found: { byCount: new Map() }, rivals: sets.map((removed) => ({ removed, method: "auto" })) }) as unknown as Choices;
	const sets = (attentions: number, choices: Choices) => setsLeaving(game, choices, { blocks: 2, attentions });
	expect(sets(1, choicesOf([1, 3], [3, 5], [1]))).toEqual([
		[1, 3],
		[3, 5],
	]);
	expect(sets(2, choicesOf([1, 3], [2, 5]))).toEqual([[2, 5]]);
	expect(sets(2, choicesOf([1, 3], [3, 5]))).toEqual([[2, 3]]);
	expect(sets(3, choicesOf([1, 3], [3, 5]))).toEqual([[2, 4]]);
	expect(sets(4, choicesOf([1, 3]))).toEqual([]);
});

describe("methods on attention parts alone", () => {
	it.each(taking)("%s proposes attention parts only, of the size that was asked for, within what was planned", async (method) => {
		for (const seed of [1, 2, 3]) {
			const { game, choices, steps } = await chosen(method, { seed });
			const sets = [...choices.found.byCount.values(), ...choices.rivals];
			expect(choices.found.byCount.get(3)?.removed).toHaveLength(3);
			for (const { removed } of sets) {
				expect(removed.every(isAttention)).toBe(true);
				expect(game.allows(Coalition.ofRemoved(players, removed))).toBe(true);
			}
			for (const { removed, count } of steps) {
				expect(removed.every(isAttention)).toBe(true);
				expect(removed).toHaveLength(count);
			}
			expect(choices.masks).toBeLessThanOrEqual(plannedMasks({ method, blocks: players, kmax: 3 }, { removeAttention: 3, ...attention }));
		}
	});

	it.each(taking)("%s counts what is removed beside them", async (method) => {
		const base = [3, 6.5];
		const { choices } = await chosen(method, { kmax: 4, base });
		const best = choices.found.byCount.get(4)!.removed;
		expect(best.filter(isAttention).length).toBeGreaterThanOrEqual(2);
		expect(best).toHaveLength(4);
		// Leave-one-out has sets of fewer attention parts too.
		for (const { removed } of choices.rivals) expect([3, 4]).toContain(removed.length);
	});

	it.each(taking)("%s counts what is added from the original model, also with blocks beside them", async (method) => {
		const base = [3, 6];
		const { game, choices, steps } = await chosen(method, { kmax: 4, base });
		const lossOf = async (removed: readonly number[]) => meanLoss((await game.measure([Coalition.ofRemoved(players, removed)]))[0]!);
		const original = await lossOf([]);
		const { found } = choices;
		expect(found.originalLoss).toBeCloseTo(original, 12);
		expect(steps.length).toBeGreaterThan(0);
		for (const { removed, addedLoss } of [...found.byCount.values(), ...found.trace, ...steps])
			expect(addedLoss).toBeCloseTo((await lossOf(removed)) - original, 9);
	});

	it("have forecasts from the original model", () => {
		const forecasts = [{ coalition: Coalition.ofRemoved(players, [1, 2]), mean: 0, sd: 0.1, addedLoss: 0.2 }];
		const surrogate = { name: "gp", trainCandidates: 9, heldOutCandidates: 9, r2: 1, spearman: 1 };
		const beside = { blocks: 2, added: 0.3 };
		const choices = { surrogate, evidence: { forecasts, beside, interactions: [], trusted: true } } as unknown as Choices;
		expect(surrogateData(choices)!.forecasts).toEqual([expect.objectContaining({ removed: 4, forecast: 0.3, measured: 0.5 })]);
	});

	it("say what is measured beside blocks, not alone", async () => {
		const told = async (base: readonly number[]) => {
			// The attention part of block 7 is critical, the others are not.
			const loss = (set: Coalition) => 3 + 0.1 * set.removed().length + (set.removed().includes(7.25) ? 1 : 0);
			const game = recorded(new FunctionGame({ players, allows: allowsFirst, loss }));
			const setting = { game, counts: [base.length + 2], base };
			return choose(sessionOn(game), { method: "leave-one-out", kmax: base.length + 2 }, { removeAttention: 2, ...attention }, setting);
		};
		const [alone, beside] = [await told([]), await told([3, 4])];
		expect(alone.contributions?.estimator).toBe("leave-one-out");
		const reasonOf = ({ found, attentions }: Choices) => reasonedBlocks(found.critical, attentions);
		const adds = "adds 1.100 nats per token, more than 0.693";
		expect(reasonOf(alone)).toEqual([{ block: 7, reason: `its attention part, removed alone, ${adds}` }]);
		expect(beside.contributions?.estimator).toBe("leave-one-out, beside blocks 3-4");
		expect(reasonOf(beside)).toEqual([{ block: 7, reason: `its attention part, removed beside blocks 3-4, ${adds}` }]);
	});

	it("have contributions of attention parts, but of those that must stay", async () => {
		const { choices } = await chosen("leave-one-out");
		expect(choices.contributions?.contributions).toHaveLength(players);
		expect(choices.contributions?.contributions[0]).toBeNaN();
		expect(choices.contributions?.contributions.slice(1).every(Number.isFinite)).toBe(true);
	});

	it("take as many tokens as a search of half-block cuts on windows of half as many", () => {
		const of = (granularity: "half-block" | "attention") => searchBudget(40, 10, { granularity });
		expect(of("attention")).toBe(Math.round(of("half-block") / 2));
	});
});

it("a budget that is too small is told for attention parts", () => {
	const task = { method: "auto", blocks: 10, kmax: 3 } as const;
	expect(() => checkBudget(task, { ...attention, maxEvaluations: 3 }, 1)).toThrow(/to remove up to 3 of 10 attention parts, got/);
});

describe("granularity attention", () => {
	const two = { architecture: "x", parts: { allowed: true }, attention: { allowed: true } } as const;
	const none = { ...two, attention: { allowed: false, reason: "its graph has none" } } as const;

	it("is used where it is given, or where attention parts are counted", () => {
		expect(granularityOf({ method: "auto", ...attention }, two)).toEqual({ used: "attention", reason: "as given" });
		expect(granularityOf({ method: "auto", removeAttention: 3 }, two)).toEqual({
			...{ used: "attention", reason: "asked for by --remove-attention" },
		});
		expect(granularityOf({ method: "auto", targetKv: 0.5 }, two)).toEqual({ used: "attention", reason: "asked for by --target-kv" });
		expect(granularityOf({ method: "auto" }, two).used).toBe("half-block");
	});

	it("is refused with the reason, and what to use instead", () => {
		expect(() => granularityOf({ method: "auto", ...attention }, none)).toThrow(
			/its graph has none. Remove whole blocks or half-block cuts instead: leave out --granularity attention$/,
		);
		expect(() => granularityOf({ method: "auto", targetKv: 0.5 }, none)).toThrow(/: leave out --target-kv$/);
		expect(() => granularityOf({ method: "auto", removeAttention: 1, granularity: "half-block" }, two)).toThrow(
			/leave out --granularity half-block/,
		);
	});

	it("is refused for methods that choose whole blocks only, and for rounds", () => {
		for (const method of ["block-influence", "magnitude", "angular", "paper", "first"] as const) {
			expect(() => granularityOf({ method, removeAttention: 3 }, two)).toThrow(
				new RegExp(
					`--method ${method} chooses whole blocks only, and --remove-attention removes attention parts: use --method auto, greedy,`,
				),
			);
			expect(() => granularityOf({ method, targetKv: 0.5 }, two)).toThrow(/and --target-kv removes/);
		}
		for (const method of ["auto", "greedy", "beam", "swap", "random"] as const)
			expect(granularityOf({ method, removeAttention: 3 }, two).used).toBe("attention");
		expect(() => granularityOf({ method: "leave-one-out", removeAttention: 3, rounds: 2 }, two)).toThrow(
			/leave out --rounds or --remove-attention/,
		);
		expect(granularityOf({ method: "leave-one-out", removeAttention: 3, rounds: 1 }, two).used).toBe("attention");
	});

	it("can remove what the model allows", () => {
		expect(removableAttentions({ blocks: 4, check: ([first]) => (first === 0.25 ? "it is the first" : undefined) })).toEqual([1, 2, 3]);
	});
});

describe("sets of any parts that save time", () => {
	const time = { seconds: { attention: 2, feedForward: 1 }, save: 6 };
	const left = "leaves out: sets of attention parts together with blocks or half-block cuts";

	/** What the search of attention parts leaves, of a model whose feed-forward parts cost next to nothing. */
	async function cheapBlocks() {
		const loss = (set: Coalition) =>
			3 + keptParts(players, set.removed()).reduce((sum, stays, part) => sum + (stays ? 0 : part % 2 === 0 ? 0.1 : 0.001), 0);
		const game = recorded(new FunctionGame({ players, allows: allowsFirst, loss }));
		const choices = await choose(sessionOn(game), { method: "greedy", kmax: 3 }, { removeAttention: 3, ...attention }, { game });
		return { game, choices };
	}

	it("take part beside those of attention parts alone, and save the time", async () => {
		const { game, choices } = await cheapBlocks();
		const more = await withTimed(sessionOn(game), choices, time, {});
		const added = more.rivals.slice(choices.rivals.length);
		expect(added.length).toBeGreaterThan(0);
		expect(added.every(({ method }) => method === "greedy by time")).toBe(true);
		expect(added.some(({ removed }) => !removed.every(isAttention))).toBe(true);
		for (const { removed } of added) {
			const { attention, feedForward } = removedParts(removed);
			expect(2 * attention.length + feedForward.length).toBeGreaterThanOrEqual(6);
		}
		expect(more.masks).toBeGreaterThan(choices.masks);
	});

	it("are left out of a search that is limited in time, which a note says", async () => {
		const { game, choices } = await cheapBlocks();
		const notes: string[] = [];
		const onLog = ({ message }: { message: string }) => void notes.push(message);
		expect(await withTimed(sessionOn(game), choices, time, { asked: { maxTime: 60 }, onLog })).toBe(choices);
		expect(notes).toEqual([`--max-time ${left}`]);
	});

	it("share what may be measured with the search of attention parts", async () => {
		const needed = 2 * players;
		for (const extra of [-1, 0, 1, 5, 12]) {
			const { game, choices } = await cheapBlocks();
			const before = game.played().length;
			// The attention parts alone are known.
			const limit = before + needed / 2 + extra;
			const notes: string[] = [];
			const onLog = ({ message }: { message: string }) => void notes.push(message);
			for (const [option, asked] of [
				["--max-evaluations", { maxEvaluations: limit }],
				["--max-tokens", { maxTokens: 3 * limit + 2 }],
			] as const) {
				const session = { ...sessionOn(game), tokens: { search: 3 } } as unknown as Session;
				const more = await withTimed(session, choices, time, { asked, onLog });
				expect(game.played().length).toBeLessThanOrEqual(limit);
				expect(more.masks).toBeLessThanOrEqual(limit);
				if (extra < 0) expect(notes.at(-1)).toBe(`${option} ${left}`);
				else expect(notes).not.toContain(`${option} ${left}`);
			}
		}
	});

	it("are planned within what may be measured", () => {
		const task = { method: "auto", blocks: 30, kmax: 9, time } as const;
		const free = plannedMasks(task, attention);
		// Blocks alone, and the steps: the search of attention parts has measured each of these alone.
		expect(free).toBe(plannedMasks({ ...task, time: undefined }, attention) + 30 + 6 * 4);
		const random = { ...task, method: "random" } as const;
		expect(plannedMasks(random, attention)).toBe(plannedMasks({ ...random, time: undefined }, attention) + 60 + 6 * 4);
		expect(plannedMasks(task, { ...attention, maxEvaluations: 150 })).toBe(150);
	});
});

describe("blocks beside attention parts", () => {
	const task = { method: "auto", blocks: 30, kmax: 8, base: 2 } as const;

	it("share what may be spent with them", () => {
		const given = { ...attention, maxEvaluations: 400 };
		expect(plannedMasks(task, given)).toBe(400);
		expect(plannedMasks({ ...task, base: 0 }, given)).toBe(400);
	});

	it.each(taking)("%s chooses whole ones, since no text but the search's weighs half-block cuts against them", async (method) => {
		for (const seed of [1, 2, 3]) {
			const game = modelGame(seed);
			const base = await chooseBase(sessionOn(game), { method, kmax: 5, base: 2 }, { removeAttention: 3, ...attention });
			expect(base).toHaveLength(2);
			expect(base.every(Number.isInteger)).toBe(true);
		}
	});

	it("are refused what is too little for either", () => {
		expect(() => checkBudget(task, { ...attention, maxEvaluations: 400 }, 100)).not.toThrow();
		expect(() => checkBudget(task, { ...attention, maxEvaluations: 60 }, 100)).toThrow(
			/to remove up to 2 of 30 blocks, got --max-evaluations 60, which blocks and attention parts share: give more/,
		);
	});
});
