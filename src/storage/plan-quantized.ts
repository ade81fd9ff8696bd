import * as v from "valibot";
import { finiteOrNull, positiveWhole, sha256Hex, someText } from "./plan-values.js";

// What a plan says of quantized models: the one that was written, and the same model quantized instead of pruned.

/** A mean over windows and its standard error; null if not finite, or if there are fewer than two windows. */
const mean = v.strictObject({ mean: finiteOrNull, standardError: finiteOrNull });

const figures = {
	/** Nats per token. */
	loss: mean,
	/** To the loss of the reference: after - before, paired by window, nats per token. */
	added: mean,
	/** KL(reference || this model), nats per token; null if the reference's distributions take more memory than is allowed. */
	divergence: v.nullable(mean),
	/** Share of positions where both find the same token most likely, 0..1. */
	agreement: v.nullable(mean),
};

/** The quantized model as it was written, measured on the held-out split; the reference is the original model. */
export const quantizedSchema = v.strictObject({
	/** Type of the file, as llama.cpp names it. */
	type: someText,
	/** Whose weights were quantized, if they were not those of the model. */
	from: v.optional(v.strictObject({ name: someText, sha256: sha256Hex })),
	/** Of the file. */
	bytes: positiveWhole,
	...figures,
});

/** The same model quantized at about the size of the pruned one, on the held-out split. */
export const quantizedAlternativesSchema = v.strictObject({
	/** The original model that all are compared with: the model, or the file that `quantizeFrom` names. */
	reference: v.strictObject({ name: someText, sha256: sha256Hex, bytes: positiveWhole, loss: mean }),
	/** Whether the items were made of weights that are quantized already, which makes them worse than they could be. */
	sourceQuantized: v.boolean(),
	/** The pruned model. */
	pruned: v.strictObject({ name: someText, bytes: positiveWhole, ...figures }),
	/** The original model in other types by size, largest first; named by their type. */
	items: v.array(
		v.strictObject({
			name: someText,
			bytes: positiveWhole,
			...figures,
			/** Loss of this one - loss of the pruned one, paired by window: below 0 if quantizing is better. */
			againstPruned: mean,
		}),
	),
	verdict: v.strictObject({
		/**
		 * By the 95 % interval of the paired difference at equal size or less; `undecided` if it holds 0, or if the original model is
		 * that small in no type.
		 */
		better: v.picklist(["pruning", "quantizing", "undecided"], "expected pruning, quantizing or undecided"),
		/** The type that pruning was compared with; absent if none is as small. */
		against: v.optional(someText),
		/** For people. */
		text: someText,
	}),
});

/** A mean over windows and its standard error. */
export type MeanAndError = v.InferOutput<typeof mean>;
/** A model beside a reference. */
export type ModelFigures = { [Name in keyof typeof figures]: v.InferOutput<(typeof figures)[Name]> };
export type Quantized = v.InferOutput<typeof quantizedSchema>;
export type QuantizedAlternatives = v.InferOutput<typeof quantizedAlternativesSchema>;
export type QuantizedAlternative = QuantizedAlternatives["items"][number];
