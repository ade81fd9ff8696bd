// What a race says of how it was decided.
import type { JobOptions } from "../../api/index.js";
import { logger } from "../../api/logger.js";
import { holdsCut } from "../../game/parts.js";
import { askedAmount, formatBlocks } from "../../notation.js";
import type { ProposedSet } from "../methods/selection-context.js";
import type { Field, ToldApart } from "./ties.js";

/** The winner of each size, and the sets that are tied with it. */
type Winners = ReadonlyMap<
	number,
	ProposedSet & {
		readonly tied?: readonly { readonly removed: readonly number[]; readonly above: number; readonly standardError: number }[] | undefined;
	}
>;

/**
 * Says of each size where another set won than that of the method, which comes first among the choices, where whole blocks won over
 * half-block cuts that are better by no more than the error, and where the winner is not the one that the comparison's text alone would take.
 */
export function rivalNotes(winners: Winners, choices: readonly ProposedSet[], fields: readonly Field[]): string[] {
	const [first] = choices;
	// Sets that were left out earlier were not compared by all that was measured.
	const last = new Set(fields.flat().map(({ coalition }) => coalition.removed().join()));
	return [...winners.values()].flatMap(({ method, removed, tied = [] }) => {
		const what = `${askedAmount(removed).words}: ${formatBlocks(removed)}`;
		const overCuts = (cuts: readonly number[]) => `${what} is taken, as ${formatBlocks(cuts)} is not better by more than its error`;
		const ahead = tied.filter((set) => set.above < 0 && last.has(set.removed.join()));
		const withinError = ({ above, standardError }: (typeof ahead)[number]) => -above <= standardError;
		const cuts = ahead.find((set) => holdsCut(set.removed) && withinError(set));
		if (cuts && !holdsCut(removed)) return [overCuts(cuts.removed)];
		if (ahead[0])
			return [
				`${what} is taken: ${formatBlocks(ahead[0].removed)} is ahead in the final comparison by ${withinError(ahead[0]) ? "less than its error" : "no more than chance"}, and worse by all that was measured`,
			];
		if (method === first?.method) return [];
		// A search that was stopped has no set of its own of some sizes.
		const own = choices.find((choice) => choice.method === first?.method && choice.removed.length === removed.length);
		if (own === undefined) return [];
		return !holdsCut(removed) && holdsCut(own.removed)
			? overCuts(own.removed)
			: `${what} (${method}) is better in the final comparison than the choice of ${first?.method}`;
	});
}

/**
 * What further text was measured, and where the race had to end before it was decided.
 * @param limit what more of it would do, where the masks were the limit
 */
export function noteFurther({ fields, leftOut, parts, stopped }: ToldApart, winners: Winners, limit: string, options: JobOptions): void {
	const ended = { text: "there is no more text of this kind", masks: `more would ${limit}` };
	const why = stopped && `: ${ended[stopped]}`;
	const sets = new Set(parts.flat().map(({ key }) => key));
	const further = fields.filter(([best]) => sets.has(best.coalition.key)).map(([best]) => winners.get(best.coalition.removals));
	const left = further.reduce((sum, winner) => sum + (winner?.tied?.length ?? 0), 0);
	const before = new Set([...sets, ...leftOut.map(({ set }) => set.coalition.key)]);
	const some = before.size > sets.size ? `the best ${sets.size} of them were ` : "";
	if (sets.size > 0)
		logger(options)(
			"note",
			`${before.size} candidates were tied; ${some}compared again on ${parts.length === 1 ? "" : "up to "}${1 + parts.length} times the text${left === 0 ? "" : `; ${left} tied with the best`}${why ? `; some stay undecided${why}` : ""}`,
		);
	else if (why) logger(options)("note", `some candidates stay tied${why}`);
}
