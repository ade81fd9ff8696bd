// Which of two sets is better on the same text, and which one is taken. Half-block cuts are more sets than whole blocks are, so that the best of
// them is more often best by chance: they must win by more than the error.
import type { Measurement } from "../../game/game.js";
import { fewestWindows } from "../../game/sources.js";
import { differences, meanAndError, studentT95 } from "../../game/statistics.js";
import { isWithoutCuts } from "./kinds.js";

/** Nats per token within which it does not matter which of two sets is taken: half a hundredth of the perplexity. */
export const indifference = 0.005;

/** A set above another one, on the same windows. */
export interface Above {
	readonly mean: number;
	/** Paired by window; undefined where a source has a single window. */
	readonly standardError: number | undefined;
	/** Standard errors on either side of the 95 % interval (Student's t); undefined with the error. */
	readonly t: number | undefined;
}

export function above(set: Measurement, from: Measurement): Above {
	const { mean, standardError } = meanAndError(differences(set.losses, from.losses), from.sources);
	const windows = fewestWindows(from.losses.length, from.sources);
	return { mean, standardError, t: windows < 2 ? undefined : studentT95(windows - 1) };
}

/** Half the width of the interval; undefined where there is none. */
const reach = ({ standardError, t }: Above) => (standardError === undefined || t === undefined ? undefined : t * standardError);

/** Whether 0 is in the interval; without one nothing is said. */
export const isTied = (difference: Above): boolean => difference.mean <= (reach(difference) ?? Number.NEGATIVE_INFINITY);

/** Whether one is worse, for all that is known. */
export const isWorse = (difference: Above): boolean => difference.mean > (reach(difference) ?? Number.POSITIVE_INFINITY);

/** Whether one of the two may be worth more than another. */
export const matters = (difference: Above): boolean =>
	Math.abs(difference.mean) + (reach(difference) ?? Number.POSITIVE_INFINITY) > indifference;

/**
 * Whether a set takes the place of another one, on the same windows: with the lower mean. One with half-block cuts takes that of whole blocks
 * only with a mean that is lower by more than the standard error of the difference, paired by window; whole blocks take its place otherwise.
 */
export function beats(set: Measurement, other: Measurement): boolean {
	if (!isSound(set)) return false;
	if (!isSound(other)) return true;
	const { mean, standardError = Number.POSITIVE_INFINITY } = above(other, set);
	if (isWithoutCuts(set.coalition) === isWithoutCuts(other.coalition)) return mean > 0;
	return isWithoutCuts(set.coalition) ? mean >= -standardError : mean > standardError;
}

/** Whether a set takes the place of one that was chosen by more than this text: also among sets of one kind only by more than the standard error. */
export function replaces(set: Measurement, chosen: Measurement): boolean {
	if (![set, chosen].every(isSound) || isWithoutCuts(set.coalition) !== isWithoutCuts(chosen.coalition)) return beats(set, chosen);
	const { mean, standardError = Number.POSITIVE_INFINITY } = above(chosen, set);
	return mean > standardError;
}

export const meanOf = ({ losses, sources }: Pick<Measurement, "losses" | "sources">) => meanAndError(losses, sources).mean;

/** The first of those with the lowest mean. */
export function lowest(sets: readonly Measurement[]): Measurement | undefined {
	return sets.reduce<Measurement | undefined>((best, set) => (best === undefined || meanOf(set) < meanOf(best) ? set : best), undefined);
}

/** Whether a set breaks the model on no window. */
export const isSound = ({ losses }: Measurement): boolean => losses.every(Number.isFinite);

/** The set without half-block cuts that those with cuts must beat: that with the lowest mean. */
export const lowestWithoutCuts = (sets: readonly Measurement[]): Measurement | undefined =>
	lowest(sets.filter((set) => isWithoutCuts(set.coalition) && isSound(set)));

/** Whether a set may be taken. @param whole the lowest without half-block cuts, on the same windows; undefined where there is none */
export const mayWin = (set: Measurement, whole: Measurement | undefined): boolean =>
	whole === undefined || isWithoutCuts(set.coalition) || beats(set, whole);
