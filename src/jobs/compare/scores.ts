// Figures of a comparison from losses. Pure.
import type { CompareRow, Difference } from "../../api/compare.js";
import type { Measurement } from "../../game/game.js";
import { fewestWindows } from "../../game/sources.js";
import type { ComparedMethod } from "../../api/methods.js";
import { differences, finite, meanAndError, studentT95 } from "../../game/statistics.js";

type Sources = Measurement["sources"];

/** A method's set of one size with its losses: of each text one number a window. */
export interface Scored {
	readonly method: ComparedMethod;
	readonly removed: readonly number[] | null;
	readonly proposedBy?: string | undefined;
	/** Empty where there is no set. */
	readonly losses: readonly Float64Array[];
}

/** What the texts say of a set. */
export type TextRow = Omit<CompareRow, "accuracy">;

/**
 * Rows of one size. The best method has the lowest mean over the texts; the others are held against it window by window.
 * @param full losses of the original model, of each text one number a window
 * @param shares of each text the sources that its windows come from, which count by their weights. @default every window counts the same
 */
export function compareRows(
	sets: readonly Scored[],
	full: readonly Float64Array[],
	shares: readonly Sources[] = [],
): { best: ComparedMethod | null; rows: TextRow[] } {
	const means = sets.map(({ removed, losses }) => (removed ? meanDifference(losses, full, shares) : none));
	const best = means.reduce((at, { mean }, i) => (mean !== null && mean < (means[at]?.mean ?? Number.POSITIVE_INFINITY) ? i : at), -1);
	// Standard errors within which two methods are tied (95 %, two-sided), by the text or source of fewest windows, as in the race.
	const windows = full.map(({ length }, text) => fewestWindows(length, shares[text]));
	const within = studentT95(Math.max(1, Math.min(...windows) - 1));
	const rows = sets.map((set, i): TextRow => {
		const { method, removed, proposedBy, losses } = set;
		const above = best < 0 || means[i]!.mean === null ? none : aboveBest(set, sets[best]!, shares);
		return {
			method,
			removed,
			...(proposedBy === undefined ? {} : { proposedBy }),
			added: full.map((whole, text) => (removed ? textDifference(losses[text]!, whole, shares[text]) : none)),
			mean: means[i]!,
			above,
			withinBest: withinOf(above, within),
		};
	});
	return { best: sets[best]?.method ?? null, rows };
}

/** null where one window says nothing of chance. A broken model is worse whatever the error. */
function withinOf({ mean, standardError }: Difference, within: number): boolean | null {
	if (mean === null) return false;
	return standardError === null ? null : mean <= within * standardError;
}

const none: Difference = { mean: null, standardError: null };

function aboveBest(set: Scored, best: Scored, shares: readonly Sources[]): Difference {
	// Without the noise of taking a mean of zeros: equal sets are equal.
	if (set.removed!.join() === best.removed!.join()) return { mean: 0, standardError: 0 };
	return meanDifference(set.losses, best.losses, shares);
}

function textDifference(a: Float64Array, b: Float64Array, sources: Sources): Difference {
	const { mean, standardError } = meanAndError(differences(a, b), sources);
	return { mean: finite(mean), standardError: finite(standardError ?? Number.NaN) };
}

/** Mean over texts of the mean paired difference; the texts' errors are independent. */
function meanDifference(a: readonly Float64Array[], b: readonly Float64Array[], shares: readonly Sources[]): Difference {
	const texts = a.map((losses, text) => textDifference(losses, b[text]!, shares[text]));
	if (texts.some(({ mean }) => mean === null)) return none;
	const mean = texts.reduce((sum, text) => sum + text.mean!, 0) / texts.length;
	const variance = texts.reduce((sum, text) => sum + (text.standardError ?? Number.NaN) ** 2, 0);
	return { mean, standardError: finite(Math.sqrt(variance) / texts.length) };
}
