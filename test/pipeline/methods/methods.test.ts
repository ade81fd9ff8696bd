import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { PruneOptions } from "../../../src/api/index.js";
import { settingsFrom } from "../../../src/api/options/shape.js";
import type { Attribution } from "../../../src/game/attribution/attribution.js";
import { leastMasks, plannedMasks } from "../../../src/pipeline/methods/registry.js";
import { checkMethodOptions } from "../../../src/pipeline/preflight/method-options.js";
import { type Estimator, estimatorFacts, methods } from "../../../src/api/methods.js";
import { pruneGguf } from "../../../src/jobs/prune.js";
import { cutOf, distinctCuts, rankBlocks, tiedNotes } from "../../../src/jobs/rank.js";
import { listRuns } from "../../../src/storage/runs.js";
import { fixturePath } from "../../helpers/fixture.js";
import { keptMasks } from "../../helpers/kept.js";
import { ownHomes, small as smallSplits } from "../../helpers/home.js";
import { searchBudget } from "../../../src/pipeline/methods/budget.js";

const { folder, home, newHome } = ownHomes();
const small = { ...smallSplits, search: { workingWeights: "own" } } satisfies PruneOptions;

describe("the automatic method", () => {
	it("finds sets, contributions and how good its surrogate is within its budget", async () => {
		const { plan, curve } = await pruneGguf(fixturePath, join(folder, "auto.gguf"), {
			...small,
			search: { method: "auto", maxEvaluations: 120 },
			removeBlocks: 3,
		});
		expect(plan!.removed.length).toBe(3);
		expect(plan!.surrogate).toMatchObject({ name: "mixed-gp" });
		expect(plan!.surrogate!.details).toHaveProperty("coverage90");
		expect(plan!.importance!.length).toBeGreaterThan(6);
		expect(plan!.importance!.every(({ unit }) => unit === "value")).toBe(true);
		expect(curve.length).toBe(2);
	});

	it("ends in time with what it has measured", async () => {
		let masks = 0;
		const { importance } = await rankBlocks(fixturePath, {
			...small,
			search: { method: "auto", effort: "thorough", maxTime: 0.01 },
			removeBlocks: 2,
			onLog: ({ message }) => {
				masks = Math.max(masks, Number(/: (\d+) candidates$/.exec(message)?.[1] ?? 0));
			},
		});
		expect(importance.length).toBeGreaterThan(6);
		// The effort is 312 masks; single removals are finished.
		expect(masks).toBeGreaterThan(12);
		expect(masks).toBeLessThan(20);
	});

	it("spends by effort, masks or tokens", () => {
		expect([12, 32, 80].map((blocks) => searchBudget(blocks, 4, { effort: "quick" }))).toEqual([40, 56, 104]);
		expect([8, 30, 80].map((blocks) => searchBudget(blocks, 6, {}))).toEqual([100, 108, 208]);
		expect([8, 20, 80].map((blocks) => searchBudget(blocks, 6, { effort: "thorough" }))).toEqual([300, 520, 800]);
		expect(searchBudget(30, 6, { maxEvaluations: 50 })).toBe(50);
		expect(searchBudget(30, 6, { maxTime: 60 })).toBe(780);
		expect(searchBudget(30, 6, { maxTime: 60, effort: "quick" })).toBe(66);
		expect(searchBudget(30, 6, { maxTokens: 640_000 })).toBe(500);
		expect(searchBudget(30, 6, { maxTokens: 12_800 })).toBe(10);
		expect(searchBudget(30, 6, { maxTokens: 12_800, windows: 5, windowLength: 64 })).toBe(40);
	});
});

describe("every method", () => {
	it.each(methods)("%s removes three blocks and says what they cost", async (method) => {
		const quick = {
			auto: { maxEvaluations: 60 },
			swap: { maxEvaluations: 90 },
			evolutionary: { maxEvaluations: 60 },
			random: { maxEvaluations: 30 },
		};
		const network = {
			paper: { maxEvaluations: 60, epochs: 20, attributionSamples: 500 },
			"paper-repaired": { maxEvaluations: 60, epochs: 20 },
		};
		const options = {
			...small,
			removeBlocks: 3,
			search: { method, granularity: "block", ...{ ...quick, ...network }[method as "auto"] },
		} satisfies PruneOptions;
		const planned = plannedMasks({ method, blocks: 12, kmax: 3 }, settingsFrom("prune", options));
		const notes: string[] = [];
		const { plan } = await pruneGguf(fixturePath, undefined, {
			...options,
			onLog: ({ message }) => notes.push(message),
		});
		expect(plan!.removed.length).toBe(3);
		expect(plan!.options.search).toMatchObject({ method });
		expect(plan!.losses.heldOut!.difference).toBeGreaterThan(0);
		expect(notes.join("\n")).toContain(`${planned} candidates on `);
		const [run] = await listRuns();
		const searched = Math.max(...run!.ledgers.map(({ candidates }) => candidates));
		// Single removals that only the report of a set needs come on top of what a small search is allowed.
		expect(searched).toBeLessThanOrEqual(Math.max(planned, 13));
	});

	it.each(["auto", "swap", "evolutionary", "random"] as const)(
		"%s keeps to the smallest budget, and refuses a smaller one",
		async (method) => {
			const least = leastMasks(method, 12, 3);
			const options = { ...small, search: { method, granularity: "block" }, removeBlocks: 3 } satisfies PruneOptions;
			for (const dryRun of [true, false])
				await expect(
					pruneGguf(fixturePath, undefined, { ...options, search: { ...options.search, maxEvaluations: least - 1 }, dryRun }),
				).rejects.toThrow(
					`${method} needs at least ${least} evaluations to remove up to 3 of 12 blocks, got --max-evaluations ${least - 1}`,
				);
			await expect(
				pruneGguf(fixturePath, undefined, { ...options, search: { ...options.search, maxTokens: 96 * least - 1 } }),
			).rejects.toThrow(/--max-tokens/);
			const { plan } = await pruneGguf(fixturePath, undefined, { ...options, search: { ...options.search, maxEvaluations: least } });
			expect(plan!.removed.length).toBe(3);
			const [run] = await listRuns();
			expect(Math.max(...run!.ledgers.map(({ candidates }) => candidates))).toBeLessThanOrEqual(least);
		},
	);

	it("the repaired procedure refuses too few masks before anything is measured", async () => {
		const run = pruneGguf(fixturePath, undefined, {
			...small,
			search: { method: "paper-repaired", maxEvaluations: 31 },
			removeBlocks: 3,
		});
		await expect(run).rejects.toThrow(/paper-repaired needs at least 32 evaluations/);
	});

	it("the paper's masks are counted once each, and its network is held against the critical blocks", async () => {
		const options = {
			...small,
			search: { method: "paper", maxEvaluations: 60, epochs: 5, attributionSamples: 300 },
		} as const;
		const { evaluations, surrogate } = await rankBlocks(fixturePath, options);
		const [run] = await listRuns();
		expect(Math.max(...run!.ledgers.map((ledger) => ledger.candidates))).toBe(evaluations);
		expect(evaluations).toBeLessThanOrEqual(plannedMasks({ method: "paper", blocks: 12, kmax: 1 }, options));
		expect(surrogate!.details).toMatchObject({ criticalKeptR2: expect.any(Number), criticalKeptSpearman: expect.any(Number) });
	});

	it("in rounds", async () => {
		const leave = await pruneGguf(fixturePath, undefined, {
			...small,
			search: { method: "leave-one-out", rounds: 3 },
			removeBlocks: 3,
		});
		// Three rounds of one block each are greedy with every candidate measured.
		const [run] = await listRuns();
		expect(Math.max(...run!.ledgers.map(({ candidates }) => candidates))).toBe(1 + 12 + 11 + 10);
		expect(leave.plan!.options.search).toMatchObject({ rounds: 3 });
		expect(leave.plan!.command).toContain("--rounds 3");
		const paper = await pruneGguf(fixturePath, undefined, {
			...small,
			search: { method: "paper-repaired", maxEvaluations: 80, epochs: 10, rounds: 2 },
			removeBlocks: 4,
		});
		expect(paper.plan!.removed.length).toBe(4);
		expect(paper.plan!.surrogate).toMatchObject({ name: "mlp" });
	});
});

it.each(["block-influence", "magnitude"] as const)("%s ranks by a score of its own", async (method) => {
	const { importance, estimator, evaluations } = await rankBlocks(fixturePath, { ...small, search: { method } });
	expect(estimator).toBe(method);
	expect(importance.map(({ unit }) => unit)).toEqual(Array(12).fill("score"));
	expect(new Set(importance.map(({ value }) => value)).size).toBe(12);
	expect(evaluations).toBe(2);
});

it.each(Object.keys(estimatorFacts) as Estimator[])("%s ranks, and says who is surely low or high", async (method) => {
	const result = await rankBlocks(fixturePath, { ...small, search: { method, maxEvaluations: 90 }, removeBlocks: 3 });
	expect(result.evaluations).toBeLessThanOrEqual(90);
	expect(result.cut).toBe(3);
	expect(result.importance.map(({ unit }) => unit)).toContain("value");
	expect(result.verdicts.map(({ block }) => block)).toEqual(result.importance.map(({ block }) => block));
	const known = result.verdicts.flatMap(({ block, chance, verdict }) => (chance === null ? [] : [{ block, chance, verdict }]));
	for (const { chance, verdict } of known) {
		if (verdict === "low") expect(chance).toBeGreaterThanOrEqual(0.95);
		if (verdict === "high") expect(chance).toBeLessThanOrEqual(0.05);
	}
	if (known.length === result.verdicts.length) expect(known.reduce((sum, { chance }) => sum + chance, 0)).toBeCloseTo(3, 9);
	// The dearest of all and the cheapest are on the sides where they belong.
	const cheapFirst = [...result.importance].sort((a, b) => a.value - b.value).map(({ block }) => block);
	const chanceOf = (block: number) => known.find((verdict) => verdict.block === block)?.chance ?? 0.5;
	expect(chanceOf(cheapFirst[0]!)).toBeGreaterThan(0.4);
	expect(chanceOf(cheapFirst.at(-1)!)).toBeLessThan(0.3);
	expect(result.critical.map(({ block }) => block)).toEqual(method === "shapley" ? [] : [0]);
});

it("rank says what the automatic method's surrogate knows of pairs, and where a cut falls", async () => {
	const result = await rankBlocks(fixturePath, {
		...small,
		search: { method: "auto", maxEvaluations: 90 },
		removeBlocks: 3,
	});
	expect(result.interactions).toHaveLength((11 * 10) / 2);
	expect(result.verdicts.length).toBe(11);
	expect(result.critical).toMatchObject([{ block: 0, reason: expect.stringMatching(/removed alone it adds/) }]);
	const alone = await rankBlocks(fixturePath, small);
	expect(alone).toMatchObject({ cut: 4, interactions: [] });
	expect(alone.verdicts.length).toBe(11);
	expect((await rankBlocks(fixturePath, { ...small, search: { method: "block-influence" } })).verdicts).toEqual([]);
});

it("rank refuses what an estimator cannot do", async () => {
	await expect(rankBlocks(fixturePath, { ...small, search: { method: "common-sets", effort: "quick" } })).rejects.toThrow(
		/reads --max-evaluations; leave effort out/,
	);
	await expect(rankBlocks(fixturePath, { ...small, removeBlocks: 12 })).rejects.toThrow(/at most 11 of 12/);
	await expect(rankBlocks(fixturePath, { ...small, search: { method: "permutation", maxEvaluations: 5 } })).rejects.toThrow(
		/permutation needs at least 21 evaluations here, has 5/,
	);
});

it("the paper's strata of another run are taken where they are asked for", async () => {
	const options = {
		...small,
		search: { method: "paper", maxEvaluations: 30, epochs: 3, attributionSamples: 200 },
		removeBlocks: 3,
	} as const;
	/** Numbers of blocks that more than two of the measured sets keep: the strata, and not what the ranking cuts. */
	const measured = async (strataPreset?: "rwkv") => {
		newHome();
		const { plan } = await pruneGguf(fixturePath, undefined, { ...options, search: { ...options.search, strataPreset } });
		expect((plan!.options.search as { strataPreset?: string }).strataPreset).toBe(strataPreset);
		const kept = keptMasks(home()).map((mask) => [...mask].filter((bit) => bit === "1").length);
		return [...new Set(kept)].filter((size) => kept.filter((other) => other === size).length > 2 && size < 11);
	};
	// 30, 27, 24 and 21 of 32, and with the run of the transformers 18 of 32 too.
	expect((await measured("rwkv")).sort()).toEqual([10, 8, 9]);
	expect((await measured()).sort()).toEqual([10, 7, 8, 9]);
	expect(() => checkMethodOptions("paper", { strata: [9], strataPreset: "rwkv" })).toThrow(/twice/);
	expect(() => checkMethodOptions("paper", { strataPreset: "gpt" as "rwkv" })).toThrow(/transformers, mamba, rwkv, already-cut/);
});

it("methods without contributions do not rank", async () => {
	await expect(rankBlocks(fixturePath, { ...small, search: { method: "contiguous" } })).rejects.toThrow(
		/contiguous chooses blocks .* auto, leave-one-out/,
	);
	const rounds = { rounds: 2 } as object;
	await expect(rankBlocks(fixturePath, { ...small, search: rounds })).rejects.toThrow(/rankBlocks does not read search\.rounds/);
});

it("the repaired procedure of the paper ranks, and says how good its network is", async () => {
	const ranked = await rankBlocks(fixturePath, {
		...small,
		search: { method: "paper-repaired", maxEvaluations: 90, epochs: 20 },
	});
	expect(ranked.surrogate).toMatchObject({ name: "mlp" });
	expect(ranked.importance.length).toBeGreaterThan(6);
	// How exactly the network was asked says nothing of how wrong it is.
	expect(ranked.verdicts).toEqual([]);
	expect(ranked.importance.every(({ standardError }) => standardError === undefined)).toBe(true);
});

it("leave-one-out names the tied blocks that it says nothing of", () => {
	const contributions = Float64Array.of(1, Number.NaN, Number.NaN, 2);
	const of = (estimator: string, units?: number[][]) =>
		tiedNotes({ estimator, contributions, scale: "loss", masks: 0, settings: {} }, units);
	expect(of("leave-one-out", [[1, 2]]).join()).toMatch(/^blocks 1-2 can only be removed together .* common-sets/);
	expect(of("leave-one-out")).toEqual([]);
	expect(of("posterior-window", [[1, 2]])).toEqual([]);
});

it("says how many blocks the verdicts cut, which are no more than may be removed", () => {
	const attribution: Attribution = {
		...{ estimator: "x", contributions: Float64Array.of(1, 2, Number.NaN, 3, Number.NaN, 4), scale: "value", masks: 0, settings: {} },
		standardErrors: Float64Array.of(0.1, 0.1, Number.NaN, 0.1, Number.NaN, 0.1),
	};
	const critical = [{ blocks: [5], addedLoss: 5, limit: Math.LN2, frozen: true }];
	const board = { frozen: new Map([[4, "stays"]]) };
	const of = (kmax: number) => cutOf({ attribution, critical, unseen: [2] }, kmax, board, 1);
	expect(of(2).cut).toBe(2);
	expect(of(2).verdicts.map(({ block, verdict }) => [block, verdict])).toEqual([
		[0, "low"],
		[1, "undecided"],
		[2, "undecided"],
		[3, "high"],
	]);
	expect(of(5).cut).toBe(4);
	const { standardErrors, ...exact } = attribution;
	expect(standardErrors).toBeDefined();
	expect(cutOf({ attribution: exact, critical, unseen: [] }, 5, board, 1)).toEqual({ cut: 3, verdicts: [] });
});

it.each<[PruneOptions, RegExp]>([
	[
		{ search: { method: "greedy", maxEvaluations: 5 } },
		/--max-evaluations belongs to --method auto, paper, paper-repaired, swap, evolutionary, random; greedy does not read it/,
	],
	[
		{ search: { method: "paper", effort: "quick" } },
		/--effort belongs to --method auto, swap, evolutionary, random; paper does not read it/,
	],
	[{ search: { method: "auto", strata: [3], epochs: 5 } }, /--strata, --epochs belong to --method paper; auto does not read them/],
	[{ search: { method: "paper-repaired", maxTime: 5 } }, /--max-time belongs to --method auto; paper-repaired/],
	[{ search: { method: "beam", rounds: 2 } }, /--rounds belongs to --method leave-one-out, paper-repaired; beam/],
	[
		{ search: { method: "last", maxEvaluations: 2, rounds: 2 } },
		/--max-evaluations, --rounds belong to --method paper-repaired; last does not read them/,
	],
	[{ search: { method: "leave-one-out", rounds: 0 } }, /rounds must be a whole number of at least 1/],
	[{ search: { method: "auto", maxTime: Number.NaN } }, /maxTime must be a number of seconds above 0, got NaN/],
	[{ search: { method: "auto", maxTime: "20m" as unknown as number } }, /maxTime must be .* got 20m/],
])("%j is a mistake", (options, message) => {
	expect(() => checkMethodOptions(options.search!.method!, settingsFrom("prune", options))).toThrow(message);
});

it("gives numbers above that of the blocks that can go once", () => {
	const cuts = [2, 3, 3].map((cut) => ({ cut, verdicts: [] }));
	expect(distinctCuts(cuts)).toEqual([cuts[0], cuts[1]]);
	expect(distinctCuts([])).toEqual([]);
});
