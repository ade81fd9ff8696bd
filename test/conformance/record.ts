import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Examined } from "./examine.js";
import { conformanceMarkdown } from "./markdown.js";

const JSON_PATH = fileURLToPath(new URL("../../docs/research/conformance.json", import.meta.url));
const MARKDOWN_PATH = fileURLToPath(new URL("../../docs/research/conformance.md", import.meta.url));

/** Results by the name of the model. */
export type Results = Record<string, Examined>;

/** Forbidden results: a set that was not refused and is not exact. */
export function faultsOf(examined: Examined): string[] {
	if (examined.broken && examined.support === "exact") return [`the model itself does not run: ${examined.broken}`];
	const empty = examined.empty && !["exact", "not-measured"].includes(examined.empty.verdict) ? [examined.empty] : [];
	const sets = examined.findings
		.filter(({ verdict }) => !["exact", "no-oracle", "refused"].includes(verdict))
		.map(({ removed, verdict, detail }) => `without ${removed.join(",")}: ${verdict}: ${detail}`);
	return [...sets, ...empty.map(({ verdict, detail }) => `without any block: ${verdict}: ${detail}`)];
}

export function readResults(): Results {
	try {
		return JSON.parse(readFileSync(JSON_PATH, "utf8")) as Results;
	} catch {
		return {};
	}
}

/**
 * Whether results are to be recorded.
 * @throws Error if they would be half-block cuts alone: a model's record is replaced as a whole
 */
export function isRecording({ CONFORMANCE_RECORD, CONFORMANCE_HALVES }: NodeJS.ProcessEnv): boolean {
	if (CONFORMANCE_RECORD !== "1") return false;
	if (CONFORMANCE_HALVES === "1")
		throw new Error(
			"CONFORMANCE_RECORD=1 replaces the whole record of a model, and CONFORMANCE_HALVES=1 measures a part: leave one of them out",
		);
	return true;
}

/** Adds new results to the recorded ones. */
export function record(results: ReadonlyMap<string, Examined>): void {
	const all = Object.entries({ ...readResults(), ...Object.fromEntries(results) }).sort(([a], [b]) => (a < b ? -1 : 1));
	writeFileSync(JSON_PATH, `{\n${all.map(([name, examined]) => `${JSON.stringify(name)}: ${JSON.stringify(examined)}`).join(",\n")}\n}\n`);
	writeFileSync(MARKDOWN_PATH, conformanceMarkdown(Object.fromEntries(all)));
}
