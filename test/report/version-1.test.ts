import { expect, it } from "vitest";
import { InvalidOptionError } from "../../src/errors.js";
import { reportPage } from "../../src/pipeline/reporting/files.js";
import type { Report } from "../../src/report/report-data.js";
import { v1Reports, v1Text } from "../helpers/version-1.js";

it.each(v1Reports)("%s, which version 1 wrote, is refused with what makes it anew", async (name) => {
	const report = JSON.parse(v1Text(name)) as Report;
	await expect(reportPage(report)).rejects.toThrow(InvalidOptionError);
	await expect(reportPage(report)).rejects.toThrow(
		/a report of version 1; this program reads version 2: make it anew with the command.*\. Some of its options have new names: CHANGELOG\.md lists them$/,
	);
});

it("there are reports to read", () => {
	expect(v1Reports.length).toBeGreaterThan(0);
});
