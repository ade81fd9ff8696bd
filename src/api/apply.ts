// Options and results of `applyPlan`.
import type { PlanHeal } from "../storage/plan-heal.js";
import type { Quantized } from "../storage/plan-quantized.js";
import type { GateOptions, PlanGate } from "./gate.js";
import type { JobOptions, MachineOptions, UnknownOptions } from "./job.js";
import type { MeasureOptions, ModelSummary } from "./measure.js";
import type { HealOptions, QuantizeOutputOptions, WrittenFile } from "./prune.js";

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
