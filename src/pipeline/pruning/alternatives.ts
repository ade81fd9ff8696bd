// Beside the pruned model: the original model quantized to the same size.
import { PruneGgufError } from "../../errors.js";
import type { Healing } from "../healing/heal-model.js";
import { logger } from "../../api/logger.js";
import { type AlternativesSettings, compareQuantized } from "../quantizing/alternatives.js";
import type { ModelWeights } from "../writing/quantize-weights.js";
import { timedIn } from "../session/timings.js";
import { hashOf } from "../../storage/hash.js";
import type { QuantizedAlternatives } from "../../storage/plan-quantized.js";
import type { Remains } from "./remains.js";
import type { Settings } from "../../api/options/settings.js";

/** A pruned model that is delivered. */
export interface Delivered {
	readonly removed: readonly number[];
	/** The written file. */
	readonly output: string | undefined;
	/** Whose weights are quantized, where they are not the model's. */
	readonly original: ModelWeights | undefined;
	/** Where it was healed. */
	readonly healing: Healing | undefined;
}

/** Whether it is asked for, and what it reads then. */
export type AskedAlternatives = AlternativesSettings & Pick<Settings<"prune">, "quantizedAlternatives">;

/** Key of all that decides what the healed matrices are. */
function healedKey({ weights: { sha256 }, seed, settings }: Remains, { section: { seconds: _, ...section } }: Healing): string {
	// Under the names of version 1 of plans, so that what it measured is found.
	const named = Object.entries(section).map(([name, value]) => [name === "heldOut" ? "report" : name, value] as const);
	return hashOf([sha256, seed, settings, Object.fromEntries(named)]);
}

/**
 * Where it is asked for: the original model quantized to the size of the pruned one, beside it. The pruned model is delivered by then, so
 * that a failure is a warning.
 */
export async function alternativesIfAsked(
	remains: Remains,
	{ removed, output, original, healing }: Delivered,
	options: AskedAlternatives,
): Promise<QuantizedAlternatives | undefined> {
	if (!options.quantizedAlternatives) return undefined;
	const { weights: source, folder, settings, sources, windows } = remains;
	const written = options.quantize === undefined ? undefined : output;
	const healed = healing?.section.applied ? { key: healedKey(remains, healing), tensors: healing.tensors } : undefined;
	const job = { source, original, removed, written, healed, sources, windows, folder, settings };
	try {
		return await timedIn(remains.timings, "quantized alternatives", () => compareQuantized(job, options));
	} catch (error) {
		options.signal?.throwIfAborted();
		if (!(error instanceof PruneGgufError)) throw error;
		logger(options)("warning", `the quantized alternatives were not measured: ${error.message}`);
		return undefined;
	}
}
