// Asks the registry of npm for known vulnerabilities of the dependencies. Fails on those that are high or critical.
// Without a network, or with a registry that answers no such question, it says that nothing was checked, and does not fail.
import { spawnSync } from "node:child_process";
import { fileURLToPath, pathToFileURL } from "node:url";

/**
 * What an audit means.
 * @param {string} stdout of `npm audit --json`
 * @returns {{ failed: boolean, text: string }}
 */
export function verdictOf(stdout) {
	let report;
	try {
		report = JSON.parse(stdout);
	} catch {
		return unknown("npm gave no report");
	}
	const counts = report?.metadata?.vulnerabilities;
	if (typeof counts?.high !== "number" || typeof counts.critical !== "number") {
		return unknown(report?.error?.code || report?.error?.summary || report?.message || "npm gave no report");
	}
	const grave = Object.entries(report.vulnerabilities ?? {}).filter(([, { severity }]) => severity === "high" || severity === "critical");
	const count = counts.high + counts.critical;
	const others = (counts.moderate ?? 0) + (counts.low ?? 0) + (counts.info ?? 0);
	if (count === 0) return { failed: false, text: `no high or critical vulnerability is known of the dependencies (${others} lesser ones)` };
	const list = grave.map(([name, { severity, range }]) => `  ${name} ${range}: ${severity}`).join("\n");
	return { failed: true, text: `${count} high or critical vulnerabilities of the dependencies:\n${list}\nRun npm audit for what to do.` };
}

const unknown = (why) => ({
	failed: false,
	text: `NOT CHECKED: the registry could not be asked for vulnerabilities (${String(why)
		.replace(/https?:\S+/g, "")
		.slice(0, 100)
		.trim()})`,
});

function main() {
	const windows = process.platform === "win32";
	const { stdout, error } = spawnSync("npm", ["audit", "--json", "--fetch-retries=0", "--fetch-timeout=20000"], {
		cwd: fileURLToPath(new URL("..", import.meta.url)),
		encoding: "utf8",
		timeout: 120_000,
		// On Windows npm is a script. Nothing here comes from a user.
		shell: windows,
	});
	const { failed, text } = error ? unknown(error.code ?? error.message) : verdictOf(stdout);
	process.stderr.write(`audit: ${text}\n`);
	process.exitCode = failed ? 1 : 0;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) main();
