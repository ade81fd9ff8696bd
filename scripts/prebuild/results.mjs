// scripts/prebuild/results.json: what was seen of each binary, for docs/developers/binaries.md. Tools write to it if called with --record.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const recorded = fileURLToPath(new URL("results.json", import.meta.url));

/** Everything recorded, by name of the target. */
export function readResults(path = recorded) {
	try {
		return JSON.parse(readFileSync(path, "utf8"));
	} catch (error) {
		if (error.code === "ENOENT") return {};
		throw error;
	}
}

/** Names the file that something was seen of: it is made again, and what was seen of the earlier one says nothing of the new one. */
export const hashOf = (file) => createHash("sha256").update(readFileSync(file)).digest("hex");

/** What was seen of the file that was built last. The rest is of earlier files: left out, like what does not say of which. */
export const seenOfBuilt = ({ build, ...parts } = {}) =>
	build ? { build, ...Object.fromEntries(Object.entries(parts).filter(([, { sha256 }]) => sha256 && sha256 === build.sha256)) } : {};

/**
 * Replaces one part of what is recorded of a target.
 * @param {string} name of the target
 * @param {"build" | "tests" | "run" | "speed"} part
 * @param {{ sha256: string }} value what was seen, and of which file (hashOf); it gets the date of today
 * @throws {TypeError} if it does not say of which file
 */
export function recordResult(name, part, value, path = recorded) {
	if (!/^[0-9a-f]{64}$/.test(value.sha256)) throw new TypeError(`${part} of ${name}: sha256 must be that of a file, not ${value.sha256}`);
	const results = readResults(path);
	results[name] = { ...results[name], [part]: { ...value, date: new Date().toISOString().slice(0, 10) } };
	const sorted = Object.fromEntries(Object.entries(results).sort(([a], [b]) => (a < b ? -1 : 1)));
	writeFileSync(path, `${JSON.stringify(sorted, undefined, "\t")}\n`);
}
