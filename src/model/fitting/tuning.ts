// The figure that decides between variants of healing: the loss on some text, or the divergence from the original model there.
import { average } from "../../game/statistics.js";
import type { Evaluator } from "../runtime/evaluator.js";
import type { Reference, ScoredPositions } from "../runtime/positions.js";
import type { TokenWindows } from "../runtime/windows.js";
import type { BlockMask } from "../runtime/masks.js";

/** Text with the original model's own distributions on it, made while the model still has the file's values. */
export interface ComparedText {
	readonly windows: TokenWindows;
	readonly positions: ScoredPositions;
	readonly reference: Reference;
}

/** Text that is scored by the loss, from a position on. */
export interface LossText {
	readonly windows: TokenWindows;
	/** @default 0 */
	readonly scoreFrom?: number | undefined;
}

/** Text that decides between variants of healing. */
export type TuningText = LossText | ComparedText;

/** Mean of {@link tuningValues}; nats per token. */
export async function tuningFigure(...given: Parameters<typeof tuningValues>): Promise<number> {
	return average(await tuningValues(...given));
}

/**
 * Loss of a set of blocks in its current state, or its divergence from the original model if the text has one: of each window, in nats per
 * token.
 */
export async function tuningValues(
	evaluator: Evaluator,
	mask: BlockMask,
	text: TokenWindows | TuningText,
	signal?: AbortSignal,
): Promise<Float64Array> {
	const { windows, ...scored } = "windows" in text ? text : { windows: text };
	const [found] = await evaluator.evaluate([mask], windows, { ...scored, signal });
	return found!.divergences ?? found!.losses;
}
