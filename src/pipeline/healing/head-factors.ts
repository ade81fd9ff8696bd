// Factors of attention heads behind the cuts within healing: what they are fitted to, and whether they are kept.
import type { JobOptions } from "../../api/index.js";
import { comparedAt, type ComparedOptions, mostComparedBytes } from "./reference-text.js";
import { Coalition } from "../../game/coalition.js";
import { atOnce, findFactors, type HeadFactors } from "../../model/fitting/factors.js";
import type { GgufFile } from "../../model/gguf/index.js";
import { orRestored, restore } from "../../model/fitting/standing.js";
import type { HealedTensor } from "../../model/fitting/tensors.js";
import { logger } from "../../api/logger.js";
import type { Evaluator } from "../../model/runtime/evaluator.js";
import type { ComparedText } from "../../model/fitting/tuning.js";
import { bytesOfReference } from "../../model/runtime/positions.js";
import { vocabularyOf } from "../../model/runtime/ubatch.js";
import { firstWindows, type TokenWindows } from "../../model/runtime/windows.js";

/** Tokens that the divergence is measured on, the first of those that the cuts are fitted to. */
export const factorTokens = 8192;
/** Most of their positions that are scored. */
const scoredShare = 0.25;
/** Passes of these tokens through the pruned model that may be spent. */
export const mostPasses = 100;

/** Bytes that the original model's distributions and the matrices that are tried take, at most. */
export function factorBytes(file: GgufFile): number {
	const reference = bytesOfReference(scoredShare * factorTokens, vocabularyOf(file));
	const matrices = file.tensors.filter(({ name }) => /attn_(q|output)\.weight$/.test(name)).map(({ source }) => source.size);
	// Those of a batch in JavaScript, on their way into the addon and in llama.cpp's memory; and one as numbers, twice.
	return Math.min(mostComparedBytes, reference) + (3 * 2 * atOnce + 8) * Math.max(0, ...matrices);
}

/** Undefined, with a warning, where --reference-bytes leaves no room. @param fit what the cuts are fitted to */
export async function factorText(
	evaluator: Evaluator,
	fit: TokenWindows,
	seed: number,
	options: ComparedOptions,
): Promise<ComparedText | undefined> {
	const windows = firstWindows(fit, Math.ceil(factorTokens / fit.length));
	options.progress?.work({ phase: "computing reference logits", done: 0, total: 0, unit: "percent" });
	const text = await comparedAt(evaluator, windows, { share: scoredShare, seed }, options);
	if (!text) logger(options)("warning", "attention heads are not weighed: --reference-bytes is too small for the reference logits");
	return text;
}

/** A pruned model, and what its factors are fitted to and judged by. */
export interface FactorJob {
	/** Ascending. */
	readonly removed: readonly number[];
	/** Matrices that stand in the model. */
	readonly healed: readonly HealedTensor[];
	readonly text: ComparedText;
	/** Mean loss of the pruned model as it stands on the search split, or its divergence from the original model. */
	readonly figure: () => Promise<number>;
}

/**
 * Finds factors and keeps them in the model where that lowers the loss on the search split, or the divergence there.
 * @returns none where they do not help
 */
export async function healFactors(
	evaluator: Evaluator,
	{ removed, healed, text, figure }: FactorJob,
	options: JobOptions,
): Promise<{ tensors: readonly HealedTensor[]; factors: readonly HeadFactors[] }> {
	const { model, ubatch, threads } = evaluator;
	const before = await figure();
	const found = await findFactors(model, {
		...{ removed, healed: healed.map(({ name }) => name), ...text, passes: mostPasses, ubatch, threads, signal: options.signal },
		mask: (set) => Coalition.ofRemoved(model.facts.blocks, set),
		onProgress: (done, total) =>
			options.progress?.work({ phase: "weighing attention heads", done: Math.round((100 * done) / total), total: 100, unit: "percent" }),
	});
	if (found.tensors.length === 0) {
		logger(options)(
			"warning",
			"attention heads are not weighed: no weighting brings the model nearer to the original one, or none is possible",
		);
		return { tensors: [], factors: [] };
	}
	const after = await orRestored(model, found.tensors, figure);
	logger(options)(
		"debug",
		`factors of heads in ${found.factors.length} matrices: divergence ${found.before.toFixed(4)} -> ${found.after.toFixed(4)}, on the search split ${before.toFixed(4)} -> ${after.toFixed(4)}`,
	);
	if (after < before) return found;
	logger(options)("warning", "attention heads are not weighed: it does not help on the search split");
	await restore(model, found.tensors);
	return { tensors: [], factors: [] };
}
