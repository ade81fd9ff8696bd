import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { exitCodeOf } from "../../src/cli/exit.js";
import { LimitsNotMetError } from "../../src/errors.js";
import { makeWindows } from "../../src/model/runtime/windows.js";

// What runs leave behind.

/** The windows of a split, as the run in that home kept them; what it kept to heal with has no splits. */
export function keptSplit(home: string, split: "validation" | "heldOut", length: number) {
	const kept = readdirSync(join(home, "runs"), { recursive: true, withFileTypes: true })
		.filter(({ name }) => name.endsWith(".windows.json"))
		.map(({ parentPath, name }) => JSON.parse(readFileSync(join(parentPath, name), "utf8")) as { splits?: Record<string, number[]> })
		.find(({ splits }) => splits !== undefined)!;
	return makeWindows(Int32Array.from(kept.splits![split]!), length);
}

/** Every mask that a run in that home measured, from the ledger with the most masks. */
export function keptMasks(home: string): string[] {
	const ledgers = readdirSync(join(home, "runs"), { recursive: true, withFileTypes: true })
		.filter(({ name }) => name.endsWith(".ledger.jsonl"))
		.map(({ parentPath, name }) => readFileSync(join(parentPath, name), "utf8").trim().split("\n").slice(1));
	const most = ledgers.reduce((a, b) => (b.length > a.length ? b : a), []);
	return most.map((line) => (JSON.parse(line) as { mask: string }).mask);
}

/** A run that the limits stop: its error, after a look at what lies under the output's name. */
export async function stoppedByGate(output: string, folder: string, run: Promise<unknown>): Promise<LimitsNotMetError> {
	const error = await run.then(
		() => undefined,
		(reason: unknown) => reason,
	);
	expect(error).toBeInstanceOf(LimitsNotMetError);
	expect(exitCodeOf(error)).toBe(3);
	// No model, no plan, no report, nothing unfinished.
	const name = output.split("/").at(-1)!;
	expect(readdirSync(folder).filter((entry) => entry.includes(name))).toEqual([]);
	return error as LimitsNotMetError;
}
