// The work of a run before it is done, by numbers alone: how many candidates, on how many tokens, and how long that takes.
import type { Effort } from "../../api/index.js";
import { masksIn } from "../../game/search/time-limit.js";
import { furtherShare } from "../race/race.js";
import { furtherAtMost, partsAfter, tieRounds } from "../race/ties.js";
import type { PlannedSeconds } from "./steps.js";

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
	/** Tokens that a mask runs on each split. */
	readonly tokens: Readonly<Record<"search" | "validation" | "heldOut", number>>;
	/** Seconds of an evaluation on the search split; NaN if not known. */
	readonly secondsPerMask: number;
	/** Seconds of a token outside the search, which the model itself runs. @default that of the search */
	readonly secondsPerToken?: number | undefined;
	/** Seconds of a token in the final comparison. @default as elsewhere outside the search */
	readonly secondsPerRacedToken?: number | undefined;
	/** Seconds in which each draw of further text is sampled, one a round: 0 for what is there. @default none, as for text of files */
	readonly drawing?: readonly number[] | undefined;
	/** Seconds that the search may take. */
	readonly maxTime?: number | undefined;
}

/** Candidates at most of the search, of the comparison of finalists, and of further text for those that are tied. */
function countsOf({ masks, known, singles, sizes, field, effort, secondsPerMask, maxTime }: WorkAsked) {
	const inTime = masksIn(maxTime ?? Number.POSITIVE_INFINITY, secondsPerMask);
	const searched = Math.min(masks, Math.max(inTime, singles - known));
	const raced = field * sizes;
	const most = field === 1 ? 0 : sizes * furtherAtMost(effort, field);
	return { searched, raced, further: Math.min(most, Math.floor((known + searched) * furtherShare)) };
}

/** Tokens of all splits at most; a search that is limited in time is raced for as much less. */
export function workOf(asked: WorkAsked): { readonly tokens: number } {
	const { tokens } = asked;
	const { searched, raced, further } = countsOf(asked);
	// The original model is raced too, and for the figures it and the winner are measured again, on the held-out split as well.
	return { tokens: searched * tokens.search + (3 + raced + further) * tokens.validation + 4 * tokens.heldOut };
}

/** Seconds of a token outside the search. */
export const secondsPerTokenOf = ({ secondsPerMask, tokens, secondsPerToken = secondsPerMask / tokens.search }: WorkAsked) =>
	secondsPerToken;

const racedPerToken = (asked: WorkAsked) => asked.secondsPerRacedToken ?? secondsPerTokenOf(asked);

/** Seconds by step: half of the further text, which not every comparison needs. */
export function plannedSeconds(asked: WorkAsked): PlannedSeconds {
	const { tokens, secondsPerMask } = asked;
	const { searched, raced, further } = countsOf(asked);
	const perToken = secondsPerTokenOf(asked);
	const heldOut = tokens.heldOut * perToken;
	return {
		search: searched * secondsPerMask,
		compare: ((raced + further / 2) * racedPerToken(asked) + 3 * perToken) * tokens.validation + 2 * heldOut,
		drawing: furtherSeconds(asked).drawing / 2,
		heldOut,
	};
}

/** Seconds of the finalists beside one of each size, on the validation split. */
export function finalistSeconds(asked: WorkAsked): number {
	const { tokens, sizes } = asked;
	return (countsOf(asked).raced - sizes) * tokens.validation * racedPerToken(asked);
}

/** Seconds of further text in the final comparison at most: of measuring it, and of drawing what is not there. */
export function furtherSeconds(asked: WorkAsked): { readonly measuring: number; readonly drawing: number } {
	const { tokens, effort, drawing = [] } = asked;
	const { further } = countsOf(asked);
	// A round compares at least two sets.
	const drawn = drawing.slice(0, tieRounds[effort]).filter((_, round) => further >= 2 * partsAfter(round + 1));
	return {
		measuring: further * tokens.validation * racedPerToken(asked),
		drawing: drawn.reduce((sum, seconds) => sum + seconds, 0),
	};
}
