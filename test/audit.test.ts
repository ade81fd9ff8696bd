import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const { verdictOf } = (await import(new URL("../scripts/audit.mjs", import.meta.url).href)) as {
	verdictOf(stdout: string): { failed: boolean; text: string };
};

const report = (high: number, critical: number, vulnerabilities = {}) =>
	JSON.stringify({
		auditReportVersion: 2,
		vulnerabilities,
		metadata: { vulnerabilities: { info: 0, low: 1, moderate: 2, high, critical } },
	});

describe("the audit of dependencies", () => {
	it("fails on what is high or critical, and names it", () => {
		const verdict = verdictOf(report(1, 0, { left: { severity: "high", range: "<2" }, right: { severity: "low", range: "*" } }));
		expect(verdict).toEqual({ failed: true, text: expect.stringContaining("left <2: high") });
		expect(verdict.text).not.toContain("right");
		expect(verdictOf(report(0, 1))).toMatchObject({ failed: true });
	});

	it("does not fail on less", () => {
		expect(verdictOf(report(0, 0))).toEqual({ failed: false, text: expect.stringContaining("3 lesser ones") });
	});

	it.each([
		["no network", JSON.stringify({ error: { code: "ENOTFOUND", summary: "getaddrinfo ENOTFOUND" } }), /NOT CHECKED: .*ENOTFOUND/],
		["a registry without audits", JSON.stringify({ message: "404 Not Found" }), /NOT CHECKED: .*404/],
		["nothing", "", /NOT CHECKED: .*no report/],
		["a report without counts", "{}", /NOT CHECKED/],
	])("says that nothing was checked: %s", (_, stdout, text) => {
		expect(verdictOf(stdout)).toEqual({ failed: false, text: expect.stringMatching(text) });
	});
});

it("no program is started through a shell, and no text is run as code", () => {
	const sources = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" }).filter((name) => /\.(ts|mjs)$/.test(name));
	expect(sources.length).toBeGreaterThan(300);
	for (const name of sources) {
		const text = readFileSync(join(root, "src", name), "utf8");
		expect(text, name).not.toMatch(
			/\bshell: (?:true|"|process)|import \{[^}]*\bexec(?:Sync)?\b[^}]*\} from "node:child_process"|\beval\(|new Function\(|runIn\w*Context\(/,
		);
	}
});
