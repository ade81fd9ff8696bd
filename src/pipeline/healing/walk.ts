// From the set that was chosen to one that is better healed. Pure: what is measured is handed in.
import type { MethodSettings } from "../../api/options/settings.js";
import type { Measurement } from "../../game/game.js";
import { runsMovedByHalf } from "../../game/pairs.js";
import { shiftedRuns } from "../../model/fitting/neighbors.js";
import { beats, replaces } from "../race/beats.js";
import { holdsCut } from "../../game/parts.js";

/** What a final comparison knows of a set. */
interface KnownSet {
	readonly removed: readonly number[];
	/** To the loss on the validation split; not finite where the set breaks the model. */
	readonly added: number;
	/** Sets that are tied with it, the best first. */
	readonly tied?: readonly { readonly removed: readonly number[] }[] | undefined;
}

/** The same blocks in their order. */
export const ascending = (blocks: readonly number[]): number[] => [...blocks].sort((a, b) => a - b);

/**
 * Other finalists of the size of the chosen one, each once however many methods propose it, ascending: first those tied with it, in their order, then the
 * others by what they add. Those that break the model are left out.
 * @param anySize whether finalists of other sizes are alternatives too. @default false
 */
export function startsOf(
	{ chosen, finalists }: { readonly chosen: KnownSet; readonly finalists: readonly KnownSet[] },
	anySize = false,
): number[][] {
	const keyOf = (removed: readonly number[]) => ascending(removed).join();
	const tied = (chosen.tied ?? []).map(({ removed }) => keyOf(removed));
	const place = (key: string) => (tied.includes(key) ? tied.indexOf(key) : tied.length);
	const others = new Map(
		finalists
			.filter(({ removed, added }) => (anySize || removed.length === chosen.removed.length) && Number.isFinite(added))
			.map((set) => [keyOf(set.removed), set]),
	);
	others.delete(keyOf(chosen.removed));
	return [...others]
		.sort(([a, first], [b, second]) => place(a) - place(b) || first.added - second.added)
		.map(([, { removed }]) => ascending(removed));
}

/**
 * The first of these starts, with the first one without half-block cuts among them where the chosen set has a cut: healing gives back more of whole
 * blocks (docs/research/healing-studies.md).
 * @param whole whether that one must have no attention parts alone either, as among sets that save as much time. @default false
 */
export function firstStarts(chosen: readonly number[], starts: readonly number[][], most: number, whole = false): number[][] {
	const isKept = (set: readonly number[]) => (whole ? set.every(Number.isInteger) : !holdsCut(set));
	const first = starts.slice(0, most);
	if (isKept(chosen) || first.some(isKept)) return first;
	const kept = starts.find(isKept);
	return kept ? [...first.slice(0, most - 1), kept] : first;
}

/** Where a walk goes. */
export interface HealedWalk {
	/** Sets that are tried first. */
	readonly starts: readonly number[][];
	/** Sets that are tried after a set has won. */
	readonly next: (best: readonly number[]) => readonly number[][];
	/** Sets that are tried if none of those has won. @default none */
	readonly last?: (best: readonly number[]) => readonly number[][];
	/** A set, healed. */
	readonly measure: (set: readonly number[]) => Promise<Measurement>;
	/** Sets that are measured at most, the chosen one among them. */
	readonly most: number;
}

/**
 * Moves of one run of removed blocks: by a block, and if half-block cuts are searched, by half a block. These come last: they must win by more than the
 * error, and healing takes long.
 */
export function runMoves(blocks: number, granularity: MethodSettings["granularity"]): Required<Pick<HealedWalk, "next" | "last">> {
	return {
		next: (set) => shiftedRuns(set, blocks),
		last: (set) => (granularity === "half-block" ? runsMovedByHalf(blocks, set) : []),
	};
}

/**
 * Takes one set after the other that is better healed. The place of the chosen set is taken only by more than the standard error; among sets that may take
 * it the lowest mean wins, and whole blocks win over half-block cuts that are better by no more than the error.
 * @param chosen ascending
 * @returns the chosen set where none is better
 */
export async function walkHealed(
	chosen: readonly number[],
	{ starts, next, last = () => [], measure, most }: HealedWalk,
): Promise<readonly number[]> {
	const measured = new Map<string, Measurement>();
	const of = async (set: readonly number[]) => {
		const found = measured.get(set.join()) ?? (await measure(set));
		measured.set(set.join(), found);
		return found;
	};
	let best = chosen;
	// A set that has lost its place does not come back: whole blocks take the place of half-block cuts that are better by less than the error.
	const held = new Set([best.join()]);
	const wins = async (set: readonly number[]) => beats(await of(set), await of(best)) && replaces(await of(set), await of(chosen));
	const better = async (sets: readonly number[][]) => {
		let found = false;
		for (const set of sets) {
			if (held.has(set.join())) continue;
			if (measured.size >= most && !measured.has(set.join())) break;
			if (!(await wins(set))) continue;
			[best, found] = [set, true];
			held.add(set.join());
		}
		return found;
	};
	await better(starts);
	while ((await better(next(best))) || (await better(last(best))));
	return best;
}
