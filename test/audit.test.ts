import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { importsOf, shellStarts } from "./helpers/program-starts.js";

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

describe("no program is started through a shell, and no text is run as code", () => {
	it.each([
		'spawn("a", [], { shell: true })',
		"spawn('a', [], { shell: name })",
		'const shell = true; spawn("a", [], { shell })',
		'spawn("a", [], { shell: process.platform === "win32" })',
		'spawn("sh", ["-c", text])',
		'spawnSync("/bin/bash", [])',
		'execFile("cmd.exe", ["/c", text])',
		'import { exec } from "node:child_process"',
		'import { spawn, execSync as run } from "child_process"',
		'import * as programs from "node:child_process"',
		'import programs from "node:child_process"',
		'export { exec } from "node:child_process"',
		'const { exec } = require("child_process")',
		'await import("node:child_process")',
		"eval(text)",
		"new Function(text)",
		"runInNewContext(text)",
	])("%s is found", (text) => expect(shellStarts(text)).toHaveLength(1));

	it("words, other options and methods are none", () => {
		const text = 'import { spawn } from "node:child_process"; // shell: true\nspawn("tar", ["shell: true", /a/.exec("sh")], { cwd });';
		expect(shellStarts(text)).toEqual([]);
	});

	it("in src", () => {
		const sources = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" }).filter((name) => /\.(ts|mjs)$/.test(name));
		expect(sources.length).toBeGreaterThan(300);
		for (const name of sources) expect(shellStarts(readFileSync(join(root, "src", name), "utf8")), name).toEqual([]);
	});

	it("in what a build runs, but for npm on Windows: its words are fixed (test/model/runtime/fetch-llama.test.ts)", () => {
		const seen = new Set(["fetch-llama.mjs", "build-native.mjs", "sources.mjs"].map((name) => join(root, "scripts", name)));
		for (const path of seen) {
			const text = readFileSync(path, "utf8");
			const windows = path.endsWith("fetch-llama.mjs") ? 'process.platform === "win32"' : undefined;
			expect(shellStarts(text, windows), path).toEqual([]);
			for (const name of importsOf(text)) if (!name.includes("/dist/")) seen.add(join(dirname(path), name));
		}
		expect(seen.size).toBeGreaterThan(4);
	});
});
