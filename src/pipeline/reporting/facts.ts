// What a report is made of.
import type { ModelSummary, Metric, PruneResult, WrittenFile } from "../../api/index.js";
import type { ReportExtras } from "../../report/report-data.js";
import type { Plan } from "../../storage/plan.js";
import type { Choices } from "../methods/selection-context.js";
import type { Sizes } from "../preflight/model-sizes.js";
import type { Standing } from "../race/standing.js";
import type { AtContext } from "../speed/at-context.js";
import type { TargetSpeeds } from "./verdict.js";
import type { PlanOrigin } from "../planning/origin.js";

/** What a run knows when it has ended. */
export interface RunFacts {
	readonly model: ModelSummary;
	readonly metric: Metric;
	readonly origin: PlanOrigin;
	/** Of the model without these blocks. */
	readonly sizes: (removed: readonly number[]) => Sizes;
	/** Files of the model. */
	readonly inputs: readonly string[];
	readonly frozen: Plan["frozen"];
	readonly choices: Choices | undefined;
	readonly decided: Standing;
	/** What was measured for a target speed-up. */
	readonly speeds?: TargetSpeeds | undefined;
	/** What is known of the context that the model is used at. */
	readonly at?: AtContext | undefined;
	/** What was warned of. */
	readonly warnings: readonly string[];
}

/** What came out of it. */
export interface RunOutcome {
	/** Missing where nothing said how much to remove. */
	readonly plan?: Plan | undefined;
	readonly suggestion?: PruneResult["suggestion"];
	readonly output?: WrittenFile | undefined;
	readonly timings: Readonly<Record<string, number>>;
	readonly seconds: number;
	/** Sections that other measurements fill. */
	readonly extras?: ReportExtras;
}
