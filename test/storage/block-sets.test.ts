import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { InvalidPlanError } from "../../src/errors.js";
import { Coalition } from "../../src/game/coalition.js";
import { encodeHeader, encodeMeasurement, parseLedger } from "../../src/storage/ledger-format.js";
import { formatPlan, parsePlan } from "../../src/storage/plan.js";

// Sets of blocks are text in a file, and positions in the program. Files from before have lists of numbers.

const old = JSON.parse(readFileSync(fileURLToPath(new URL("../fixtures/number-lists/smaller.gguf.plan.json", import.meta.url)), "utf8"));

describe("sets of blocks in a plan", () => {
	it("are read where they are lists of numbers, and written as text with the same facts", () => {
		const plan = parsePlan(old);
		expect(plan).toEqual(old);
		expect(plan.tied!.length).toBeGreaterThan(1);
		const written = JSON.parse(formatPlan(plan));
		expect(written.removed).toBe("1, 4-5, 8");
		expect(written.alternatives.map(({ removed }: { removed: unknown }) => removed)).toEqual(["1", "1, 4", "1, 4, 8", "1, 4-5, 8"]);
		expect(written.tied[2]).toMatchObject({ removed: "1, 3-5", method: "leave-one-out" });
		expect(parsePlan(written)).toEqual(plan);
	});

	it("may hold half-block cuts, as text or as positions", () => {
		const text = { ...old, removed: "3, 7f-10a", tied: [{ ...old.tied[0], removed: "2f-4a, 7-8" }] };
		const plan = parsePlan(text);
		expect(plan.removed).toEqual([3, 7.5, 8.5, 9.5]);
		expect(plan.tied![0]!.removed).toEqual([2.5, 3.5, 7, 8]);
		expect(parsePlan({ ...text, removed: [3, 7.5, 8.5, 9.5] })).toEqual(plan);
		expect(JSON.parse(formatPlan(plan))).toMatchObject({ removed: "3, 7f-10a", tied: [{ removed: "2f-4a, 7-8" }] });
	});

	it("may be empty", () => {
		const none = { ...old, removed: "none", kept: 12, tied: undefined };
		expect(parsePlan(none).removed).toEqual([]);
		expect(JSON.parse(formatPlan(parsePlan(none))).removed).toBe("none");
	});

	it("of disagreements are text too", () => {
		const disagreements = [{ source: "a.txt", chosen: [1, 4], better: [2.5, 4], by: 1, standardError: 1, worseOverall: 1 }];
		const written = JSON.parse(formatPlan(parsePlan({ ...old, disagreements })));
		expect(written.disagreements).toMatchObject([{ chosen: "1, 4", better: "2f-3a, 4" }]);
	});

	it("of shifted pairs are text, and lie in the model", () => {
		const shiftedPairs = [{ removed: [7.5], added: 0.25, standardError: 0.125 }];
		const plan = parsePlan({ ...old, shiftedPairs });
		expect(plan.shiftedPairs).toEqual(shiftedPairs);
		const written = JSON.parse(formatPlan(plan));
		expect(written.shiftedPairs).toEqual([{ removed: "7f-8a", added: 0.25, standardError: 0.125 }]);
		expect(parsePlan(written)).toEqual(plan);
		expect(() => parsePlan({ ...old, shiftedPairs: [{ removed: "11f-12a", added: 1 }] })).toThrow(
			/shiftedPairs\[0\]\.removed\[0\]: block 12 is not one of 0\.\.11/,
		);
	});

	it("are at the ends of healed cuts shifted pairs as text, which were numbers before", () => {
		const cut = (first: number | string, last: number | string) => ({ before: 2, first, last });
		const heal = (cuts: unknown[]) => ({
			...{ applied: false, fit: { seed: 0, sha256: "ab".repeat(32), count: 2, length: 8 }, type: "auto", addedBytes: 0, cuts },
			seconds: { text: 0, rest: 0 },
		});
		const text = heal([cut(4, 5), cut("7f-8a", 10)]);
		const plan = parsePlan({ ...old, heal: text });
		expect(plan.heal!.cuts).toEqual([cut(4, 5), cut(7.5, 10)]);
		expect(parsePlan({ ...old, heal: heal([cut(4, 5), cut(7.5, 10)]) })).toEqual(plan);
		expect(JSON.parse(formatPlan(plan)).heal).toEqual(text);
		expect(() => parsePlan({ ...old, heal: heal([cut("7f-9a", 10)]) })).toThrow(
			/heal\.cuts\[0\]\.first: expected one block, one attention part or one shifted pair, such as 12f-13a, got "7f-9a"/,
		);
	});

	it("are not healed on more text than anyone would draw", () => {
		const fit = { seed: 0, sha256: "ab".repeat(32), count: 1e9, length: 128 };
		const heal = { applied: true, fit, type: "auto", addedBytes: 0, cuts: [], seconds: { text: 0, rest: 0 } };
		expect(() => parsePlan({ ...old, heal })).toThrow(/heal\.fit: expected at most 16777216 tokens/);
	});

	it.each([
		["3, 7f-10f", /removed: 7f-10f names an odd number of parts.*The nearest is 7f-10a, got "3, 7f-10f"/],
		["", /removed: expected block numbers from 0/],
		["1, 4-5, 10f-12a", /removed\[4\]: block 12 is not one of 0\.\.11/],
		["1, 4-5", /kept: 8, but removing 3 of 12 blocks keeps 9/],
	])("that are wrong are named with their place: %s", (removed, message) => {
		expect(() => parsePlan({ ...old, removed })).toThrow(InvalidPlanError);
		expect(() => parsePlan({ ...old, removed })).toThrow(message);
	});
});

it("a half-block cut in a ledger is read again", () => {
	const measurement = { coalition: Coalition.ofRemoved(12, [3, 7.5, 8.5]), losses: Float64Array.of(2, 3) };
	const header = { key: "ab".repeat(32), players: 12, windows: { count: 2, length: 8 }, settings: {}, created: "2026" };
	const text = encodeHeader(header) + encodeMeasurement(measurement);
	expect(text).toContain('"mask":"1110111a0f11"');
	const { measurements } = parseLedger(Buffer.from(text), "x.ledger.jsonl");
	expect(measurements.map(({ coalition }) => coalition.removed())).toEqual([[3, 7.5, 8.5]]);
	const torn = text.replace("a0f", "a0a");
	expect(() => parseLedger(Buffer.from(torn), "x.ledger.jsonl")).toThrow(/x\.ledger\.jsonl, line 2: damaged measurement/);
});
