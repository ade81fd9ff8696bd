// The sets that the race decides between.
import { nearBest } from "./near-best.js";
import type { Session } from "../session/session.js";
import { bestBySource } from "./by-source.js";
import type { ProposedSet, Choices } from "../methods/selection-context.js";

/** Sizes that there is a set of, ascending: a search that was stopped has its rivals' alone of some. */
export function sizesFound({ found, rivals }: Pick<Choices, "found" | "rivals">): number[] {
	const sizes = new Set([...found.byCount.keys(), ...rivals.map(({ removed }) => removed.length)]);
	return [...sizes].sort((a, b) => a - b);
}

/** A method's own sets of these sizes first, then their rivals; a set once for each method that proposes it. */
export function finalists(session: Session, { found, rivals }: Choices, sizes: readonly number[]): ProposedSet[] {
	const own = [...found.byCount.values()].map(({ removed }) => ({ removed, method: found.method }));
	const proposed = [...own, ...rivals, ...bestBySource(session, sizes), ...nearBest(session, sizes)];
	// The sets tied with the best one hold the best one too, and a ranking may be asked for the sets of a size twice.
	const once = new Map(proposed.map((choice) => [`${choice.method}: ${choice.removed.join()}`, choice]));
	return [...once.values()].filter(({ removed }) => sizes.includes(removed.length));
}

/** How many sets these are: several methods may propose the same one, which is measured once. */
export const countSets = (sets: readonly Pick<ProposedSet, "removed">[]): number => new Set(sets.map(({ removed }) => removed.join())).size;
