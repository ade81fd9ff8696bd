// Factors of heads and feed-forwards behind the cuts within healing: what they are fitted to, and whether they are kept.
import { drawPositions } from "./calibration/index.js";
import { Coalition } from "./game/coalition.js";
import { findFactors, type FoundFactors, type MatrixFactors, withScaled } from "./healing/factors.js";
import type { HealedTensor } from "./healing/tensors.js";
import { logger } from "./log.js";
import type { JobOptions } from "./api.js";
import type { Evaluator } from "./runtime/evaluator.js";
import type { Model } from "./runtime/model.js";
import type { Reference, ScoredPositions } from "./runtime/positions.js";
import { firstWindows, type TokenWindows } from "./runtime/windows.js";

/** Tokens that the divergence is measured on; a quarter of their positions is scored. */
const factorTokens = 2048;
const scoredShare = 0.25;
/** Of what the fit of the cuts runs through the model, what the search of factors may run. */
const budget = 4;

/** Text with the whole model's own distributions on it: kept before anything is healed. */
export interface FactorText {
	readonly windows: TokenWindows;
	readonly positions: ScoredPositions;
	readonly reference: Reference;
	/** Passes of these windows that may be spent. */
	readonly passes: number;
}

/** @param fit what the cuts are fitted to */
export async function factorText(evaluator: Evaluator, fit: TokenWindows, seed: number, options: JobOptions): Promise<FactorText> {
	const windows = firstWindows(fit, Math.ceil(factorTokens / fit.length));
	const positions = drawPositions(windows, { share: scoredShare, seed });
	const full = Coalition.full(evaluator.model.facts.blocks);
	const reference = await evaluator.createReference(full, windows, { positions, signal: options.signal });
	return { windows, positions, reference, passes: (budget * fit.count) / windows.count };
}

/** What the search for factors needs to know of the healed model. */
export interface FactorJob {
	readonly model: Model;
	readonly evaluator: Evaluator;
	readonly removed: readonly number[];
	readonly healed: readonly HealedTensor[];
	/** Mean loss of the pruned model as it stands on the text that decides. */
	readonly loss: () => Promise<number>;
}

/**
 * Finds factors and keeps them in the model where the loss on the deciding text falls.
 * @returns all new matrices, the healed ones included, and the factors; none where they do not help
 */
export async function healFactors(
	{ model, evaluator, removed, healed, loss }: FactorJob,
	text: FactorText,
	options: JobOptions,
): Promise<{ tensors: readonly HealedTensor[]; factors: readonly MatrixFactors[] }> {
	const before = await loss();
	const { ubatch, threads } = evaluator;
	const found: FoundFactors = await findFactors(model, {
		...{ removed, standing: healed, ...text, ubatch, threads, signal: options.signal },
		mask: (set) => Coalition.ofRemoved(model.facts.blocks, set),
		onProgress: (done, total) => options.onProgress?.({ phase: "factors behind the cuts", done, total, unit: "masks" }),
	});
	if (found.tensors.length === 0) return { tensors: healed, factors: [] };
	const after = await loss();
	logger(options)(
		"debug",
		`factors of ${found.factors.length} matrices: divergence ${found.before.toFixed(4)} -> ${found.after.toFixed(4)}, loss on the tuning text ${before.toFixed(4)} -> ${after.toFixed(4)}`,
	);
	if (after < before) return { tensors: withScaled(healed, found.tensors), factors: found.factors };
	for (const { name } of found.tensors)
		await model.replaceTensor(
			name,
			healed.find((one) => one.name === name),
		);
	return { tensors: healed, factors: [] };
}
