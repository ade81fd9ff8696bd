import * as v from "valibot";
import { finiteOrNull } from "./plan-values.js";

// What a plan says of its quality limits.

/** The limits that were given, and what was measured on the held-out split; null if not finite or not known. */
export const limitsSchema = v.strictObject({
	met: v.boolean(),
	/** Whether one was missed and the model was written all the same. */
	ignored: v.boolean(),
	/** `memory`: the model without the blocks, before it was written; `file`: the quantized file as it was written. */
	measured: v.picklist(["memory", "file"], "expected memory or file"),
	figures: v.array(
		v.strictObject({
			/** Option that set the limit; of an accuracy with the name of the questions: `min-accuracy arc_easy`. */
			name: v.pipe(v.string(), v.nonEmpty("expected text, got an empty string")),
			limit: v.pipe(v.number(), v.finite("expected a finite number")),
			/** A ratio of perplexities, nats per token, a share from 0 to 1, or bytes. */
			value: finiteOrNull,
			/** Of the value. */
			standardError: finiteOrNull,
			met: v.boolean(),
		}),
	),
});

/** Quality limits, and whether they were met. */
export type PlanLimits = v.InferOutput<typeof limitsSchema>;
/** One limit, and what was measured. */
export type PlanLimit = PlanLimits["figures"][number];
