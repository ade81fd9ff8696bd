// Which positions of a split count.
import { type Calibration, drawPositions, type SplitName } from "../../model/calibration/index.js";
import type { ScoredPositions } from "../../model/runtime/positions.js";
import type { SessionSettings } from "../../api/options/settings.js";

/** Positions of a split that count. */
export interface SplitPositions {
	/** First position that is scored. @default 0 */
	readonly scoreFrom?: number;
}

/** What of a split counts: the text that proves a file is scored at all positions. */
export function scoredOf(split: SplitName, { scoreFrom, scoreHeldOut = false }: SessionSettings): SplitPositions {
	return scoreFrom === undefined || (split === "heldOut" && !scoreHeldOut) ? {} : { scoreFrom };
}

/** Positions that the search scores, where it does not score all. */
export function drawnPositions({ splits }: Pick<Calibration, "splits">, options: SessionSettings): ScoredPositions | undefined {
	const { scoreShare = 1, seed = 0 } = options;
	if (scoreShare === 1) return undefined;
	return drawPositions(splits.search, { share: scoreShare, seed, ...scoredOf("search", options) });
}
