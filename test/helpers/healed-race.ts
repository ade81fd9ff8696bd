import type { HealingSettings, MethodSettings } from "../../src/api/options/settings.js";
import { type RacedHealed, raceHealed } from "../../src/pipeline/healing/race.js";
import { type Finalist, type Race, race } from "../../src/pipeline/race/race.js";
import { standingOf } from "../../src/pipeline/race/standing.js";
import type { Session } from "../../src/pipeline/session/session.js";

/**
 * A race of healed sets in which the worst unhealed one is the one that the search chose.
 * @param healing further options of that race, not of the one before it
 */
export async function racedFromWorst(
	session: Session,
	sets: readonly (readonly number[])[],
	options: HealingSettings & Pick<MethodSettings, "granularity">,
	healing: Pick<HealingSettings, "onLog"> = {},
): Promise<{ readonly decided: Race; readonly worst: Finalist; readonly raced: RacedHealed }> {
	const named = sets.map((removed) => ({ removed, method: "by hand" }));
	const decided = await race(session, named, options);
	const worst = decided.finalists.reduce((a, b) => (b.added > a.added ? b : a));
	const raced = await raceHealed(session, { ...standingOf(decided), chosen: worst }, { ...options, ...healing });
	return { decided, worst, raced };
}
