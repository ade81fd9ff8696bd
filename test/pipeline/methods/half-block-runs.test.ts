import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { PruneOptions } from "../../../src/api/index.js";
import { pruneGguf } from "../../../src/jobs/prune.js";
import { rankText } from "../../../src/cli/rank-views.js";
import { findFrontier } from "../../../src/jobs/frontier/frontier.js";
import { rankBlocks } from "../../../src/jobs/rank.js";
import { formatBlocks } from "../../../src/notation.js";
import { isWhole } from "../../../src/game/parts.js";
import { studentT95 } from "../../../src/game/statistics.js";
import { plannedMasks } from "../../../src/pipeline/methods/registry.js";
import { parseLedger } from "../../../src/storage/ledger-format.js";
import type { Plan } from "../../../src/storage/plan.js";
import { listRuns } from "../../../src/storage/runs.js";
import { fixturePath } from "../../helpers/fixture.js";
import { ownHomes, small as smallSplits } from "../../helpers/home.js";
import { firstOf } from "../../helpers/slow.js";

ownHomes();
const small = { ...smallSplits, search: { workingWeights: "own", granularity: "half-block" } } satisfies PruneOptions;

/** Whole blocks are taken unless half-block cuts are better by more than the error of the difference. Tied sets come in their order. */
function expectRule({ removed, tied = [] }: Plan): void {
	const alike = tied.filter((set) => isWhole(set.removed) === isWhole(removed));
	// One that is ahead by less than its error may stay behind one that the search supports.
	for (const { above, standardError, windows } of alike) expect(above).toBeGreaterThanOrEqual(-studentT95(windows! - 1) * standardError);
	const other = tied.find((set) => isWhole(set.removed) !== isWhole(removed));
	if (!other) return;
	if (isWhole(removed)) expect(-other.above).toBeLessThanOrEqual(other.standardError);
	else expect(other.above).toBeGreaterThan(other.standardError);
}

describe("half-block cuts of a model", () => {
	it.each(firstOf(2, ["auto", "greedy", "leave-one-out", "contiguous", "evolutionary", "random"] as const))(
		"%s measures some, and whole blocks win unless one of them is better by more than the error",
		async (method) => {
			const { plan } = await pruneGguf(fixturePath, undefined, { ...small, search: { ...small.search, method }, removeBlocks: 3 });
			expect(plan!.removed).toHaveLength(3);
			expect(plan!.options.search).toMatchObject({ method, granularity: "half-block" });
			const { ledgers } = (await listRuns())[0]!;
			const searched = ledgers.reduce((most, ledger) => (ledger.candidates > most.candidates ? ledger : most));
			const task = { method, blocks: 12, kmax: 3 };
			expect(searched.candidates).toBeLessThanOrEqual(plannedMasks(task, { removeBlocks: 3, granularity: "half-block" }));
			expect(searched.candidates).toBeGreaterThan(12);
			const sets = parseLedger(readFileSync(searched.path), searched.path).measurements.map(({ coalition }) => coalition);
			expect(sets.filter(({ whole }) => !whole)).not.toEqual([]);
			expectRule(plan!);
		},
	);

	it("are searched by default, which the plan names and the command need not", async () => {
		const { granularity: _, ...search } = { ...small.search, method: "greedy" } as const;
		const options = { ...small, removeBlocks: 2 } satisfies PruneOptions;
		const { plan, granularity, report } = await pruneGguf(fixturePath, undefined, { ...options, report: undefined, search });
		expect(granularity).toEqual({ used: "half-block", reason: "the default of greedy for the architecture llama" });
		expect(report!.reproduce.granularity).toEqual(granularity);
		expect(plan!.options.search).toMatchObject({ method: "greedy", granularity: "half-block" });
		expect(plan!.shiftedPairs!.length).toBeGreaterThan(0);
		expect(plan!.command).not.toContain("--granularity");

		// The same with its name measures nothing anew.
		const measured = async () => (await listRuns())[0]!.ledgers.reduce((sum, { candidates }) => sum + candidates, 0);
		const before = await measured();
		const named = { ...search, granularity: "half-block" } as const;
		const again = await pruneGguf(fixturePath, undefined, { ...options, search: named });
		expect(again.plan!.removed).toEqual(plan!.removed);
		expect(again.plan!.command).toContain("--granularity half-block");
		expect(await measured()).toBe(before);

		const whole = await pruneGguf(fixturePath, undefined, { ...options, search: { ...search, granularity: "block" } });
		expect(whole.granularity).toEqual({ used: "block", reason: "as given" });
		expect(whole.plan!.command).toContain("--granularity block");
		expect(whole.plan!.shiftedPairs).toBeUndefined();
		const given = await pruneGguf(fixturePath, undefined, { ...options, removeBlocks: undefined, remove: [3], search: undefined });
		expect(given.granularity).toBeUndefined();
		expect(given.plan!.options.search).toBeUndefined();
	});

	it("are searched by a frontier by default too", async () => {
		const search = { method: "leave-one-out", workingWeights: "own" } as const;
		const asked = { ...smallSplits, maxBlocks: 1, quantize: { types: [] } } as const;
		const { granularity, cells } = await findFrontier(fixturePath, { ...asked, search });
		expect(granularity).toEqual({ used: "half-block", reason: "the default of leave-one-out for the architecture llama" });
		expect(cells.filter(({ removed }) => removed.length === 1)).toHaveLength(1);
		const searched = (await listRuns())[0]!.ledgers.map(({ candidates }) => candidates);
		expect(Math.max(...searched)).toBe(1 + 12 + 11);
		const paper = await findFrontier(fixturePath, { ...asked, dryRun: true, search: { method: "paper", epochs: 20 } });
		expect(paper.granularity).toEqual({ used: "block", reason: "paper takes whole blocks only" });
	});

	it("are ranked beside whole blocks by what they add alone", async () => {
		const loo = { ...small, search: { ...small.search, method: "leave-one-out" } } as const;
		const { importance, shiftedPairs, verdicts, evaluations } = await rankBlocks(fixturePath, loo);
		expect(shiftedPairs!.map(({ removed }) => removed)).toEqual(Array.from({ length: 11 }, (_, block) => [block + 0.5]));
		expect(shiftedPairs!.every(({ added, standardError }) => Number.isFinite(added) && standardError! > 0)).toBe(true);
		expect(evaluations).toBe(1 + 12 + 11);
		const { granularity: named, ...unsaid } = await rankBlocks(fixturePath, { ...loo, search: { workingWeights: "own" } });
		expect(named).toEqual({ used: "half-block", reason: "the default of leave-one-out for the architecture llama" });
		expect(unsaid.shiftedPairs).toEqual(shiftedPairs);
		const { shiftedPairs: none, ...whole } = await rankBlocks(fixturePath, { ...loo, search: { ...loo.search, granularity: "block" } });
		expect(none).toBeUndefined();
		expect(whole.evaluations).toBe(1 + 12);
		expect(importance).toEqual(whole.importance);
		expect(verdicts).toEqual(whole.verdicts);

		// A run that prunes says the same in its plan and in its report.
		const { plan, report } = await pruneGguf(fixturePath, undefined, { ...loo, removeBlocks: 1 });
		expect(plan!.shiftedPairs).toEqual(shiftedPairs);
		expect(report!.blocks.shiftedPairs!.map(({ removed, added }) => ({ removed, added }))).toEqual(
			shiftedPairs!.map(({ removed, added }) => ({ removed, added })),
		);
		const { added, standardError } = shiftedPairs![4]!;
		const half = studentT95(plan!.calibration.search!.count - 1) * standardError!;
		expect(report!.blocks.shiftedPairs![4]!.interval).toEqual({ low: added - half, high: added + half });
	});

	it("are ranked by the automatic method in its own unit, beside whole blocks", async () => {
		const search = { ...small.search, method: "auto" } as const;
		const ranked = await rankBlocks(fixturePath, { ...small, search, removeBlocks: 3 });
		const stay = new Set([...ranked.critical, ...ranked.frozen].map(({ block }) => block));
		const open = Array.from({ length: 11 }, (_, block) => block + 0.5).filter((p) => !stay.has(p - 0.5) && !stay.has(p + 0.5));
		expect(ranked.shiftedImportance!.map(({ removed }) => removed[0])).toEqual(open);
		expect(ranked.shiftedImportance!.every(({ value, unit }) => value > 0 && value < 1 && unit === "value")).toBe(true);
		expect(ranked.shiftedPairs!.length).toBeGreaterThan(2);
		expect(ranked.importance[5]!.unit).toBe("value");
		const text = rankText(ranked, { width: 100 });
		for (const position of open) expect(text).toContain(formatBlocks([position]));
		expect(text).toMatch(/block +importance /);
	});

	it.each(["paper", "block-influence", "shapley"] as const)("are not ranked by %s", async (method) => {
		await expect(rankBlocks(fixturePath, { ...small, search: { ...small.search, method } })).rejects.toThrow(
			`${method} ranks whole blocks only: --granularity half-block needs --method auto or leave-one-out`,
		);
	});

	it("may be refused by name in a ranking of whole blocks", async () => {
		const search = { workingWeights: "own", granularity: "block", method: "block-influence" } as const;
		expect((await rankBlocks(fixturePath, { ...small, search })).importance).toHaveLength(12);
	});

	it("are not taken up by a search of whole blocks that finds them measured", async () => {
		const options = { ...small, removeBlocks: 4, search: { ...small.search, method: "greedy" } } satisfies PruneOptions;
		await pruneGguf(fixturePath, undefined, options);
		const { plan } = await pruneGguf(fixturePath, undefined, { ...options, search: { ...options.search, granularity: "block" } });
		expect(plan!.removed.every(Number.isInteger)).toBe(true);
		expect(plan!.tied?.every(({ removed }) => removed.every(Number.isInteger)) ?? true).toBe(true);
	});
});
