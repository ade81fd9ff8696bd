import { copyFileSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Coalition } from "../../src/game/coalition.js";
import { Ledger, ledgerKey } from "../../src/storage/ledger.js";
import { LedgerGame } from "../../src/storage/ledger-game.js";
import { readKeptHeal } from "../../src/storage/plan-heal.js";
import { formatPlan, parsePlan, type Plan } from "../../src/storage/plan.js";
import { listRuns } from "../../src/storage/runs.js";
import { tempFolder } from "../helpers/temp-folder.js";
import { v1Home, v1Ledgers, v1Plans, v1Runs, v1Text } from "../helpers/version-1.js";

// What users keep must load: plans of version 1 become plans of version 2. Ledgers have the same keys in both.

const folder = tempFolder();
const planOf = (name: string): Plan => parsePlan(JSON.parse(v1Text(name)), name);

interface Line {
	mask: string;
	losses: number[];
}
const linesOf = (name: string) =>
	readFileSync(join(v1Runs, name), "utf8")
		.trimEnd()
		.split("\n")
		.map((line) => JSON.parse(line));

describe("plans", () => {
	it("are of several kinds", () => {
		const plans = v1Plans.map(planOf);
		expect(plans.some(({ heal }) => heal?.applied)).toBe(true);
		expect(plans.some(({ importance }) => importance)).toBe(true);
		expect(plans.some(({ limits }) => limits)).toBe(true);
		expect(plans.some(({ quantized }) => quantized)).toBe(true);
	});

	it.each(v1Plans)("%s is read, and written as version 2 with the same facts", (name) => {
		const plan = planOf(name);
		expect(plan.version).toBe(2);
		const written = formatPlan(plan);
		expect(parsePlan(JSON.parse(written))).toEqual(plan);
		const old = JSON.parse(v1Text(name));
		for (const key of ["model", "removed", "kept", "machine", "versions", "critical", "frozen"] as const)
			expect(plan[key]).toEqual(old[key]);
		expect(plan.losses.heldOut!.original).toEqual(old.losses.report.full);
		expect(plan.losses.search!.pruned).toEqual(old.losses.search.removed);
		expect(plan.importance).toEqual(old.contributions);
		expect(plan.limits?.figures).toEqual(old.gate?.figures);
		expect(plan.heal?.heldOut).toEqual(old.heal?.report);
		expect(Object.values(plan.calibration).map((split) => split?.source)).toEqual(Array(3).fill("self-generated text"));
		expect(written).not.toMatch(/"(report|full|folds|gate|race|contributions|k|objective|equivalent|masks)":/);
	});

	it("say options as programs give them", () => {
		expect(planOf("healed.gguf.plan.json").options).toEqual({ windows: 10, windowLength: 128, heal: { tokens: 6144, type: "F16" } });
		const limits = { maxPplRatio: 3, maxKl: 3 };
		expect(planOf("limited.gguf.plan.json").options).toEqual({ limits, windows: 3, windowLength: 32, quantize: "Q8_0" });
		const search = { method: "leave-one-out" };
		expect(planOf("searched.gguf.plan.json").options).toEqual({ search, removeBlocks: 2, windows: 3, windowLength: 32 });
	});
});

describe("ledgers", () => {
	it.each(v1Ledgers)("%s goes on with no new measurement", async (name) => {
		const path = join(folder, name);
		copyFileSync(join(v1Runs, name), path);
		const [header, ...lines] = linesOf(name);
		await using ledger = await Ledger.open(path, header);
		expect(ledger.resumed).toBe(lines.length);
		expect(ledger.header.settings).toEqual(header.settings);
		const evaluate = () => Promise.reject(new Error("measured again"));
		const measured = await new LedgerGame({ ledger, evaluate }).measure(lines.map(({ mask }: Line) => Coalition.parse(mask)));
		expect(measured.map(({ losses }) => [...losses])).toEqual(lines.map(({ losses }: Line) => losses));
	});

	// Else a run would begin them anew.
	it("are found by the text and the settings that they were measured with", () => {
		const texts = v1Plans.map(planOf).flatMap(({ model, calibration }) =>
			(["validation", "heldOut"] as const).flatMap((split) => {
				const windows = calibration[split]?.sha256;
				return windows ? [{ model: model.sha256, windows, backend: "CPU" }] : [];
			}),
		);
		const headers = v1Ledgers.map((name) => linesOf(name)[0]);
		const found = headers.filter(({ key, settings }) => texts.some((text) => ledgerKey({ ...text, settings }) === key));
		expect(found.length).toBeGreaterThanOrEqual(2);
	});

	it("are listed with the run that made them", async () => {
		const [run] = await listRuns({ cache: v1Home });
		expect(run?.ledgers.length).toBe(v1Ledgers.length);
		expect(run?.candidates).toBe(v1Ledgers.reduce((sum, name) => sum + linesOf(name).length - 1, 0));
	});
});

it("what healing gave is read", () => {
	const kept = readdirSync(v1Runs).filter((name) => name.endsWith(".heal.json"));
	const texts = kept.map((name) => readFileSync(join(v1Runs, name), "utf8"));
	expect(texts.filter((text) => readKeptHeal(text)?.applied && readKeptHeal(text)?.heldOut).length).toBeGreaterThan(0);
	// A figure without its windows, of a race of healed sets, is measured again.
	for (const text of texts) if (!("figure" in JSON.parse(text))) expect(readKeptHeal(text)).toBeDefined();
});
