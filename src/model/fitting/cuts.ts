// Gaps that removed parts leave, and the matrices beside them that can give back what is missing.
import { isAttention } from "../../game/parts.js";

/** A run of removed blocks or shifted pairs. What goes behind a shifted run is one cut with it if only a feed-forward part is kept between. */
export interface Cut {
	/** Block of the kept part that comes before the run. Missing at the very start: no block comes before it. */
	readonly before: number | undefined;
	/** First and last removed position: i for block i, i + 0.25 for its attention part alone, i + 0.5 for the feed-forward part of block i and the attention part of block i + 1. */
	readonly first: number;
	readonly last: number;
}

/**
 * The cuts that a removal makes, from the first to the last.
 * @param removed positions, ascending
 */
export function cutsOf(removed: readonly number[]): Cut[] {
	const cuts: Cut[] = [];
	for (const position of removed) {
		const cut = cuts.at(-1);
		if (cut && joins(cut.last, position)) cuts[cuts.length - 1] = { ...cut, last: position };
		else cuts.push({ before: blockBefore(position), first: position, last: position });
	}
	return cuts;
}

/** Whether the last matrix before a position lies before the one ahead of it as well, or in the feed-forward part that alone is kept between. */
function joins(ahead: number, position: number): boolean {
	// The feed-forward part of a block without its attention part is what is fitted, for whole blocks behind it too.
	if (isAttention(ahead)) return position === Math.floor(ahead) + 1;
	if (isAttention(position)) return false;
	return position === ahead + 1 || (!Number.isInteger(ahead) && position === ahead + 1.5);
}

function blockBefore(position: number): number | undefined {
	if (isAttention(position)) return Math.floor(position) - 1;
	if (!Number.isInteger(position)) return position - 0.5;
	return position === 0 ? undefined : position - 1;
}

/** The removed positions of a cut. @param removed positions, ascending */
export const removedIn = ({ first, last }: Pick<Cut, "first" | "last">, removed: readonly number[]): number[] =>
	removed.filter((position) => position >= first && position <= last);

/** The part whose matrix is fitted at a half-block cut: the attention part before it, or the feed-forward part behind it. */
export const cutParts = ["attention", "feed-forward"] as const;
export type CutPart = (typeof cutParts)[number];

/** What is fitted where nothing else is said. */
export const defaultParts: readonly CutPart[] = ["feed-forward"];

/** Where a matrix is fitted, and to what. */
export interface Place extends Cut {
	/** At a half-block cut only. */
	readonly part?: CutPart;
	/** Block of the matrix. */
	readonly block: number;
	/** Block whose feed-forward part is the last before the states that are compared. The attention part is followed by nothing there. */
	readonly after: number;
	/** Block of the original model that gives the wanted state; of its attention part if that is fitted. */
	readonly target: number;
}

/** The cut that nothing comes before, or a place. */
export type CutPlace = Place | (Cut & { readonly before: undefined });

/**
 * The matrices that can be fitted, in order. A cut of whole blocks has the last matrix of the block before. A half-block cut has that
 * of the attention part before it, and that of the feed-forward part behind it. Without its attention part alone a block has that of its
 * feed-forward part.
 * @param removed positions, ascending
 * @param parts which of the two, in this order
 */
export function placesOf(removed: readonly number[], parts: readonly CutPart[]): CutPlace[] {
	const gone = new Set(removed);
	return cutsOf(removed).flatMap((cut): CutPlace[] => {
		const { before, first, last } = cut;
		if (before === undefined) return [{ ...cut, before }];
		if (isAttention(first)) {
			const block = Math.floor(first);
			return parts.includes("feed-forward") ? [{ ...cut, part: "feed-forward", block, after: block, target: Math.floor(last) }] : [];
		}
		if (Number.isInteger(first)) return [{ ...cut, block: before, after: before, target: last }];
		let end = first;
		while (gone.has(end + 1)) end++;
		const behind = end + 0.5;
		const of = {
			attention: { block: before, after: behind, target: behind },
			"feed-forward": { block: behind, after: behind, target: Math.max(behind, last) },
		};
		return cutParts.filter((part) => parts.includes(part)).map((part) => ({ ...cut, part, ...of[part] }));
	});
}

/** Whether a block comes before the cut. */
export const isPlace = (place: CutPlace): place is Place => place.before !== undefined;
