import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { PruneOptions } from "../../src/api.js";
import { autoBudget } from "../../src/choose-auto.js";
import { checkMethodOptions } from "../../src/choose.js";
import { pruneGguf } from "../../src/prune.js";
import { rankBlocks } from "../../src/rank.js";
import { fixturePath } from "../helpers/fixture.js";
import { ownHomes, small as smallFolds } from "../helpers/home.js";

const { folder } = ownHomes();
const small = { ...smallFolds, workingWeights: "own" } satisfies PruneOptions;

describe("the automatic method", () => {
	it("finds sets, contributions and how good its surrogate is within its budget", async () => {
		const { plan, curve } = await pruneGguf(fixturePath, join(folder, "auto.gguf"), {
			...small,
			method: "auto",
			masks: 120,
			removeBlocks: 3,
		});
		expect(plan!.removed.length).toBe(3);
		expect(plan!.surrogate).toMatchObject({ name: "mixed-gp" });
		expect(plan!.surrogate!.details).toHaveProperty("coverage90");
		expect(plan!.contributions!.length).toBeGreaterThan(6);
		expect(plan!.contributions!.every(({ unit }) => unit === "value")).toBe(true);
		expect(curve.length).toBe(2);
	});

	it("ends in time with the best sets so far", async () => {
		const started = Date.now();
		const { plan } = await pruneGguf(fixturePath, join(folder, "time.gguf"), {
			...small,
			method: "auto",
			effort: "thorough",
			maxTime: 0.5,
			removeBlocks: 2,
		});
		expect(plan!.removed.length).toBe(2);
		expect((Date.now() - started) / 1000).toBeLessThan(60);
	});

	it("spends by effort, masks or tokens", () => {
		expect([12, 32, 80].map((blocks) => autoBudget(blocks, { effort: "quick" }))).toEqual([100, 192, 480]);
		expect([8, 20, 80].map((blocks) => autoBudget(blocks, {}))).toEqual([300, 520, 800]);
		expect(autoBudget(30, { effort: "thorough" })).toBe(3000);
		expect(autoBudget(30, { masks: 50 })).toBe(50);
		expect(autoBudget(30, { maxTokens: 12_800 })).toBe(10);
		expect(autoBudget(30, { maxTokens: 12_800, windows: 5, windowLength: 64 })).toBe(40);
	});
});

it("the repaired procedure of the paper ranks, and says how good its network is", async () => {
	const ranked = await rankBlocks(fixturePath, { ...small, method: "paper-repaired", masks: 90, epochs: 20 });
	expect(ranked.surrogate).toMatchObject({ name: "mlp" });
	expect(ranked.contributions.length).toBeGreaterThan(6);
});

it.each<[PruneOptions, RegExp]>([
	[
		{ method: "greedy", masks: 5 },
		/--masks belongs to --method auto or --method paper or --method paper-repaired; greedy does not read it/,
	],
	[{ method: "paper", effort: "quick" }, /--effort belongs to --method auto; paper does not read it/],
	[{ method: "auto", strata: [3], epochs: 5 }, /--strata, --epochs belong to --method paper; auto does not read them/],
	[{ method: "paper-repaired", maxTime: 5 }, /--max-time belongs to --method auto/],
])("%j is a mistake", (options, message) => {
	expect(() => checkMethodOptions(options.method!, options)).toThrow(message);
});
