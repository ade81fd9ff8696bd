// Text with the whole model's distributions on it, for healing to come near to.
import { drawPositions } from "./calibration/index.js";
import { Coalition } from "./game/coalition.js";
import type { ComparedText } from "./healing/tuning.js";
import type { Evaluator } from "./runtime/evaluator.js";
import { availableMemory } from "./runtime/memory.js";
import { bytesOfReference } from "./runtime/positions.js";
import type { TokenWindows } from "./runtime/windows.js";

/** What the whole model's distributions on a text may take: fewer positions are scored where all would take more. */
export const mostComparedBytes = 2 ** 29;

/** Positions that predict something, and as many of them as a share and {@link mostComparedBytes} allow. */
export function positionsAt({ count, length }: Pick<TokenWindows, "count" | "length">, vocabulary: number, share: number): number {
	return Math.min(share * count * (length - 1), Math.floor(mostComparedBytes / bytesOfReference(1, vocabulary)));
}

/** @param share of the positions that are scored, at most */
export async function comparedAt(
	evaluator: Evaluator,
	windows: TokenWindows,
	{ share, seed, signal }: { share: number; seed: number; signal?: AbortSignal | undefined },
): Promise<ComparedText> {
	const scored = positionsAt(windows, evaluator.model.facts.vocabulary, share);
	const positions = drawPositions(windows, { share: scored / (windows.count * (windows.length - 1)), seed });
	const full = Coalition.full(evaluator.model.facts.blocks);
	const reference = await evaluator.createReference(full, windows, { positions, maxBytes: 2 * mostComparedBytes, signal });
	return { windows, positions, reference };
}

/**
 * The model's own samples with its distributions on them, at all positions if they take no more than {@link mostComparedBytes}; undefined
 * where there is no memory for them. The loss on own samples is an estimate of the divergence, with the chance of the drawn tokens on top.
 */
export async function comparedText(
	evaluator: Evaluator,
	windows: TokenWindows,
	{ seed, signal }: { seed: number; signal?: AbortSignal | undefined },
): Promise<ComparedText | undefined> {
	const { vocabulary } = evaluator.model.facts;
	// Twice: healing itself needs memory as well.
	if (2 * bytesOfReference(positionsAt(windows, vocabulary, 1), vocabulary) > availableMemory()) return undefined;
	return comparedAt(evaluator, windows, { share: 1, seed, signal });
}
