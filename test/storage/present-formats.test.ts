import { copyFileSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Coalition } from "../../src/game/coalition.js";
import { Ledger, ledgerKey } from "../../src/storage/ledger.js";
import { LedgerGame } from "../../src/storage/ledger-game.js";
import { readKeptFigure, readKeptHeal } from "../../src/storage/plan-heal.js";
import { formatPlan, parsePlan, type Plan } from "../../src/storage/plan.js";
import { listRuns } from "../../src/storage/runs.js";
import { presentHome, presentLedgers, presentPlans, presentRuns, presentText } from "../helpers/present.js";
import { tempFolder } from "../helpers/temp-folder.js";

// What users keep must load. If a format changes, raise its version and say so in the error. Then these files move to a folder of their
// own, with a test of that error.

const folder = tempFolder();
const planOf = (name: string): Plan => parsePlan(JSON.parse(presentText(name)), name);

interface Line {
	mask: string;
	losses: number[];
}
const linesOf = (name: string) =>
	readFileSync(join(presentRuns, name), "utf8")
		.trimEnd()
		.split("\n")
		.map((line) => JSON.parse(line));

describe("plans", () => {
	it("are of several kinds", () => {
		const plans = presentPlans.map(planOf);
		expect(plans.some(({ heal }) => heal?.applied)).toBe(true);
		expect(plans.some(({ contributions }) => contributions)).toBe(true);
		expect(plans.some(({ gate }) => gate)).toBe(true);
		expect(plans.some(({ quantized }) => quantized)).toBe(true);
	});

	it.each(presentPlans)("%s is read, and written as it was", (name) => {
		expect(formatPlan(planOf(name))).toBe(presentText(name));
	});
});

describe("ledgers", () => {
	it.each(presentLedgers)("%s continues with no new measurement", async (name) => {
		const path = join(folder, name);
		copyFileSync(join(presentRuns, name), path);
		const [header, ...lines] = linesOf(name);
		await using ledger = await Ledger.open(path, header);
		expect(ledger.resumed).toBe(lines.length);
		expect(ledger.header.settings).toEqual(header.settings);
		const evaluate = () => Promise.reject(new Error("measured again"));
		const measured = await new LedgerGame({ ledger, evaluate }).measure(lines.map(({ mask }: Line) => Coalition.parse(mask)));
		expect(measured.map(({ losses }) => [...losses])).toEqual(lines.map(({ losses }: Line) => losses));
	});

	// Otherwise a run would begin them again.
	it("are found by the text and the settings that they were measured with", () => {
		const texts = presentPlans.map(planOf).flatMap(({ model, calibration }) =>
			["validation" as const, "report" as const].flatMap((split) => {
				const windows = calibration[split]?.sha256;
				return windows ? [{ model: model.sha256, windows, backend: "CPU" }] : [];
			}),
		);
		const headers = presentLedgers.map((name) => linesOf(name)[0]);
		const found = headers.filter(({ key, settings }) => texts.some((text) => ledgerKey({ ...text, settings }) === key));
		expect(found.length).toBeGreaterThanOrEqual(2);
	});

	it("are listed with the run that made them", async () => {
		const [run] = await listRuns({ cache: presentHome });
		expect(run?.ledgers.length).toBe(presentLedgers.length);
		expect(run?.masks).toBe(presentLedgers.reduce((sum, name) => sum + linesOf(name).length - 1, 0));
	});
});

it("what healing gave is read", () => {
	const kept = readdirSync(presentRuns).filter((name) => name.endsWith(".heal.json"));
	const texts = kept.map((name) => readFileSync(join(presentRuns, name), "utf8"));
	expect(texts.filter((text) => readKeptHeal(text)?.applied).length).toBeGreaterThan(0);
	for (const text of texts) expect(readKeptHeal(text) ?? readKeptFigure(text)).toBeDefined();
});
