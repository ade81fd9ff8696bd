// How a run came about: for its plan and its report.
import { basename } from "node:path";
import { defaultMethod } from "../../api/methods.js";
import type { OptionValue } from "../../api/options/row.js";
import type { AskedSettings } from "../../api/options/settings.js";
import { type OptionTable, optionTable } from "../../api/options/table.js";
import { llamaPin, packageVersion } from "../../model/runtime/paths.js";
import type { Plan } from "../../storage/plan.js";
import { commandLine } from "../preflight/command-line.js";
import type { Session } from "../session/session.js";
import type { SearchWeights } from "../session/working-weights.js";
import { splitFacts } from "./figures.js";

/** How a run came about: what it takes to do it again. */
export type PlanOrigin = Pick<Plan, "options" | "seed" | "calibration" | "versions" | "backend" | "machine" | "command"> & {
	/** Of the model. */
	readonly sha256: string;
};

/**
 * The same for the plan and the report.
 * @param asked what was asked for, with what was found for it: tokens for a time, a number of blocks for a speed-up
 */
export function planOrigin(session: Session, output: string | undefined, asked: AskedSettings["asked"]): PlanOrigin {
	const { threads, ubatch, weights } = session.settings;
	// What was found out by measuring how fast this machine is: named, it comes out the same in another cache.
	const found = { threads: Number(threads), ubatch: Number(ubatch), workingWeights: weights as SearchWeights };
	return {
		sha256: session.sha256,
		options: planOptions(asked),
		seed: session.seed,
		calibration: splitFacts(session),
		versions: { "prune-gguf": packageVersion, "llama.cpp": `${llamaPin.version} (${llamaPin.commit})` },
		backend: String(session.settings.backend),
		machine: { ...session.settings },
		command: commandLine(basename(session.model.path), output === undefined ? undefined : basename(output), {
			...asked,
			...found,
			targetSpeedup: undefined,
			speedupOf: undefined,
		}),
	};
}

type Setting = number | string | boolean | (number | string)[];

/** Names of the options that a plan keeps: whose rows say under which key. */
type KeptName = {
	[Name in keyof OptionTable]: OptionTable[Name] extends { readonly plan: string } ? Name : never;
}[keyof OptionTable];

/** In this order, in which plans have always had them. */
const keptNames: readonly KeptName[] = [
	...(["method", "removeBlocks", "removeFraction", "targetSize", "maxPplRatio", "maxKl", "minAccuracy", "ignoreLimits"] as const),
	...(["targetSpeedup", "speedupOf", "maxEvaluations", "effort", "maxTime", "maxTokens", "strata", "strataPreset", "epochs"] as const),
	...(["attributionSamples", "rounds", "windows", "windowLength", "metric", "maxQuestions", "workingWeights", "ubatch"] as const),
	...(["scoreShare", "stateType", "heal", "healTokens", "healKind", "healType", "healHeads", "quantize", "quantizeFrom"] as const),
];

/** What a plan keeps of the options. */
export function planOptions(asked: AskedSettings["asked"]): Record<string, Setting> {
	const method = asked.remove ? undefined : (asked.method ?? defaultMethod);
	const given: Readonly<Record<string, unknown>> = { ...asked, method };
	const kept = keptNames.flatMap((name) => {
		const { plan, value } = optionTable[name];
		const setting = keptAs(value.kind, name, given[name]);
		return setting === undefined ? [] : [[plan, setting] as const];
	});
	return Object.fromEntries(kept);
}

function keptAs(kind: OptionValue["kind"], name: string, given: unknown): Setting | undefined {
	if (given === undefined) return undefined;
	// Healing that was refused is another wish than none.
	if (kind === "switch" || kind === "heal") return given === true || name === "heal" ? (given as boolean) : undefined;
	if (kind === "accuracies") return Object.entries(given as Readonly<Record<string, number>>).map(([key, share]) => `${key}=${share}`);
	if (name === "quantizeFrom") return basename(given as string);
	return Array.isArray(given) ? [...given] : (given as Setting);
}
