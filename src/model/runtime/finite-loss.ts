import { formatBlocks } from "../../notation.js";
import { EvaluationError } from "../../errors.js";

/**
 * Refuses figures of a model that broke down. A search handles sets of blocks without a finite loss. A final result cannot, and nothing can
 * be compared with such a model.
 * @param losses of windows, tokens or choices, in any unit
 * @param removed blocks that were removed in the measurement
 * @throws EvaluationError if one is not finite
 */
export function checkFiniteLosses(path: string, losses: ArrayLike<number>, removed: readonly number[] = []): void {
	const broken = Array.from(losses).find((loss) => !Number.isFinite(loss));
	if (broken === undefined) return;
	throw new EvaluationError(
		removed.length > 0
			? `${path} without blocks ${formatBlocks(removed)} computes no finite loss on this text (${broken}): remove fewer or other blocks`
			: `${path} computes no finite loss on this text (${broken}), so it cannot be measured: its weights hold values that are not finite, or it overflows. Download the file again, or convert the model again`,
	);
}
