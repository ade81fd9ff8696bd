import type { CalibrationFile } from "../model/calibration/index.js";
import type { StrataPresetName } from "../game/strata.js";
import type { Method } from "./methods.js";
import type { Report } from "../report/report-data.js";
import type { ContributionUnit, Plan } from "../storage/plan.js";

import { type HealKind, healKinds } from "../model/fitting/kinds.js";
import { type HealType, healTypes } from "../model/fitting/tensors.js";
import { type StateType, stateTypes } from "../model/runtime/evaluator.js";
import type { FileType } from "../model/runtime/file-type-names.js";
import type { GateOptions, PlanGate } from "./gate.js";
import type { Speedup } from "./speed.js";
import type { PlanHeal } from "../storage/plan-heal.js";
import type { Quantized } from "../storage/plan-quantized.js";

export type * from "./questions.js";
export type * from "./text.js";
export { presets } from "./text.js";
export type { CalibrationFile, HealKind, HealType, PlanHeal, StateType };
export type { PairInteraction } from "../game/attribution/interactions.js";
export { healKinds, healTypes, stateTypes };

// The options and results of the public functions: shared by programs and the command line.

export type * from "./gate.js";
export type * from "./compare.js";
export type * from "./frontier.js";
export type * from "./rank.js";
export type { Speed, SpeedRatio, SpeedSideFigures } from "../storage/plan-speed.js";
export { type Speedup, speedups } from "./speed.js";
export type { SpeedOptions, SpeedResult } from "./speed.js";
export { type FileType, fileTypeNames } from "../model/runtime/file-type-names.js";
export type { MeanAndError, ModelFigures, Quantized, QuantizedAlternative, QuantizedAlternatives } from "../storage/plan-quantized.js";
export {
	comparedMethods,
	defaultMethod,
	type Estimator,
	estimatorFacts,
	factsOf,
	isEstimator,
	type Method,
	methodFacts,
	type MethodOption,
	methods,
	type RankMethod,
	rankingMethods,
	rankMethods,
} from "./methods.js";
export { STRATA_PRESETS, type StrataPresetName } from "../game/strata.js";

/** How much the automatic method spends. */
export const efforts = ["quick", "standard", "thorough"] as const;
export type Effort = (typeof efforts)[number];

/** Weights that a search may sweep on: the model's own, a copy in memory of a type, or what pays. */
export const workingWeights = ["auto", "own", "Q8_0", "F16", "BF16", "F32", "Q4_0"] as const;
export type WorkingWeights = (typeof workingWeights)[number];

/** What a search keeps small: the loss on text, the divergence from the full model, or the loss of the right choices of questions. */
export const objectives = ["nll", "kl", "accuracy"] as const;
export type Objective = (typeof objectives)[number];

export interface ProgressEvent {
	/** What is being done, for people. */
	readonly phase: string;
	readonly done: number;
	readonly total: number;
	readonly unit: "masks" | "bytes" | "tokens" | "percent";
	readonly tokensPerSecond?: number | undefined;
	readonly secondsLeft?: number | undefined;
	readonly blocksDone?: number | undefined;
	readonly blocksSaved?: number | undefined;
}

export interface LogEvent {
	/** Notes and warnings are for people; debug lines are details of what was chosen and found. */
	readonly level: "note" | "warning" | "debug";
	readonly message: string;
	/**
	 * Of the note that an aborted search leaves: the best set so far of each size, and what it adds to the objective on the text that is
	 * searched, nats.
	 */
	readonly sets?: readonly { readonly removed: readonly number[]; readonly added: number }[] | undefined;
}

export interface JobOptions {
	readonly signal?: AbortSignal | undefined;
	readonly onProgress?: ((event: ProgressEvent) => void) | undefined;
	readonly onLog?: ((event: LogEvent) => void) | undefined;
}

export interface MachineOptions {
	/**
	 * Threads that compute. It can change bits. @default the physical cores; of a search those of an earlier run of the same search, of a
	 * new one of at least 60 masks all logical processors where short measurements find them faster
	 */
	readonly threads?: number | undefined;
	readonly gpuLayers?: number | undefined;
}

export interface UnknownOptions {
	/**
	 * Take a model whose architecture the table lacks for one whose blocks may go in any set. A file is then kept only if it computes,
	 * bit for bit, what the original computes with the output tensors of these blocks set to zero. @default false
	 */
	readonly allowUnknownArchitecture?: boolean | undefined;
}

export interface MeasureOptions extends JobOptions, MachineOptions, UnknownOptions {
	/** How blocks are chosen or ranked. @default "auto"; of `rankBlocks` "leave-one-out" */
	readonly method?: Method | undefined;
	/** Masks to measure at most. @default auto, swap, evolutionary, random: by effort; paper: 8000; paper-repaired: 1000 */
	readonly masks?: number | undefined;
	/**
	 * Methods auto, swap, evolutionary and random: masks to spend where up to k of n blocks go; quick n + 6 k (at least 40), standard
	 * 2 n + 8 k (at least 100), thorough 26 n (300 to 800). @default "standard", with only maxTime or maxTokens given "thorough"
	 */
	readonly effort?: Effort | undefined;
	/**
	 * The automatic method: seconds, above 0, after which the search ends with the best sets so far. Single removals are not interrupted,
	 * and no batch begins that would take longer than what is left. The race comes on top, as does what is fitted last. @default none
	 */
	readonly maxTime?: number | undefined;
	/**
	 * Methods auto, swap, evolutionary and random: tokens of the search's masks at most, each mask counting all tokens of its windows; the
	 * race comes on top, at most a quarter as many and its sets. @default none
	 */
	readonly maxTokens?: number | undefined;
	/** Text files; several count by their weights, 1 where none is given. @default the model's own samples */
	readonly calibration?: readonly (string | CalibrationFile)[] | undefined;
	/**
	 * What the search keeps small: `nll`, the negative log-likelihood of the text; `kl`, the KL divergence of the full model from the
	 * pruned one on it; `accuracy`, -log of the right choice's share among the choices of `questions`. @default "nll"
	 */
	readonly objective?: Objective | undefined;
	/** File of multiple-choice questions, for the objective `accuracy`. */
	readonly questions?: string | undefined;
	/** Questions to take from the beginning of the file, at least 7. @default all */
	readonly limit?: number | undefined;
	readonly windows?: number | undefined;
	readonly windowLength?: number | undefined;
	readonly seed?: number | undefined;
	/** The paper's method: numbers of kept blocks, one stratum each. @default its kept shares, scaled to the model */
	readonly strata?: number[] | undefined;
	/**
	 * The paper's methods: the strata of one of its runs, scaled to the model; of paper-repaired how deep masks go at least. Not beside
	 * `strata`. @default the run of the model's kind
	 */
	readonly strataPreset?: StrataPresetName | undefined;
	/** The paper's method: masks asked of the surrogate for the contributions. @default 80000 */
	readonly attributionMasks?: number | undefined;
	/** The paper's method: passes over the masks. @default 300 */
	readonly epochs?: number | undefined;
	/**
	 * Methods leave-one-out and paper-repaired: rank, cut an equal share of the blocks, and play again on what is left, so often.
	 * paper-repaired spends its masks in equal shares. @default 1
	 */
	readonly rounds?: number | undefined;
	/**
	 * Weights that a search sweeps on: `own`; a type for a copy in memory; `auto`: a copy (Q8_0 or F16, whichever is faster) where
	 * it pays for the planned number of masks. The choice between finalists and all losses before and after are measured on the model itself. @default "auto" to prune, "own" to rank
	 */
	readonly workingWeights?: WorkingWeights | undefined;
	/**
	 * Tokens that run through a block at once in the search, 1 to 65536. It changes bits. Figures and choices between finalists are
	 * measured with the usual number. @default that of an earlier run of the same search; of a new one the usual number, or what short
	 * measurements find faster where at least 60 masks are planned
	 */
	readonly ubatch?: number | undefined;
	/**
	 * Share of the positions of the search fold that are scored, drawn once and the same for every mask, above 0 and at most 1: the head is
	 * not computed elsewhere. Choices between finalists and all figures are measured on every position. @default 1
	 */
	readonly scoreShare?: number | undefined;
	/** Memory for hidden states kept between masks, bytes; beyond it, or where memory is short, they are computed again. @default 2^30 */
	readonly stateBytes?: number | undefined;
	/**
	 * Memory for the full model's distributions on one fold, bytes: two for each position and token of the vocabulary. Where the objective
	 * `kl` or a limit on the divergence needs more it is refused; figures of quantised models then have no divergence. @default 2^30
	 */
	readonly referenceBytes?: number | undefined;
	/** Type of the hidden states that a search keeps between masks: F16 takes half the memory and changes bits. @default "F32" */
	readonly stateType?: StateType | undefined;
}

export interface QuantizeOutputOptions {
	/**
	 * Type that llama.cpp's quantiser gives the pruned model, as it names it. The pruned model is written and verified beside the
	 * output first; the quantised one is then measured as written. @default not quantised
	 */
	readonly quantize?: FileType | undefined;
	/** F16, BF16 or F32 file of the same model, whose weights are quantised instead of the source's. @default the source's */
	readonly quantizeFrom?: string | undefined;
}

export interface HealOptions {
	/**
	 * Make up for each cut by a least-squares fit of the matrix before it, on the model's own samples: no training, and nothing beside
	 * the file. Kept only where the validation text says that it helps. Of a plan: whether to heal as it says (`true` is not needed).
	 * @default false; of a plan as it says
	 */
	readonly heal?: boolean | undefined;
	/** Tokens of the model's own samples to fit to, at least 1024; more heal better and take longer. @default 25600 */
	readonly healTokens?: number | undefined;
	/**
	 * Instead of a number of tokens: seconds that healing may take, from drawing them on, as foretold from how fast this machine draws,
	 * runs and solves; at least 1,024 tokens. The number is kept for the next run and in the plan. Of a frontier: for all sets together.
	 */
	readonly healTime?: number | undefined;
	/**
	 * Type of the healed matrices: `auto`, the file's own where it has 8 bits a weight or more, else Q8_0 (F16 where rows do not fit
	 * it); `same`, the file's own; or a type. @default "auto"
	 */
	readonly healType?: HealType | undefined;
	/**
	 * How matrices are changed: `refit`, fitted anew as a whole; `map`, by a square map on what they give, whose equations are as small as
	 * the model is wide; `auto`, what is better on the search fold, or the one that fits where the equations of both do not fit in memory.
	 * @default "auto"
	 */
	readonly healKind?: HealKind | undefined;
	/**
	 * Also seek two factors for each attention head behind the first cut, of what it asks with and of what it gives, by the divergence from
	 * the whole model with each factor a little lower and higher. Costs no byte, and at most 100 times as long as 8,192 tokens take to
	 * read. @default false
	 */
	readonly healHeads?: boolean | undefined;
}

export interface PruneOptions extends MeasureOptions, QuantizeOutputOptions, GateOptions, HealOptions {
	/**
	 * Also measure the whole model quantised to about the pruned one's size, and say which is better. Quantises twice, which takes
	 * seconds for a small model and many minutes and the disk of a copy for a large one. @default false
	 */
	readonly quantizedAlternatives?: boolean | undefined;
	readonly removeBlocks?: number | undefined;
	/** 0..1 */
	readonly removeFraction?: number | undefined;
	readonly remove?: number[] | undefined;
	/** Bytes that the written file may have at most: the fewest blocks that reach it are removed. */
	readonly targetSize?: number | undefined;
	/**
	 * How many times as fast the model shall be, above 1: as few blocks go as reach it, by what this machine measures through masks before
	 * the search.
	 */
	readonly targetSpeedup?: number | undefined;
	/** What `targetSpeedup` is taken of. @default "generation" */
	readonly speedupOf?: Speedup | undefined;
	/** What `targetSpeedup` became. @internal */
	readonly speedTarget?: { readonly value: number; readonly of: Speedup } | undefined;
	/**
	 * Measure speed and memory before and after, in turns; about 15 s for a small model. @default where a model is written, or with
	 * `targetSpeedup`
	 */
	readonly speed?: boolean | undefined;
	/**
	 * Prompts that both models write on, beside a chat turn; 0 for no texts. Loops and the like that are new are warned of. @default 4 where a
	 * model is written, otherwise 0
	 */
	readonly samples?: number | undefined;
	/** Where the plan is written. */
	readonly plan?: string | undefined;
	/**
	 * Where the report is written, an HTML page; its JSON goes beside it. `false`: nowhere. @default `OUTPUT.report.html`, nowhere without
	 * an output
	 */
	readonly report?: string | false | undefined;
	/** Where a short model card is written, Markdown. @default nowhere */
	readonly modelCard?: string | undefined;
	readonly overwrite?: boolean | undefined;
	readonly dryRun?: boolean | undefined;
}

export interface ModelSummary {
	readonly path: string;
	readonly name: string;
	readonly architecture: string;
	readonly blocks: number;
	/** Bytes. */
	readonly size: number;
	readonly parameters: number;
}

export interface CurvePoint {
	readonly removed: readonly number[];
	readonly loss: number | null;
	readonly added: number | null;
	readonly standardError?: number | null | undefined;
	/** Further means by name: `nll` and `agreement` (objective `kl`), `accuracy` and `normalizedAccuracy` (objective `accuracy`); all but the first 0..1. */
	readonly figures?: Readonly<Record<string, number | null>> | undefined;
	/** Sets that were raced and not told from this one. */
	readonly equivalent?: readonly EquivalentSet[] | undefined;
}

/** A set that the race did not tell from the one that was taken: 0 is in the 95 % interval of the difference, paired by window. */
export interface EquivalentSet {
	readonly removed: readonly number[];
	/** Who proposed it. */
	readonly method: string;
	/** Loss above that of the set that was taken, in the objective's nats. */
	readonly above: number;
	readonly standardError: number;
	/** Windows (or questions) on which both were measured: those of the validation fold, and further text of its kind. */
	readonly windows: number;
	/** Where sets were compared by their divergence from the full model (on the model's own samples), which `above` then is. */
	readonly by?: "divergence" | undefined;
}

/** Where the calibration sources would rather have another set than the one that was chosen for a size. */
export interface Disagreement {
	/** Name of the source. */
	readonly source: string;
	/** The chosen set, and the one that is better on this source. */
	readonly chosen: readonly number[];
	readonly better: readonly number[];
	/** By how much, in the objective's nats, on this source's windows of the race; and the standard error, paired by window. */
	readonly by: number;
	readonly standardError: number;
	/** By how much the better one on this source is worse on all of them, as they are weighted. */
	readonly worseOverall: number;
}

export interface WrittenFile {
	readonly path: string;
	readonly size: number;
	readonly parameters: number;
	/** What the written file was found to compute, in words. */
	readonly verification: string;
}

export interface PruneResult {
	readonly model: ModelSummary;
	/** Missing where nothing said how much to remove. */
	readonly plan?: Plan | undefined;
	readonly planPath?: string | undefined;
	/** Missing after a dry run, and where no output was named. */
	readonly output?: WrittenFile | undefined;
	/** All that the run has to say; missing after a dry run. */
	readonly report?: Report | undefined;
	/** The page that was written; missing where none was asked for, or it could not be written (which is a warning). */
	readonly reportPath?: string | undefined;
	readonly modelCardPath?: string | undefined;
	/** In the unit of the objective. */
	readonly curve: readonly CurvePoint[];
	readonly objective: Objective;
	/** Sources that would rather have another set; empty where they agree, or there is one. */
	readonly disagreements: readonly Disagreement[];
	/** A sensible choice where none was asked for; it may be to remove nothing. */
	readonly suggestion?: { readonly removed: readonly number[]; readonly reason: string } | undefined;
	/** What a dry run would measure. */
	readonly estimate?: Estimate | undefined;
	/** Commands that go on from here. */
	readonly commands: readonly string[];
	readonly seconds: number;
}

/** What is left to measure, at most. */
export interface Estimate {
	/** Sets of blocks on the search fold that are not known yet. */
	readonly masks: number;
	/** Sets that were measured before and are used again. */
	readonly known: number;
	/** Of all folds. */
	readonly tokens: number;
	/** By the speed measured on this machine. */
	readonly seconds: number;
}

/** What one block contributes. */
export interface Contribution {
	readonly block: number;
	readonly value: number;
	/** In the unit of the value. */
	readonly standardError?: number | undefined;
	/**
	 * `nats`: loss per token that its removal alone adds. `value`: its share in v = PPL(full) / PPL(kept blocks), from 0 to 1.
	 * `score`: what a baseline gives it, on a scale of its own.
	 */
	readonly unit: ContributionUnit;
}

export interface ApplyOptions
	extends JobOptions,
		MachineOptions,
		UnknownOptions,
		QuantizeOutputOptions,
		GateOptions,
		HealOptions,
		Pick<MeasureOptions, "calibration" | "windows" | "windowLength" | "seed" | "referenceBytes"> {
	readonly plan?: string | undefined;
	readonly remove?: number[] | undefined;
	readonly overwrite?: boolean | undefined;
}

export interface ApplyResult {
	readonly model: ModelSummary;
	readonly removed: readonly number[];
	readonly output: WrittenFile;
	/** With `quantize`: the written file beside the whole source, on the windows that the pruned file was verified on. */
	readonly quantized?: Quantized | undefined;
	/** Where limits were given. */
	readonly gate?: PlanGate | undefined;
	/** What healing did, where it was asked for. */
	readonly heal?: PlanHeal | undefined;
	readonly seconds: number;
}

export interface InspectResult extends ModelSummary {
	readonly files: readonly string[];
	readonly support: "exact" | "refused";
	readonly reason?: string | undefined;
	/** `bits`: removals were compared bit for bit; `source`: the rule was read and never run; `unknown`: there is no rule. */
	readonly proof: "bits" | "source" | "unknown";
	readonly maxRemovable: number;
	readonly frozen: readonly { readonly block: number; readonly reason: string }[];
	/** Blocks that a rule ties together: these groups go, as a whole. Missing where blocks go one by one. */
	readonly units?: readonly (readonly number[])[] | undefined;
	/** What this file lost already, where it says so. */
	readonly pruned?: string | undefined;
	/** Tensors by type name. */
	readonly types: Readonly<Record<string, number>>;
}
