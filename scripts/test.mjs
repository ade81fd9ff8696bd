// Runs vitest and ends with a plain line `N passed, N failed`.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "prune-gguf-test-"));
const report = join(folder, "report.json");
const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
const { status } = spawnSync(
	process.execPath,
	[vitest, "run", "--reporter=default", "--reporter=json", `--outputFile.json=${report}`, ...process.argv.slice(2)],
	{
		cwd: root,
		stdio: "inherit",
		// The tests' measurements stay out of the user's cache. Spinning threads would take the cores from tests that run at the same time.
		env: { OMP_WAIT_POLICY: "passive", ...process.env, PRUNE_GGUF_HOME: join(folder, "home"), NODE_OPTIONS: "" },
	},
);
let failed = 1;
try {
	const { numPassedTests, numFailedTests, numPendingTests, numFailedTestSuites, success } = JSON.parse(readFileSync(report, "utf8"));
	// A file that does not even load fails no test, but it fails the run.
	failed = numFailedTests + (numFailedTests === 0 && !success ? Math.max(1, numFailedTestSuites) : 0);
	process.stdout.write(`${numPassedTests} passed, ${failed} failed${numPendingTests > 0 ? `, ${numPendingTests} skipped` : ""}\n`);
} catch {
	process.stdout.write("0 passed, 1 failed\n");
}
rmSync(folder, { recursive: true, force: true });
process.exitCode = failed === 0 && status === 0 ? 0 : 1;
