// The work of a run before it is done, by numbers alone: how many candidates, on how many tokens, and how long that takes.
import type { Effort } from "../../api/index.js";
import { masksIn } from "../../game/search/time-limit.js";
import type { SplitName } from "../../model/calibration/index.js";
import { furtherShare } from "../race/race.js";
import { furtherAtMost, partsAfter, tieRounds } from "../race/ties.js";
import type { PlannedSeconds } from "./steps.js";

export interface WorkAsked {
	/** Masks of the search that are left at most, and those that are known. */
	readonly masks: number;
	readonly known: number;
	/** Masks of the search that no limit of time interrupts. */
	readonly singles: number;
	/** Attention parts whose removal alone is known, with the blocks beside them and the original model, if these are searched. @default 0 */
	readonly knownSingles?: number | undefined;
	/** Sizes that are raced, sets of each, and how long on further text. */
	readonly sizes: number;
	readonly field: number;
	/** Whether half-block cuts are among them. @default false */
	readonly cuts?: boolean | undefined;
	readonly effort: Effort;
	/** Sets on the validation split that the model itself measures once more, after a comparison on a copy of it. @default 0 */
	readonly confirmed?: number | undefined;
	/** Sets with fewer blocks that are measured too if the choice costs much, at most. A limit of time gives them what is left. @default 0 */
	readonly smaller?: number | undefined;
	/** Splits whose reference logits are made; those of further text are, too, if those of the validation split are. @default none */
	readonly references?: readonly SplitName[] | undefined;
	/** Whether nothing is measured for the figures of a set that was chosen, which are those of the held-out split. @default false */
	readonly noFigures?: boolean | undefined;
	/** Splits on which a limit makes reference logits once more, and measures a set with them. @default none */
	readonly limited?: readonly SplitName[] | undefined;
	/** Tokens of the text that this is measured on. @default those of a mask */
	readonly textTokens?: Readonly<Record<"validation" | "heldOut", number>> | undefined;
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
	/** Whether tied finalists get no further text. @default false */
	readonly noFurther?: boolean | undefined;
}

/** Evaluations at most. */
interface Counts {
	readonly searched: number;
	/** The finalists; the original model is compared too. */
	readonly raced: number;
	/** Those that are tied, on further text. */
	readonly further: number;
	/** What the model itself measures on the validation split: sets once more, and fewer blocks than were chosen. */
	readonly again: number;
	readonly smaller: number;
	/** On the held-out split, for figures: the original model and the winner. */
	readonly reported: number;
	/** Tokens that a limit takes: a pass that makes reference logits, and a set that is compared with them. */
	readonly limits: number;
	/** Passes that make reference logits: of the splits, and of the parts of further text. */
	readonly references: Readonly<Record<SplitName, number>>;
	readonly ofParts: number;
}

function countsOf(asked: WorkAsked): Counts {
	const { masks, known, singles, sizes, field, effort, cuts, confirmed = 0, smaller = 0, references = [], limited = [], maxTime } = asked;
	const { tokens, textTokens = tokens } = asked;
	const forLimit = (split: "validation" | "heldOut") => (limited.includes(split) ? 2 * textTokens[split] : 0);
	const made = (split: SplitName, isRead = true) => (isRead && references.includes(split) ? 1 : 0);
	const searching = (maxTime ?? Number.POSITIVE_INFINITY) - made("search") * passSeconds(asked);
	const searched = Math.min(masks, Math.max(masksIn(searching, asked.secondsPerMask), singles - known));
	const most = field === 1 || asked.noFurther ? 0 : sizes * furtherAtMost(effort, field, cuts);
	const further = Math.min(most, Math.floor((known + searched) * furtherShare));
	const reported = asked.noFigures ? 0 : 2;
	// One set is compared with nothing, unless the divergence is the metric, which all splits are measured by.
	const isCompared = field > 1 || references.includes("heldOut");
	return {
		...{ searched, raced: field * sizes, further },
		// For the figures the original model and the winner are measured again, or were after a comparison on a copy.
		again: Math.max(reported, field === 1 ? 0 : confirmed),
		reported,
		smaller: maxTime === undefined ? smaller : 0,
		limits: forLimit("validation") + forLimit("heldOut"),
		references: { search: made("search", searched > 0), validation: made("validation", isCompared), heldOut: made("heldOut") },
		ofParts: made("validation") * partsAfter(roundsOf(further, effort)),
	};
}

/** Rounds of further text that so many evaluations reach: each compares at least two sets. */
function roundsOf(further: number, effort: Effort): number {
	let rounds = 0;
	while (rounds < tieRounds[effort] && further >= 2 * partsAfter(rounds + 1)) rounds++;
	return rounds;
}

/** Candidates of the search, and tokens of all splits at most; a search that is limited in time is raced for as much less. */
export function workOf(asked: WorkAsked): { readonly evaluations: number; readonly tokens: number } {
	const { tokens } = asked;
	const { searched, raced, further, again, reported, smaller, limits, references, ofParts } = countsOf(asked);
	return {
		evaluations: searched,
		tokens:
			(searched + references.search) * tokens.search +
			(1 + raced + further + again + smaller + references.validation + ofParts) * tokens.validation +
			(2 * reported + references.heldOut) * tokens.heldOut +
			limits,
	};
}

/** Seconds of a token outside the search. */
export const secondsPerTokenOf = ({ secondsPerMask, tokens, secondsPerToken = secondsPerMask / tokens.search }: WorkAsked) =>
	secondsPerToken;

/** Seconds of a pass of the model itself over the search split. */
const passSeconds = (asked: WorkAsked) => asked.tokens.search * secondsPerTokenOf(asked);

const racedPerToken = (asked: WorkAsked) => asked.secondsPerRacedToken ?? secondsPerTokenOf(asked);

/** Seconds by step: half of the further text and of the sets with fewer blocks, which not every run needs. */
export function plannedSeconds(asked: WorkAsked): PlannedSeconds {
	const { tokens, secondsPerMask } = asked;
	const { searched, raced, again, reported, smaller, limits, references } = countsOf(asked);
	const perToken = secondsPerTokenOf(asked);
	const heldOut = tokens.heldOut * perToken;
	const further = furtherSeconds(asked);
	const byModel = again + smaller / 2 + references.validation;
	return {
		search: searched * secondsPerMask + references.search * passSeconds(asked),
		compare:
			((1 + raced) * racedPerToken(asked) + byModel * perToken) * tokens.validation +
			further.measuring / 2 +
			(reported + references.heldOut) * heldOut +
			limits * perToken,
		drawing: further.drawing / 2,
		heldOut,
	};
}

/** Seconds of the finalists beside one of each size, on the validation split. @param sizes that one is counted of elsewhere. @default those that are raced */
export function finalistSeconds(asked: WorkAsked, sizes = asked.sizes): number {
	const { tokens } = asked;
	return (countsOf(asked).raced - sizes) * tokens.validation * racedPerToken(asked);
}

/** Seconds of further text in the final comparison at most: of measuring it, and of drawing what is not there. */
export function furtherSeconds(asked: WorkAsked): { readonly measuring: number; readonly drawing: number } {
	const { tokens, effort, drawing = [] } = asked;
	const { further, ofParts } = countsOf(asked);
	const drawn = drawing.slice(0, roundsOf(further, effort));
	return {
		measuring: further * tokens.validation * racedPerToken(asked) + ofParts * tokens.validation * secondsPerTokenOf(asked),
		drawing: drawn.reduce((sum, seconds) => sum + seconds, 0),
	};
}
