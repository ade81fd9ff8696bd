import { describe, expect, it } from "vitest";
import type { Method } from "../../../src/api/index.js";
import { methods } from "../../../src/api/methods.js";
import type { ChoosingSettings } from "../../../src/api/options/settings.js";
import { leaveOneOutContributions } from "../../../src/game/attribution/leave-one-out.js";
import { Coalition } from "../../../src/game/coalition.js";
import { meanLoss } from "../../../src/game/game.js";
import type { FunctionGame } from "../../../src/game/function-game.js";
import { paperRepaired } from "../../../src/game/search/paper-repaired.js";
import { isWhole } from "../../../src/game/parts.js";
import { raceField, searchBudget } from "../../../src/pipeline/methods/budget.js";
import { checkBudget, choose, plannedMasks } from "../../../src/pipeline/methods/registry.js";
import { shiftedPairCosts } from "../../../src/pipeline/methods/shifted-pairs.js";
import { checkGranularity, checkMethodOptions, granularityOf, withGranularity } from "../../../src/pipeline/preflight/method-options.js";
import type { Session } from "../../../src/pipeline/session/session.js";
import { partGame } from "../../helpers/part-games.js";

const taking = [
	"auto",
	"greedy",
	"leave-one-out",
	"beam",
	"swap",
	"evolutionary",
	"contiguous",
	"random",
] as const satisfies readonly Method[];
const half = { granularity: "half-block" } as const;

/** What methods that play a game need of a session. */
function sessionOn(game: FunctionGame): Session {
	return {
		model: { blocks: { check: () => undefined } },
		tokens: { search: 1 },
		seed: 1,
		timed: (_: string, run: () => Promise<unknown>) => run(),
		singleRemovals: async () => leaveOneOutContributions(game, { scale: "loss" }),
	} as unknown as Session;
}

const chosen = async (method: Method, options: ChoosingSettings, seed = 1, kmax = 3) => {
	const game = partGame(10, seed);
	const choices = await choose(
		sessionOn(game),
		{ method, kmax },
		{ removeBlocks: kmax, ...options },
		{
			game: game as never,
			counts: [kmax],
			judged: false,
		},
	);
	return { game, choices };
};

describe("methods with half-block cuts", () => {
	it.each(taking)("%s proposes some, and sets of whole blocks beside them, within what was planned", async (method) => {
		const cut: boolean[] = [];
		for (const seed of [1, 2, 3]) {
			const { game, choices } = await chosen(method, half, seed);
			const sets = [...choices.found.byCount.values(), ...choices.rivals]
				.map(({ removed }) => removed)
				.filter(({ length }) => length === 3);
			cut.push(!sets.every(isWhole));
			expect(sets.some(isWhole)).toBe(true);
			for (const removed of sets) expect(game.allows(Coalition.ofRemoved(10, removed))).toBe(true);
			expect(choices.masks).toBeLessThanOrEqual(plannedMasks({ method, blocks: 10, kmax: 3 }, { removeBlocks: 3, ...half }));
		}
		expect(cut).toContain(true);
	});

	it.each(taking)("%s measures only whole blocks where nothing else is asked for", async (method) => {
		const [plain, named] = [await chosen(method, {}), await chosen(method, { granularity: "block" })];
		expect(named.choices).toEqual(plain.choices);
		const sets = [...plain.choices.found.byCount.values(), ...plain.choices.rivals].map(({ removed }) => removed);
		expect(sets.every(isWhole)).toBe(true);
	});

	it.each(taking)("%s says what shifted pairs add alone, those that it measured, in order", async (method) => {
		const { game, choices } = await chosen(method, half);
		const [full, ...pairs] = await game.measure(
			[[], ...choices.shiftedPairs!.map(({ removed }) => removed)].map((set) => Coalition.ofRemoved(10, set)),
		);
		expect(choices.shiftedPairs!.map(({ added }) => added)).toEqual(pairs.map((pair) => meanLoss(pair) - meanLoss(full!)));
		const positions = choices.shiftedPairs!.map(({ removed }) => removed[0]!);
		expect(positions).toEqual([...positions].sort((a, b) => a - b));
		const all = Array.from({ length: 9 }, (_, i) => i + 0.5);
		if (method === "auto") expect(all).toEqual(expect.arrayContaining(positions));
		// The others measure sets of three alone.
		else expect(positions).toEqual(["contiguous", "evolutionary", "random"].includes(method) ? [] : all);
		if (method === "auto") expect(positions.length).toBeGreaterThan(3);
		expect((await chosen(method, {})).choices).not.toHaveProperty("shiftedPairs");
	});

	it("a shifted pair's error is paired by window, and a model that breaks has no row", () => {
		const of = (removed: number[], ...losses: number[]) => ({
			coalition: Coalition.ofRemoved(4, removed),
			losses: Float64Array.from(losses),
		});
		const measured = [of([2.5], 3, 5), of([], 1, 2), of([1.5], 1.5, 2.5), of([0.5], 1, Number.NaN), of([1], 9, 9), of([0.5, 2.5], 9, 9)];
		// Attention parts alone are neither shifted pairs nor the original model, though all blocks or all but one stay.
		expect(shiftedPairCosts([of([1.25], 7, 7), of([0, 1.25], 7, 7), ...measured])).toEqual(shiftedPairCosts(measured));
		expect(shiftedPairCosts(measured)).toEqual([
			{ removed: [1.5], added: 0.5, standardError: 0 },
			{ removed: [2.5], added: 2.5, standardError: 0.5 },
		]);
		expect(shiftedPairCosts(measured.map(({ coalition, losses }) => ({ coalition, losses: losses.slice(0, 1) })))[1]).toEqual({
			removed: [1.5],
			added: 0.5,
		});
		expect(shiftedPairCosts(measured.slice(2))).toEqual([]);
	});

	it("the automatic method keeps to its evaluations", async () => {
		for (const maxEvaluations of [14, 30, 90]) {
			const { game, choices } = await chosen("auto", { ...half, maxEvaluations });
			expect(game.evaluated).toBeLessThanOrEqual(maxEvaluations);
			expect(choices.masks).toBe(game.evaluated);
		}
	});

	it("take a quarter more evaluations, and more places in the final comparison", () => {
		expect(searchBudget(30, 6, half)).toBe(135);
		expect(searchBudget(30, 6, { ...half, maxEvaluations: 50 })).toBe(50);
		const how = { effort: "standard", sizes: 1 } as const;
		expect(raceField("auto", { ...how, granularity: "half-block" }) - raceField("auto", how)).toBe(2);
		expect(raceField("contiguous", { ...how, granularity: "half-block" })).toBe(3);
		const task = { blocks: 30, kmax: 6 };
		const planned = (method: Method) =>
			plannedMasks({ ...task, method }, { removeBlocks: 6, ...half }) - plannedMasks({ ...task, method }, { removeBlocks: 6 });
		expect(taking.map(planned)).toEqual([27, 29, 29, 29, 27, 27, 24, 27]);
	});

	it("swap measures shifted pairs alone too, and says so where its budget is too small", () => {
		const task = { method: "swap", blocks: 12, kmax: 3 } as const;
		expect(() => checkBudget(task, { maxEvaluations: 40 }, 1)).not.toThrow();
		expect(() => checkBudget(task, { maxEvaluations: 40, ...half }, 1)).toThrow("swap needs at least 48 evaluations");
	});

	it("are refused by every other method, with rounds, and of another size", () => {
		for (const method of methods) {
			expect(() => checkMethodOptions(method, { granularity: "block" })).not.toThrow();
			if ((taking as readonly Method[]).includes(method)) expect(() => checkMethodOptions(method, half)).not.toThrow();
			else
				expect(() => checkMethodOptions(method, half)).toThrow(
					`--granularity belongs to --method auto, greedy, leave-one-out, beam, swap, evolutionary, contiguous, random; ${method} does not read it`,
				);
		}
		expect(() => checkMethodOptions("leave-one-out", { ...half, rounds: 2 })).toThrow(/--rounds/);
		expect(() => checkMethodOptions("auto", { granularity: "part" as "block" })).toThrow(
			"granularity must be one of block, half-block, attention, got part",
		);
	});

	it("are refused with the architecture's reason", () => {
		const of = (parts: Parameters<typeof checkGranularity>[1]["parts"]) => ({ architecture: "x", parts, attention: parts });
		expect(() => checkGranularity(half, of({ allowed: true }))).not.toThrow();
		expect(() => checkGranularity(half, of({ allowed: false, reason: "one norm feeds both parts" }))).toThrow(
			"--granularity half-block cannot be used with architecture x: one norm feeds both parts",
		);
		expect(() => checkGranularity({ granularity: "block" }, of({ allowed: false, reason: "" }))).not.toThrow();
		expect(() => checkGranularity({}, of({ allowed: false, reason: "" }))).not.toThrow();
	});

	it("are searched by default if the method and the architecture allow them", () => {
		const attention = { allowed: false, reason: "its graph has none" };
		const two = { architecture: "x", parts: { allowed: true }, attention } as const;
		const one = { architecture: "x", parts: { allowed: false, reason: "one norm feeds both parts" }, attention } as const;
		for (const method of taking) {
			expect(granularityOf({ method }, two)).toEqual({ used: "half-block", reason: `the default of ${method} for the architecture x` });
			expect(granularityOf({ method }, one)).toEqual({
				used: "block",
				reason: "the architecture x has no half-block cuts: one norm feeds both parts",
			});
		}
		const others = [...methods, "shapley" as const].filter((method) => !(taking as readonly string[]).includes(method));
		expect(others).toContain("paper");
		for (const method of others)
			expect(granularityOf({ method }, two)).toEqual({ used: "block", reason: `${method} takes whole blocks only` });
		expect(granularityOf({ method: "leave-one-out", rounds: 1 }, two).used).toBe("half-block");
		expect(granularityOf({ method: "leave-one-out", rounds: 2 }, two)).toEqual({
			used: "block",
			reason: "--rounds ranks whole blocks again after each cut",
		});
	});

	it("are searched or not as it is given", () => {
		const of = (parts: Parameters<typeof granularityOf>[1]["parts"]) => ({ architecture: "x", parts, attention: parts });
		const whole = { method: "auto", granularity: "block" } as const;
		expect(granularityOf(whole, of({ allowed: true }))).toEqual({ used: "block", reason: "as given" });
		expect(granularityOf({ method: "auto", ...half }, of({ allowed: true }))).toEqual({ used: "half-block", reason: "as given" });
		const refused = of({ allowed: false, reason: "one norm feeds both parts" });
		expect(() => granularityOf({ method: "auto", ...half }, refused)).toThrow(/cannot be used with architecture x: one norm/);
		// Nothing is searched where blocks are named.
		const named = { method: "auto", remove: [3] } as const;
		expect(withGranularity(named, of({ allowed: true }))).toBe(named);
		const idle = { ...named, ...half };
		expect(withGranularity(idle, refused)).toBe(idle);
		expect(withGranularity({ method: "auto", seed: 1 }, of({ allowed: true }))).toEqual({ method: "auto", seed: 1, ...half });
	});

	it("need more evaluations of a method that goes through all of them first, which is said", () => {
		const task = { method: "swap", blocks: 12, kmax: 3 } as const;
		expect(() => checkBudget(task, { ...half, maxEvaluations: 40 }, 1)).toThrow(
			/^swap needs at least 48 evaluations .* got --max-evaluations 40: give more, remove fewer, or take whole blocks only \(--granularity block needs 37\)$/,
		);
		expect(() => checkBudget(task, { granularity: "block", maxEvaluations: 20 }, 1)).toThrow(/20: give more, or remove fewer$/);
	});

	it("are an error for a search that does not know them", async () => {
		await expect(paperRepaired(partGame(6, 1), { kmax: 2, seed: 1, masks: 40, ...half })).rejects.toThrow(
			/paper-repaired removes whole blocks only.*auto know/,
		);
	});
});
