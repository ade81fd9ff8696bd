import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import type { PruneOptions, PruneResult } from "../../src/api.js";
import { applyPlan } from "../../src/apply.js";
import { InvalidOptionError, InvalidPlanError } from "../../src/errors.js";
import { pruneGguf } from "../../src/prune.js";
import { fixturePath } from "../helpers/fixture.js";
import { ownHomes, small } from "../helpers/home.js";

const { out, newHome } = ownHomes();
const removed = [3, 6, 7];
/** As many as it takes to tell the change from chance. */
const run = { ...small, windows: 10, windowLength: 128, heal: true, healTokens: 6144, healType: "F16" } satisfies PruneOptions;

describe("a plan that heals", () => {
	let result: PruneResult;
	beforeAll(async () => {
		newHome();
		result = await pruneGguf(fixturePath, out(), { ...run, remove: removed });
	});

	it("names the bytes of each new matrix", async () => {
		const { heal } = result.plan!;
		expect(heal!.applied).toBe(true);
		for (const { recipe, sha256 } of heal!.cuts) expect(sha256 !== undefined).toBe(recipe !== undefined);
		expect(new Set(heal!.cuts.map(({ sha256 }) => sha256)).size).toBe(2);
	});

	it.each([undefined, 5])("is not carried out where other matrices come out (limit %s)", async (maxKl) => {
		const plan = JSON.parse(readFileSync(result.planPath!, "utf8"));
		plan.heal.cuts[1].sha256 = "0".repeat(64);
		const output = out();
		writeFileSync(`${output}.json`, JSON.stringify(plan));
		const again = applyPlan(fixturePath, output, { plan: `${output}.json`, threads: 2, ...(maxKl ? { maxKl } : {}) });
		await expect(again).rejects.toThrow(InvalidPlanError);
		await expect(again).rejects.toThrow(/blk\.5\.ffn_down\.weight is healed otherwise .* threads, back end or build/);
		expect(existsSync(output)).toBe(false);
	});

	it.each([{ healTokens: 2048 }, { healType: "Q8_0" as const }])("is not healed otherwise with %j", async (options) => {
		const output = out();
		const again = applyPlan(fixturePath, output, { plan: result.planPath!, ...options, threads: 2 });
		await expect(again).rejects.toThrow(InvalidOptionError);
		await expect(again).rejects.toThrow(/says how it is healed: leave out --heal-tokens, --heal-type and --heal-heads/);
		expect(existsSync(output)).toBe(false);
	});
});
