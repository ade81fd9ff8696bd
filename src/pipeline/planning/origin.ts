// How a run came about: for its plan and its report.
import { basename } from "node:path";
import type { PruneOptions } from "../../api/index.js";
import { defaultMethod } from "../../api/methods.js";
import { llamaPin, packageVersion } from "../../model/runtime/paths.js";
import type { Plan } from "../../storage/plan.js";
import { commandLine } from "../preflight/command-line.js";
import type { Session } from "../session/session.js";
import type { SearchWeights } from "../session/working-weights.js";
import { foldFacts } from "./figures.js";

/** How a run came about: what it takes to do it again. */
export type PlanOrigin = Pick<Plan, "options" | "seed" | "calibration" | "versions" | "backend" | "machine" | "command"> & {
	/** Of the model. */
	readonly sha256: string;
};

/** The same for the plan and the report. */
export function planOrigin(session: Session, output: string | undefined, options: PruneOptions): PlanOrigin {
	const { threads, ubatch, weights } = session.settings;
	// What was found out by measuring how fast this machine is: named, it comes out the same in another cache.
	const found = { threads: Number(threads), ubatch: Number(ubatch), workingWeights: weights as SearchWeights };
	return {
		sha256: session.sha256,
		options: defined({
			method: options.remove ? undefined : (options.method ?? defaultMethod),
			removeBlocks: options.removeBlocks,
			removeFraction: options.removeFraction,
			targetSize: options.targetSize,
			maxPplRatio: options.maxPplRatio,
			maxKl: options.maxKl,
			minAccuracy: options.minAccuracy && Object.entries(options.minAccuracy).map(([name, share]) => `${name}=${share}`),
			ignoreGate: options.ignoreGate || undefined,
			targetSpeedup: options.speedTarget?.value,
			speedupOf: options.speedTarget?.of,
			masks: options.masks,
			effort: options.effort,
			maxTime: options.maxTime,
			maxTokens: options.maxTokens,
			strata: options.strata,
			strataPreset: options.strataPreset,
			epochs: options.epochs,
			attributionMasks: options.attributionMasks,
			rounds: options.rounds,
			windows: options.windows,
			windowLength: options.windowLength,
			objective: options.objective,
			limit: options.limit,
			workingWeights: options.workingWeights,
			ubatch: options.ubatch,
			scoreShare: options.scoreShare,
			stateType: options.stateType,
			heal: options.heal,
			healTokens: options.healTokens,
			healKind: options.healKind,
			healType: options.healType,
			healHeads: options.healHeads || undefined,
			quantize: options.quantize,
			quantizeFrom: options.quantizeFrom && basename(options.quantizeFrom),
		}),
		seed: session.seed,
		calibration: foldFacts(session),
		versions: { "prune-gguf": packageVersion, "llama.cpp": `${llamaPin.version} (${llamaPin.commit})` },
		backend: String(session.settings.backend),
		machine: { ...session.settings },
		command: commandLine(basename(session.model.path), output === undefined ? undefined : basename(output), { ...options, ...found }),
	};
}

type Setting = number | string | boolean | (number | string)[];

function defined(values: Record<string, Setting | undefined>): Record<string, Setting> {
	return Object.fromEntries(Object.entries(values).filter((entry): entry is [string, Setting] => entry[1] !== undefined));
}
