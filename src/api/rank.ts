import type { PairInteraction } from "../game/attribution/interactions.js";
import type { RankMethod } from "./methods.js";
import type { Plan } from "../storage/plan.js";
import type {
	BlockImportance,
	BlockSearchOptions,
	GranularityUsed,
	MeasureOptions,
	ModelSummary,
	Metric,
	ShiftedPairCost,
	SearchGranularity,
	ShiftedPairImportance,
} from "./measure.js";
import type { PlanContext } from "../storage/plan-speed.js";

// Options and results of `rankBlocks`.

export interface RankSearchOptions extends Omit<BlockSearchOptions, "method" | "granularity" | "rounds"> {
	/** A method that gives each block a number, or an estimator. @default "leave-one-out" */
	readonly method?: RankMethod | undefined;
	/**
	 * What is ranked. `half-block`: also shifted pairs, each the feed-forward part of a block and the attention part of the next. Methods
	 * leave-one-out, which takes one evaluation more for each pair, and auto, on architectures whose blocks have two parts. `attention`:
	 * attention parts alone, in the place of blocks, on architectures like llama. Methods leave-one-out and auto, and the estimators.
	 * @default "half-block" if the method and the architecture allow it, else "block"
	 */
	readonly granularity?: SearchGranularity | undefined;
	/** Most candidates to evaluate. @default auto: by effort; paper: 8000; paper-repaired: 1000; the estimators: 26 a block, 300 to 800 */
	readonly maxEvaluations?: number | undefined;
}

export interface RankOptions extends Omit<MeasureOptions, "search"> {
	/** How the importance of blocks is measured, and what that may take. */
	readonly search?: RankSearchOptions | undefined;
	/**
	 * Numbers of blocks, or attention parts, that the verdicts are about; the largest is also the window of the estimators.
	 * @default a third of the blocks, half of the attention parts that can go
	 */
	readonly removeBlocks?: number | readonly number[] | undefined;
	/**
	 * With granularity `attention`: tokens of context that the model is used at, at least 256. Longer ones are seen on longer windows. It
	 * changes nothing if `windowLength` is given, and is refused with metric accuracy.
	 * @default 4096, or what the model was trained on if that is less
	 */
	readonly context?: number | undefined;
}

/** A block, or with granularity `attention` its attention part. */
export interface RankedPart {
	readonly block: number;
	/** With granularity `attention`: the position of the part alone. `[14.25]` is `14a`; in JSON that people read it is that text. */
	readonly removed?: readonly number[] | undefined;
}

/** Whether a block is among the `cut` blocks of lowest importance. */
export interface BlockVerdict extends RankedPart {
	/**
	 * Chance that it is among them; null if the error of its importance is unknown. If that of another block is, halfway between the
	 * chances with all such blocks below it and above it.
	 */
	readonly chance: number | null;
	/** `low`: surely among them (95 %), `high`: surely not, wherever blocks of unknown error stand; else `undecided`. */
	readonly verdict: "low" | "high" | "undecided";
}

export interface RankResult {
	readonly model: ModelSummary;
	readonly metric: Metric;
	/** Loss of the original model, in the unit of the metric. */
	readonly loss: number;
	/** As asked for. */
	readonly method: RankMethod;
	/** What was estimated, and how: see docs/research/method.md. */
	readonly estimator: string;
	/** Whether half-block cuts are ranked too, or attention parts alone, and why. */
	readonly granularity: GranularityUsed;
	/**
	 * With granularity `attention`: what the search saw of the context, and its tokens if the length of the windows depends on it. Missing with
	 * metric accuracy, which sees questions whole.
	 */
	readonly context?: (Partial<Pick<PlanContext, "context">> & Pick<PlanContext, "seen">) | undefined;
	readonly importance: readonly (BlockImportance & RankedPart)[];
	/** With granularity `half-block`: what each shifted pair adds alone, in order; with method auto of those that were measured. Missing otherwise. */
	readonly shiftedPairs?: readonly ShiftedPairCost[];
	/** With granularity `half-block` and method auto: the importance of shifted pairs, in order. Those with a part of a block that stays have none. */
	readonly shiftedImportance?: readonly ShiftedPairImportance[];
	/** Blocks never removed, with reasons. */
	readonly frozen: readonly (RankedPart & { readonly reason: string })[];
	/** Blocks whose removal alone costs too much, with reasons: some methods keep them in every further candidate. */
	readonly critical: readonly (RankedPart & { readonly reason: string })[];
	/** Number of blocks that the verdicts are about: the largest number that was asked for, or all that may be removed if these are fewer. */
	readonly cut: number;
	/** The verdicts of every number that was asked for, ascending; the last one holds `cut` and `verdicts`. */
	readonly cuts: readonly { readonly cut: number; readonly verdicts: readonly BlockVerdict[] }[];
	/** Blocks that may be removed but that no candidate of the estimator removed: they have no importance, and are undecided. */
	readonly unseen: readonly RankedPart[];
	/**
	 * One for each block that may be removed, in order. Empty if the importance comes without errors: exact ones, those of a network, whose own
	 * errors nobody knows, and those of a single window.
	 */
	readonly verdicts: readonly BlockVerdict[];
	/** Pairs of blocks, redundant ones first; empty if no surrogate knows them. `units` names pairs of attention parts. */
	readonly interactions: readonly PairInteraction[];
	readonly surrogate?: Plan["surrogate"];
	/** Candidates that were evaluated. */
	readonly evaluations: number;
	readonly seconds: number;
}
