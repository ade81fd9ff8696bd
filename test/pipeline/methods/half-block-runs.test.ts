import { describe, expect, it } from "vitest";
import type { PruneOptions } from "../../../src/api/index.js";
import { pruneGguf } from "../../../src/jobs/prune.js";
import { plannedMasks } from "../../../src/pipeline/methods/registry.js";
import { listRuns } from "../../../src/storage/runs.js";
import { fixturePath } from "../../helpers/fixture.js";
import { ownHomes, small as smallSplits } from "../../helpers/home.js";

ownHomes();
const small = { ...smallSplits, search: { workingWeights: "own", granularity: "half-block" } } satisfies PruneOptions;

describe("half-block cuts of a model", () => {
	it.each(["auto", "greedy", "leave-one-out", "contiguous"] as const)(
		"%s measures some, and the best set wins the comparison",
		async (method) => {
			const { plan } = await pruneGguf(fixturePath, undefined, { ...small, search: { ...small.search, method }, removeBlocks: 3 });
			expect(plan!.removed).toHaveLength(3);
			expect(plan!.options.search).toMatchObject({ method, granularity: "half-block" });
			const [run] = await listRuns();
			const searched = Math.max(...run!.ledgers.map(({ candidates }) => candidates));
			const task = { method, blocks: 12, kmax: 3 };
			expect(searched).toBeLessThanOrEqual(plannedMasks(task, { removeBlocks: 3, granularity: "half-block" }));
			expect(searched).toBeGreaterThan(12);
		},
	);

	it("are not taken up by a search of whole blocks that finds them measured", async () => {
		const options = { ...small, removeBlocks: 4, search: { ...small.search, method: "greedy" } } satisfies PruneOptions;
		await pruneGguf(fixturePath, undefined, options);
		const { plan } = await pruneGguf(fixturePath, undefined, { ...options, search: { ...options.search, granularity: "block" } });
		expect(plan!.removed.every(Number.isInteger)).toBe(true);
		expect(plan!.tied?.every(({ removed }) => removed.every(Number.isInteger)) ?? true).toBe(true);
	});
});
