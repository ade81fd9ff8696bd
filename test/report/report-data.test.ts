import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Ajv2020 } from "ajv/dist/2020.js";
import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { reportSchema } from "../../src/report/report-data.js";
import { madeUpReport } from "../helpers/report.js";

const schema = JSON.parse(readFileSync(fileURLToPath(new URL("../../docs/report.schema.json", import.meta.url)), "utf8")) as object;
const validate = new Ajv2020({ strict: true, allErrors: true, allowUnionTypes: true }).compile(schema);
const asJson = (value: unknown) => JSON.parse(JSON.stringify(value)) as Record<string, unknown>;

describe("the published schema", () => {
	it("takes what the program makes", () => {
		const report = asJson(madeUpReport());
		expect(validate(report), JSON.stringify(validate.errors)).toBe(true);
	});

	// Each is refused by the code and by an independent validator reading the published file.
	it.each<[string, (report: Record<string, never>) => unknown]>([
		["another format", (report) => ({ ...report, format: "prune-gguf-plan" })],
		["another version", (report) => ({ ...report, version: 1 })],
		["an unknown key", (report) => ({ ...report, extra: 1 })],
		["a missing section", ({ model, ...report }) => report],
		["a block that is no whole number, half or quarter", (report) => ({ ...report, removal: { removed: [1.1], kept: 1, method: "x" } })],
		["a trade of another name", (report) => ({ ...report, verdict: { headline: "a", reason: "b", trade: "fine" } })],
		["a hash that is none", (report) => ({ ...report, model: { ...(report.model as unknown as object), sha256: "abc" } })],
		["empty text", (report) => ({ ...report, created: "" })],
		["a pair of three", (report) => ({ ...report, interactions: [{ blocks: [1, 2, 3], value: 1 }] })],
	])("refuses %s", (_, change) => {
		const report = change(asJson(madeUpReport()) as never);
		expect(v.safeParse(reportSchema, report).success).toBe(false);
		expect(validate(report)).toBe(false);
	});

	it("describes what a name does not say", () => {
		const text = JSON.stringify(schema);
		expect(text).toContain('"title":"Report of prune-gguf"');
		expect(text.split('"description"').length).toBeGreaterThan(50);
	});
});
