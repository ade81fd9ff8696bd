import type { FileType } from "../model/runtime/file-type-names.js";
import type { Speedup } from "./speed.js";
import type { MeanAndError, ModelFigures } from "../storage/plan-quantized.js";
import type { MeasuredTimes, PlanContext, SpeedRatio } from "../storage/plan-speed.js";
import type { Estimate, HealingOptions, TargetSpeedup } from "./prune.js";
import type { GranularityUsed, MeasureOptions, MetricOptions, ModelSummary } from "./measure.js";

// Options and results of `findFrontier`.

export interface FrontierQuantize {
	/**
	 * Types to quantize to, beside the weights as they are.
	 * @default of Q8_0, Q6_K, Q5_K_M, Q4_K_M, Q3_K_M and Q2_K those whose file is smaller than the model; all with `targetSpeedup`
	 */
	readonly types?: readonly FileType[] | undefined;
	/** F16, BF16 or F32 file of the same model, whose weights are quantized, and with which all is compared. @default the model */
	readonly from?: string | undefined;
}

/** With `heal` every candidate is also healed, if that helps it, which takes as long for each as a run with `heal`. */
export interface FrontierOptions extends Omit<MeasureOptions, keyof MetricOptions>, HealingOptions {
	/** Bytes that the file may have at most. @default no bound */
	readonly targetSize?: number | undefined;
	/** How many times fewer blocks are run at least, above 1; a measured speed-up is smaller than that. Not with granularity `attention`. @default no bound */
	readonly targetCompute?: number | undefined;
	/**
	 * How many times as fast as the model it is at least, above 1, measured: every combination takes turns with the model. A number is
	 * taken of generation. With granularity `attention` it is the generation at the context, derived from measured times of the parts.
	 * @default no bound
	 */
	readonly targetSpeedup?: TargetSpeedup | undefined;
	/** Blocks, or attention parts, to remove at most. @default a third of the blocks, half of the attention parts that can go, or what a target may need */
	readonly maxBlocks?: number | undefined;
	/**
	 * With granularity `attention`: tokens of context that the model is used at, at least 256. Time per token and the KV cache are those
	 * there. @default 4096, or what the model was trained on if that is less
	 */
	readonly context?: number | undefined;
	/** Types that are tried, and whose weights are quantized. */
	readonly quantize?: FrontierQuantize | undefined;
	/** File that the result is written to, as JSON. */
	readonly saveResult?: string | undefined;
	/** Replace an existing file. @default false */
	readonly overwrite?: boolean | undefined;
	/** Say what would be measured and how long it would take; nothing is written but the cache. @default false */
	readonly dryRun?: boolean | undefined;
}

/** Whether another cell is as good in everything and better in something. */
export interface Dominated {
	/** By loss and bytes. */
	readonly bytes: boolean;
	/** By loss and what stands for compute. */
	readonly compute: boolean;
	/** By loss and KV cache; only with granularity `attention`. */
	readonly kvCache?: boolean | undefined;
	/** By all of these together. */
	readonly both: boolean;
}

/** One number of removed blocks, or of removed attention parts, in one type of weights, measured on the validation split. */
export interface FrontierCell extends ModelFigures {
	/** As llama.cpp names it; `own`: the weights as they are. */
	readonly type: FileType | "own";
	/** Removed blocks, ascending: i for block i, i + 0.25 for its attention part alone. i + 0.5 is the feed-forward part of block i and the attention part of block i + 1. */
	readonly removed: readonly number[];
	/** Whether the cuts are healed: on the model's own weights, whose new matrices are then of this type like those in their place. */
	readonly healed?: boolean | undefined;
	/** Blocks kept. */
	readonly blocks: number;
	/** Size of the file: the original model in this type, without the tensors of the removed blocks, with the healed ones. */
	readonly bytes: number;
	/** Share of the blocks that are run, 0..1. */
	readonly compute: number;
	/** How many times as fast as the original model; only with `targetSpeedup`. With granularity `attention` it is derived: see `context.times`. */
	readonly speedup?: SpeedRatio | undefined;
	/**
	 * Milliseconds per generated token at the context, derived from measured times of this type's parts. Only with granularity `attention`,
	 * and if half of the blocks can be left out to measure them.
	 */
	readonly milliseconds?: number | undefined;
	/** Bytes of the KV cache at the context, in F16; only with granularity `attention`. */
	readonly kvCache?: number | undefined;
	/** Whether the targets are met; without one, whether it adds no more than `goal.maxAdded`. */
	readonly fits: boolean;
	readonly dominated: Dominated;
	/** The same figures on the held-out split, which no choice has seen: of the best cell of each type that fits, and of its original model. */
	readonly heldOut?: ModelFigures | undefined;
}

/** Times of the parts of one type of weights, in seconds per generated token, and when they were measured. */
export interface FrontierTimes extends MeasuredTimes {
	readonly type: FileType | "own";
}

/** What a frontier of attention parts knows of the context. */
export interface FrontierContext extends Pick<PlanContext, "context" | "seen"> {
	/**
	 * Times that `milliseconds` and `speedup` are derived from, those of the weights as they are first. Each type was measured by itself, not
	 * in turns with the others, or by an earlier run: how exact a speed-up of one type over another is, is not known. Missing if none were
	 * measured.
	 */
	readonly times?: readonly FrontierTimes[] | undefined;
	/** For people: which times are extrapolated, and that types were not measured in turns. */
	readonly notes: readonly string[];
}

export interface FrontierResult {
	readonly model: ModelSummary;
	/** The original model that all is compared with, and its loss on the held-out split. */
	readonly reference: { readonly name: string; readonly sha256: string; readonly bytes: number; readonly loss: MeanAndError };
	/** Whether what was quantized is quantized already, which makes every other type worse than it could be. */
	readonly sourceQuantized: boolean;
	/** Name of the type that the model's own weights have, such as `Q4_1`: what `own` stands for in `cells`. */
	readonly ownType: string;
	readonly goal: {
		readonly targetSize?: number | undefined;
		readonly targetCompute?: number | undefined;
		readonly targetSpeedup?: number | undefined;
		readonly speedupOf?: Speedup | undefined;
		/** Nats per token that the best choice may add; only if there is no target. */
		readonly maxAdded?: number | undefined;
		/** What the best choice has least of at the context within `maxAdded`, with granularity `attention`. Else it is the smallest file. */
		readonly least?: "time" | "kvCache" | undefined;
	};
	/**
	 * What stands for compute. `blocks` is the share of the blocks that are run; LM head and embedding are run in any case. With
	 * `targetSpeedup` it is the speed that was measured, of the prompt or of generation. With granularity `attention` it is the time per
	 * token at the context, or the KV cache if no half of the blocks can be left out to measure times.
	 */
	readonly computeAxis: "blocks" | Speedup | "time" | "kvCache";
	/** Whether half-block cuts were searched too, or attention parts alone, and why. */
	readonly granularity: GranularityUsed;
	/**
	 * With granularity `attention`: tokens of context that time and KV cache are of, times of the parts, and what the search saw. All losses
	 * are of the positions that it scored, those on the held-out split too.
	 */
	readonly context?: FrontierContext | undefined;
	/** Text of the figures: windows of the validation split and of the held-out split, and tokens in each. */
	readonly text: { readonly source: string; readonly validation: number; readonly heldOut: number; readonly length: number };
	/** Best choice first, then what fits by loss, then the rest by loss. */
	readonly cells: readonly FrontierCell[];
	/** The choice; absent if no cell fits. */
	readonly best?: FrontierCell | undefined;
	readonly verdict: {
		/** What the best choice does: `pruning` and `quantizing` alone, `both`, or `neither` (the original model). Absent if nothing fits. */
		readonly better?: "pruning" | "quantizing" | "both" | "neither" | undefined;
		/**
		 * Whether the held-out split confirms it. The best choice is compared with the best of the other kind (with blocks removed, or
		 * without). Its loss must be lower by more than the 95 % interval of the paired difference. Absent if none of the other kind fits, or
		 * without a target.
		 */
		readonly confirmed?: boolean | undefined;
		/** The combination that the text compares the best choice with; without a best choice the one that comes nearest. */
		readonly beside?: FrontierCell | undefined;
		/** For people. */
		readonly text: string;
	};
	/**
	 * The command that writes the best choice. A second one heals it too, if it loses more than 0.1 nats per token and was not healed: what
	 * that gives was not measured.
	 */
	readonly commands: readonly string[];
	/** After a dry run: what the run would do, and how long that would take. `cells` is empty then, and the losses are null. */
	readonly estimate?: Estimate | undefined;
	readonly seconds: number;
}
