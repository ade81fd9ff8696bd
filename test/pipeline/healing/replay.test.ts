import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import type { PruneOptions, PruneResult } from "../../../src/api/index.js";
import { applyPlan } from "../../../src/jobs/apply.js";
import { InvalidOptionError, InvalidPlanError } from "../../../src/errors.js";
import { GgufFile } from "../../../src/model/gguf/index.js";
import { scaleGroups } from "../../../src/model/fitting/scaling.js";
import { readTensor } from "../../../src/model/fitting/tensors.js";
import { pruneGguf } from "../../../src/jobs/prune.js";
import { Model } from "../../../src/model/runtime/model.js";
import { fixturePath } from "../../helpers/fixture.js";
import { ownHomes, small } from "../../helpers/home.js";
import { firstOf, thorough } from "../../helpers/slow.js";

const { out, newHome } = ownHomes();
const removed = [3, 6, 7];
/** As many tokens as it takes to distinguish the change from chance. */
const run = { ...small, windows: 10, windowLength: 128, heal: { tokens: 6144, type: "F16" } } satisfies PruneOptions;

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

	it.each(firstOf(0, [5, undefined]))("is not carried out where other matrices come out (limit %s)", async (maxKl) => {
		const plan = JSON.parse(readFileSync(result.planPath!, "utf8"));
		plan.heal.cuts[1].sha256 = "0".repeat(64);
		const output = out();
		writeFileSync(`${output}.json`, JSON.stringify(plan));
		const again = applyPlan(fixturePath, output, { plan: `${output}.json`, threads: 2, ...(maxKl ? { limits: { maxKl } } : {}) });
		await expect(again).rejects.toThrow(InvalidPlanError);
		await expect(again).rejects.toThrow(/blk\.5\.ffn_down\.weight is healed otherwise .* threads \(--threads\), backend or build/);
		expect(existsSync(output)).toBe(false);
	});

	it.runIf(thorough)("is carried out with the plan's number of threads where none is given", async () => {
		const plan = JSON.parse(readFileSync(result.planPath!, "utf8"));
		expect(plan.machine.threads).toBe(2);
		plan.machine.threads = 1;
		plan.heal.cuts[1].sha256 = "0".repeat(64);
		const output = out();
		writeFileSync(`${output}.json`, JSON.stringify(plan));
		const lines: string[] = [];
		const onLog = ({ message }: { message: string }) => lines.push(message);
		await expect(applyPlan(fixturePath, output, { plan: `${output}.json`, onLog })).rejects.toThrow(InvalidPlanError);
		expect(lines.join("\n")).toContain("with 1 thread");
	});

	it.each(
		firstOf(0, [
			["columns, which older plans do not say", "attn_output", {}],
			["columns", "attn_output", { by: "columns" }],
			["rows", "attn_q", { by: "rows" }],
		] as const),
	)("of heads alone is carried out although no cut was healed (%s)", async (_, matrix, by) => {
		const plan = JSON.parse(readFileSync(result.planPath!, "utf8"));
		for (const cut of plan.heal.cuts) for (const key of ["recipe", "sha256", "tensor", "type"]) delete cut[key];
		const factors = [1.25, 0.75, 1, 1];
		plan.heal.heads = [{ tensor: `blk.8.${matrix}.weight`, ...by, factors }];
		const [output, plain] = [out(), out()];
		writeFileSync(`${output}.json`, JSON.stringify(plan));
		await applyPlan(fixturePath, output, { plan: `${output}.json`, threads: 2 });
		await applyPlan(fixturePath, plain, { remove: removed, threads: 2 });
		const [scaled, own] = [await GgufFile.read(output), await GgufFile.read(plain)];
		const changed = [];
		for (const tensor of scaled.tensors)
			if (!Buffer.from(await readTensor(tensor)).equals(await readTensor(own.tensor(tensor.name)!))) changed.push(tensor.name);
		const name = `blk.5.${matrix}.weight`;
		expect(changed).toEqual([name]);
		await using model = await Model.load(fixturePath, { threads: 2 });
		const before = own.tensor(name)!;
		const standing = { type: before.type, bytes: await readTensor(before) };
		const wanted = await scaleGroups(model, { tensor: before, standing }, { by: matrix === "attn_q" ? "rows" : "columns", factors });
		expect(Buffer.from(await readTensor(scaled.tensor(name)!)).equals(wanted.bytes)).toBe(true);
	});

	it.each([
		{ heal: { tokens: 2048 } },
		{ heal: { time: 60 } },
		{ heal: { kind: "map" as const } },
		{ heal: { type: "Q8_0" as const } },
		{ heal: { heads: true } },
	])("is not healed otherwise with %j", async (options) => {
		const output = out();
		const again = applyPlan(fixturePath, output, { plan: result.planPath!, ...options, threads: 2 });
		await expect(again).rejects.toThrow(InvalidOptionError);
		await expect(again).rejects.toThrow(/says how it is healed: leave out the value of --heal, --heal-kind, --heal-type and --heal-heads/);
		expect(existsSync(output)).toBe(false);
	});
});
