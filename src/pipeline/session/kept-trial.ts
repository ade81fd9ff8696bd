// How long trying what a search runs on took, kept in the model's run folder: a dry run tries nothing, and tells of a run that does.
import { readFile } from "node:fs/promises";
import * as v from "valibot";
import type { WorkingWeights } from "../../api/index.js";
import { writeAtomically } from "../../storage/atomic-file.js";
import { hashOf } from "../../storage/hash.js";
import { finiteNumber, parsedAs } from "../../storage/plan-values.js";
import { keptSpeedPath } from "../../storage/runs.js";

/** Bumped when other ways are tried. */
const version = 1;

/** What the time depends on, beside the model. */
export interface SearchTrial {
	/** Folder of the model's runs. */
	readonly folder: string;
	readonly backend: string;
	readonly threads: number;
	readonly wanted: WorkingWeights;
	/** Tokens of the text that ways are tried on, and of all that is to be measured: copies are tried for much. */
	readonly tokens: number;
	readonly load: number;
	/** Whether these are given, so that they are not tried. */
	readonly fixed: { readonly ubatch: boolean; readonly threads: boolean };
}

const kept = v.strictObject({ trialSeconds: finiteNumber });

const pathOf = ({ folder, ...trial }: SearchTrial) => keptSpeedPath(folder, hashOf(["trial", version, trial]));

/** Keeps the seconds of a trial. */
export function keepTrial(trial: SearchTrial, trialSeconds: number): Promise<void> {
	return writeAtomically(pathOf(trial), { overwrite: true }, (handle) => handle.writeFile(JSON.stringify({ trialSeconds })));
}

/** Seconds that such a trial took an earlier run; undefined if none says. */
export async function trialSeconds(trial: SearchTrial): Promise<number | undefined> {
	const text = await readFile(pathOf(trial), "utf8").catch(() => "");
	return parsedAs(kept, text)?.trialSeconds;
}
