// What a run that is limited in time does, and what it leaves out. Pure: the clock and all estimates are handed in.

/** Parts that are left out where time is short, the first one first. Further finalists and the search come after them. */
export const leftOutInOrder = ["samples", "speed", "further text"] as const;
export type OptionalPart = (typeof leftOutInOrder)[number];

/** Seconds of each part, as far as they are estimated. */
export interface PartSeconds {
	/** What is done in any case: a candidate on the validation split, the figures, healing, writing and verifying, the report. */
	readonly fixed: number;
	/** Further finalists, which a search proposes; below 0 where fewer sizes were found than are counted in {@link fixed}. */
	readonly finalists: number;
	/** One further finalist of each size. */
	readonly ofEach: number;
	/** 0 for parts that nobody asked for, or that are left out already. */
	readonly optional: Readonly<Record<OptionalPart, number>>;
	/** The search as its effort has it; the standard one if only a time is given. */
	readonly usual: number;
	/** The least that a search takes: the single removals. */
	readonly singles: number;
	/** By which a search may end late: an evaluation. */
	readonly late: number;
	/** Candidates that are chosen without a search: their measurement on the search split. */
	readonly unsearched: number;
}

/** How a run spends its time. */
export interface TimePlan {
	/** Seconds for the search; undefined if candidates are chosen without one. */
	readonly search: number | undefined;
	/** Seconds for further finalists. */
	readonly finalists: number;
	/** In the order of {@link leftOutInOrder}. */
	readonly leftOut: readonly OptionalPart[];
}

/** Estimates of what cannot be left out may be wrong by this share of them. */
const margin = 0.1;

/** The fewest seconds in which a candidate is chosen and verified. */
export function fewestSeconds({ fixed, unsearched }: Pick<PartSeconds, "fixed" | "unsearched">): number {
	return (1 + margin) * fixed + unsearched;
}

/**
 * Shares out the seconds that are left. Parts are left out one after the other until the usual search fits; then the search gets what there is, but for
 * what it may end late by. Where not all finalists fit, they share what the single removals leave with the search. Where it does not hold these, the search
 * is left out itself.
 * @returns undefined where not even one candidate can be measured and verified
 */
export function planTime(left: number, parts: PartSeconds): TimePlan | undefined {
	if (left < fewestSeconds(parts)) return undefined;
	const { fixed, ofEach, optional, usual, singles, late } = parts;
	const free = left - (1 + margin) * fixed - late;
	if (free < singles) return withoutSearch(left, parts);
	const spare = free - singles;
	// What is known of a search is gone through once more, and its surrogate fitted.
	const searching = Math.min(Math.max(usual - singles, spare / 4), spare / 2);
	const room = (spare - searching) / (1 + margin);
	const finalists = room < parts.finalists ? Math.floor(room / ofEach + 1e-9) * ofEach : parts.finalists;
	const beside = free - (1 + margin) * finalists;
	const { leftOut, kept } = leaveOut(beside - usual, optional);
	return { search: beside - kept, finalists, leftOut };
}

/** One candidate of each size is chosen without a search: none is compared on further text. */
function withoutSearch(left: number, { fixed, unsearched, optional }: PartSeconds): TimePlan {
	const { leftOut } = leaveOut(left - fewestSeconds({ fixed, unsearched }), { ...optional, "further text": 0 });
	return { search: undefined, finalists: 0, leftOut: optional["further text"] > 0 ? [...leftOut, "further text"] : leftOut };
}

/** Parts that no longer fit beside what must still be done. The search has ended: that its estimates were wrong shows in what is left. */
export function leftOutLate(
	left: number,
	{ fixed, finalists, optional }: Pick<PartSeconds, "fixed" | "finalists" | "optional">,
): readonly OptionalPart[] {
	return leaveOut(left - fixed - finalists, optional).leftOut;
}

/** Seconds for further finalists after the search. */
export const finalistsLate = (left: number, { fixed, finalists }: Pick<PartSeconds, "fixed" | "finalists">): number =>
	Math.min(finalists, left - fixed);

/** Leaves out one part after the other, until the others fit. @returns the seconds of those that are kept, too */
function leaveOut(free: number, optional: PartSeconds["optional"]): { readonly leftOut: readonly OptionalPart[]; readonly kept: number } {
	const leftOut: OptionalPart[] = [];
	let kept = leftOutInOrder.reduce((sum, part) => sum + optional[part], 0);
	for (const part of leftOutInOrder) {
		if (kept <= free || optional[part] === 0) continue;
		leftOut.push(part);
		kept -= optional[part];
	}
	return { leftOut, kept };
}
