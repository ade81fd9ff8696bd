import * as v from "valibot";
import { expect, it } from "vitest";
import { reportCard } from "../../src/report/card.js";
import { reportHtml } from "../../src/report/html.js";
import { reportSchema } from "../../src/report/report-data.js";
import { summaryText } from "../../src/report/summary.js";
import { presentReports, presentText } from "../helpers/present.js";

it.each(presentReports)("%s, which the version before wrote, is read and shown", (name) => {
	const report = v.parse(reportSchema, JSON.parse(presentText(name)));
	expect(report).toEqual(JSON.parse(presentText(name)));
	expect(reportHtml(report)).toContain(report.created);
	expect(reportCard(report)).toContain(report.model.name);
	expect(summaryText(report)).not.toBe("");
});

it("there are reports to read", () => {
	expect(presentReports.length).toBeGreaterThan(0);
});
