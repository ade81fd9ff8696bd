// Options and results of `applyPlan`.
import type { PlanHeal } from "../storage/plan-heal.js";
import type { Quantized } from "../storage/plan-quantized.js";
import type { LimitedOptions, PlanLimits } from "./gate.js";
import type { JobOptions, MachineOptions, UnknownOptions } from "./job.js";
import type { BlockSearchOptions, ModelSummary, TextOptions } from "./measure.js";
import type { HealingOptions, QuantizeOutputOptions, WrittenFile } from "./prune.js";

export interface ApplyOptions
	extends JobOptions,
		MachineOptions,
		UnknownOptions,
		TextOptions,
		QuantizeOutputOptions,
		LimitedOptions,
		HealingOptions {
	/** File of the plan to carry out; either this or `remove`. */
	readonly plan?: string | undefined;
	/**
	 * Blocks to remove. Blocks are numbered from 0: `[3, 7]`, or text such as `"3, 6-9a, 12f-15a"`. There `6-9a` is attention parts alone and `12f-15a` is a half-block cut; in a list 6.25 is `6a` and 12.5 is `12f-13a`.
	 */
	readonly remove?: readonly number[] | string | undefined;
	/** Settings of the text that limits are measured on. */
	readonly search?: Pick<BlockSearchOptions, "seed" | "referenceBytes"> | undefined;
	/** Replace the output if it is there; the model never. @default false */
	readonly overwrite?: boolean | undefined;
}

export interface ApplyResult {
	readonly model: ModelSummary;
	/** Removed blocks, ascending: i for block i, i + 0.25 for its attention part alone. i + 0.5 is the feed-forward part of block i and the attention part of block i + 1. */
	readonly removed: readonly number[];
	readonly output: WrittenFile;
	/** With `quantize`: the written file beside the original model, on the windows that the pruned file was verified on. */
	readonly quantized?: Quantized | undefined;
	/** If limits were given. */
	readonly limits?: PlanLimits | undefined;
	/** What healing did, if it was asked for. */
	readonly heal?: PlanHeal | undefined;
	/** Commands that go on from here: the first runs the file. Without limits the second measures its quality; `FILE` in it is a text of yours. */
	readonly commands: readonly string[];
	readonly seconds: number;
}
