// scripts/prebuild/results.json: what was seen of each binary, for docs/developers/binaries.md. Tools write to it if called with --record.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const path = fileURLToPath(new URL("results.json", import.meta.url));

/** Everything recorded, by name of the target. */
export function readResults() {
	try {
		return JSON.parse(readFileSync(path, "utf8"));
	} catch (error) {
		if (error.code === "ENOENT") return {};
		throw error;
	}
}

/**
 * Replaces one part of what is recorded of a target.
 * @param {string} name of the target
 * @param {"build" | "tests" | "run" | "speed"} part
 * @param {object} value it gets the date of today
 */
export function recordResult(name, part, value) {
	const results = readResults();
	results[name] = { ...results[name], [part]: { ...value, date: new Date().toISOString().slice(0, 10) } };
	const sorted = Object.fromEntries(Object.entries(results).sort(([a], [b]) => (a < b ? -1 : 1)));
	writeFileSync(path, `${JSON.stringify(sorted, undefined, "\t")}\n`);
}
