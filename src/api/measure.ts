// What is measured, on what and how: options that methods share, and what they say of a model.
import { granularities } from "../game/pairs.js";
import type { StrataPresetName } from "../game/strata.js";
import type { CalibrationFile } from "../model/calibration/files.js";
import type { TextMix } from "../model/calibration/text-mix.js";
import type { StateType } from "../model/runtime/state-types.js";
import type { ImportanceUnit } from "../storage/plan.js";
import type { JobOptions, MachineOptions, UnknownOptions } from "./job.js";
import type { Method } from "./methods.js";

/** How much the automatic method spends. */
export const efforts = ["quick", "standard", "thorough"] as const;
export type Effort = (typeof efforts)[number];

/** What a search may remove: whole blocks, half-block cuts too, or attention parts alone. */
export const searchGranularities = [...granularities, "attention"] as const;
export type SearchGranularity = (typeof searchGranularities)[number];

/** Weights that a search may sweep on: the model's own, a copy in memory of a type, or what pays. */
export const workingWeights = ["auto", "own", "Q8_0", "F16", "BF16", "F32", "Q4_0"] as const;
export type WorkingWeights = (typeof workingWeights)[number];

/** What a search keeps small: the loss on text, the divergence from the original model, or the loss of the right choices of questions. */
export const metrics = ["loss", "kl", "accuracy"] as const;
export type Metric = (typeof metrics)[number];

/** How blocks are searched, and what that may take. */
export interface BlockSearchOptions {
	/** How blocks are chosen. @default "auto" */
	readonly method?: Method | undefined;
	/**
	 * Methods auto, swap, evolutionary and random: how many candidates are evaluated to remove up to k of n blocks. `quick`: n + 6 k (at
	 * least 40); `standard`: 2 n + 8 k (at least 100); `thorough`: 26 n (300 to 800). A quarter more with granularity `half-block`,
	 * and five eighths with `attention`, whose candidates have twice as many tokens.
	 * @default "standard"; "thorough" if only maxTime or maxTokens is given
	 */
	readonly effort?: Effort | undefined;
	/**
	 * What may be removed. `half-block`: also a shifted pair, which is the feed-forward part of a block and the attention part of the next
	 * one left. What stays of the two is one block again. On validation text such a candidate must beat whole blocks by
	 * more than its standard error. Methods auto, greedy, beam, swap, evolutionary, contiguous, leave-one-out and random, on architectures
	 * whose blocks have two parts. Method auto evaluates a quarter more candidates for it. `attention`, to prune and for a frontier: attention parts
	 * alone, on architectures like llama; the feed-forward parts stay. It pays at a long context. @default "attention" with `removeAttention` and
	 * `targetKv`; else "half-block" if the method and the architecture allow it and `rounds` is 1, else "block"
	 */
	readonly granularity?: SearchGranularity | undefined;
	/** Most candidates (sets of blocks) to evaluate. @default auto, swap, evolutionary, random: by effort; paper: 8000; paper-repaired: 1000 */
	readonly maxEvaluations?: number | undefined;
	/**
	 * Method auto: seconds, above 0. To prune, for the whole run, by its own estimates: if they are short, samples, speed, further text for tied
	 * finalists and the search are left out, in this order. A candidate is always chosen and verified, or the run ends with an error that says how
	 * long it takes. To rank, and for a frontier, for the search alone: it ends with the best candidates so far. Single removals are not
	 * interrupted, and no batch begins that would take longer than the time that is left. @default none
	 */
	readonly maxTime?: number | undefined;
	/**
	 * Methods auto, swap, evolutionary and random: most tokens of the search; each evaluation counts all tokens of its windows. The final
	 * comparison comes on top: its finalists, and at most a quarter as many tokens again. @default none
	 */
	readonly maxTokens?: number | undefined;
	/**
	 * Methods leave-one-out and paper-repaired: how many times to rank the blocks, remove an equal share of them, and rank what is left.
	 * paper-repaired spends its evaluations in equal shares. @default 1
	 */
	readonly rounds?: number | undefined;
	/** The paper's method: numbers of kept blocks, one stratum each. @default its kept shares, scaled to the model */
	readonly strata?: readonly number[] | undefined;
	/**
	 * The paper's methods: the strata of one of its runs, scaled to the model; for paper-repaired, how many blocks its largest candidates
	 * remove at least. Not together with `strata`. @default the run of the model's kind
	 */
	readonly strataPreset?: StrataPresetName | undefined;
	/** The paper's method: samples from the surrogate for the importance of blocks. @default 80000 */
	readonly attributionSamples?: number | undefined;
	/** The paper's methods: epochs that the network is trained for. @default 300 */
	readonly epochs?: number | undefined;
	/** Seed of everything drawn at random, 0 to 2^32 - 1. @default 0 */
	readonly seed?: number | undefined;
	/**
	 * Share of the positions of the search split that are scored, above 0 and at most 1: drawn once, the same for every candidate. The LM
	 * head is not computed elsewhere. The final comparison and all figures are measured on every position. @default 1
	 */
	readonly scoreShare?: number | undefined;
	/**
	 * Whether candidates are measured window by window. One that is surely worse on the first windows than the best one is not measured on the others,
	 * nor a block that is surely critical. What is measured on all windows has the same bits. It holds for `auto`, `greedy` and single removals. It
	 * needs text of one source, the metric `loss` and all positions scored, and windows that do not all run through a block at once. On self-generated
	 * text it makes the search go by loss, on 10 windows: that takes longer than without it, on 5 by the divergence. @default false
	 */
	readonly racing?: boolean | undefined;
	/**
	 * Weights that a search runs on: `own`, or a type for a copy in memory. `auto` makes a copy (Q8_0 or F16, whichever is faster) if that
	 * pays for the planned number of evaluations. The final comparison runs on a copy of these two types too. All losses of the chosen candidate are measured on
	 * the model itself.
	 * @default "auto" to prune, "own" to rank
	 */
	readonly workingWeights?: WorkingWeights | undefined;
	/**
	 * Tokens that run through a block at once in the search, 1 to 65536. It changes the last bits of results. Figures and the final
	 * comparison are measured with the usual number. @default as in an earlier run of the same search; for a new search the usual number,
	 * or what short measurements find faster if at least 60 evaluations are planned
	 */
	readonly ubatch?: number | undefined;
	/** Type of the hidden states that a search keeps between evaluations: F16 takes half the memory and changes results slightly. @default "F32" */
	readonly stateType?: StateType | undefined;
	/** Memory budget for hidden states kept between evaluations, bytes; beyond it, or if memory is short, they are computed again. @default 2^30 */
	readonly stateBytes?: number | undefined;
	/**
	 * Memory budget for the reference logits of one split, bytes: two for each position and token of the vocabulary. If the metric `kl` or a
	 * limit on the divergence needs more it is refused; figures of quantized models then have no divergence. @default 2^30
	 */
	readonly referenceBytes?: number | undefined;
}

/** Text that is measured on. */
export interface TextOptions {
	/** Text files; several count by their weights, 1 if none is given. @default self-generated text */
	readonly calibration?: readonly (string | CalibrationFile)[] | undefined;
	/**
	 * What self-generated text begins with: `documents` with the start token, `chats` every second window with a user's turn, if the model's file has a
	 * chat template that llama.cpp knows. With `wide` every second window goes on with a short opening: an encyclopedia, code, a story, another language
	 * and others. A continuation that loops or changes its script is drawn again. @default "documents"
	 */
	readonly selfText?: TextMix | undefined;
	/** Windows to search on, at least 2. @default 10; with granularity `attention` 5, or more if they are short */
	readonly windows?: number | undefined;
	/**
	 * Tokens in a window, at least 8; more than the model's context is an error. With granularity `attention` the second half of each is
	 * scored. @default 128; with granularity `attention` 512, or less if the context or the text is shorter
	 */
	readonly windowLength?: number | undefined;
}

/** What the search minimizes. */
export interface MetricOptions {
	/**
	 * Metric to minimize. `loss` is the negative log-likelihood of the text in nats per token. `kl` is the KL divergence from the original
	 * model on it, KL(original || pruned). `accuracy` is -log of the right choice's share among the choices of `questions`. @default "loss"
	 */
	readonly metric?: Metric | undefined;
	/** File of multiple-choice questions, for the metric `accuracy`. */
	readonly questions?: string | undefined;
	/** Questions to take from the beginning of the file, at least 7. @default all */
	readonly maxQuestions?: number | undefined;
}

export interface MeasureOptions extends JobOptions, MachineOptions, UnknownOptions, TextOptions, MetricOptions {
	/** How blocks are chosen, and what that may take. */
	readonly search?: BlockSearchOptions | undefined;
}

/** What a search removes: whole blocks only, half-block cuts too, or attention parts alone. */
export interface GranularityUsed {
	readonly used: SearchGranularity;
	/** For people: that it was given, or why it is the default for this model and method. */
	readonly reason: string;
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

/** What the removal of a shifted pair alone adds: the feed-forward part of a block and the attention part of the next. */
export interface ShiftedPairCost {
	/** Its position alone: `[12.5]` is `12f-13a`. In JSON files it is that text. */
	readonly removed: readonly number[];
	/** Loss added to that of the original model, nats per token. */
	readonly added: number;
	/** In the same unit, paired by window. Missing if one window says nothing of it. */
	readonly standardError?: number | undefined;
}

/** How important a shifted pair is, by a surrogate over parts of blocks. */
export interface ShiftedPairImportance {
	/** Its position alone: `[12.5]` is `12f-13a`. In JSON that people read it is that text. */
	readonly removed: readonly number[];
	readonly value: number;
	/** In the unit of the value; missing if it is not known. */
	readonly standardError?: number | undefined;
	/** Its share in v = PPL(original) / PPL(kept parts), from 0 to 1. */
	readonly unit: "value";
}

/** How important one block is. */
export interface BlockImportance {
	readonly block: number;
	readonly value: number;
	/** In the unit of the value. */
	readonly standardError?: number | undefined;
	/**
	 * `nats`: loss per token that its removal alone adds. `value`: its share in v = PPL(original) / PPL(kept blocks), from 0 to 1.
	 * `score`: what a baseline gives it, on a scale of its own.
	 */
	readonly unit: ImportanceUnit;
}
