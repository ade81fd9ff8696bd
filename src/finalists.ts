// The sets that the race decides between.
import type { Choices } from "./choose.js";
import { nearBest } from "./near-best.js";
import type { Choice } from "./race.js";
import type { Session } from "./session.js";
import { bestBySource } from "./source-rivals.js";

/** A method's own sets of these sizes first, then their rivals. */
export function finalists(session: Session, { found, rivals }: Choices, sizes: readonly number[]): Choice[] {
	const own = [...found.byCount.values()].map(({ removed }) => ({ removed, method: found.method }));
	return [...own, ...rivals, ...bestBySource(session, sizes), ...nearBest(session, sizes)].filter(({ removed }) =>
		sizes.includes(removed.length),
	);
}
