// How much a run has to measure, before it does.
import type { Effort } from "../../api/index.js";
import { furtherShare } from "../race/race.js";
import { partsAfter, tieRounds } from "../race/ties.js";
import { masksIn } from "../../game/search/time-limit.js";

export interface WorkAsked {
	/** Masks of the search that are left at most, and those that are known. */
	readonly masks: number;
	readonly known: number;
	/** Masks of the search that no limit of time interrupts. */
	readonly singles: number;
	/** Sizes that are raced, sets of each, and how long on further text. */
	readonly sizes: number;
	readonly field: number;
	readonly effort: Effort;
	/** Tokens that a mask runs on each fold. */
	readonly tokens: Readonly<Record<"search" | "validation" | "report", number>>;
	/** Of the search fold; NaN where it is not known. */
	readonly secondsPerMask: number;
	/** Seconds that the search may take. */
	readonly maxTime?: number | undefined;
}

/** Tokens of all folds at most, and seconds at this speed; a search that is limited in time is raced for as much less. */
export function workOf(asked: WorkAsked): { readonly tokens: number; readonly seconds: number } {
	const { masks, known, singles, sizes, field, effort, tokens, secondsPerMask, maxTime } = asked;
	const inTime = masksIn(maxTime ?? Number.POSITIVE_INFINITY, secondsPerMask);
	const searched = Math.min(masks, Math.max(inTime, singles - known));
	const raced = field * sizes;
	const most = field === 1 ? 0 : raced * partsAfter(tieRounds[effort]);
	const further = Math.min(most, Math.floor((known + searched) * furtherShare));
	// The full model is raced too, and for the figures it and the winner are measured again, on the report fold as well.
	const all = searched * tokens.search + (3 + raced + further) * tokens.validation + 4 * tokens.report;
	return { tokens: all, seconds: (secondsPerMask * all) / tokens.search };
}
