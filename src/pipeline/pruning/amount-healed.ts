// How many blocks to remove where a limit on the healed model says it.
import { figuresOfHealed, healChosen } from "../healing/of-session.js";
import type { Gate } from "../gate/gate.js";
import { raceHealed, whileRoughlyHealed } from "../healing/race.js";
import { NotEnoughMemoryError } from "../../errors.js";
import { logger } from "../../api/logger.js";
import type { Finalist, Race } from "../race/race.js";
import { standingOf } from "../race/standing.js";
import { askedAmount } from "../../notation.js";
import type { Session } from "../session/session.js";
import { missedText, moreOption, nothingMeets } from "./amount.js";
import type { PlanLimit } from "../../storage/plan-limits.js";
import type { Decision } from "./decision.js";
import type { AmountSettings, HealingSettings, MethodSettings } from "../../api/options/settings.js";

/**
 * The set for the most blocks that meets the gate healed. From the most blocks that meet it as they are, on the validation split, one step
 * up after the other is healed roughly and judged there, as long as the limits are met. The last one is raced healed, healed with all of
 * the text and judged on the held-out split; where that says no, so is the next smaller one.
 * @throws LimitsNotMetError where no set that was found meets it
 */
export async function mostHealedThatMeet(
	session: Session,
	race: Race,
	gate: Gate,
	options: HealingSettings & Pick<AmountSettings, "remove"> & Pick<MethodSettings, "granularity">,
): Promise<Decision> {
	const sets = [...race.winners.values()].sort((a, b) => a.removed.length - b.removed.length);
	if (sets.length === 0) throw nothingMeets(undefined, []);
	const log = logger(options);
	const { last, next } = await stepUp(session, sets, gate, options);
	if (last < 0) throw nothingMeets(sets[0], next!, ", healed");
	if (last === sets.length - 1) {
		log(
			"note",
			`${askedAmount(sets[last]!.removed).words}, the most that were searched, meet the limits on the validation split: ${moreOption(sets[last]!.removed)} with the same limits tries more`,
		);
	}
	let figures: readonly PlanLimit[] = [];
	for (const set of sets.slice(0, last + 1).reverse()) {
		const raced = await raceHealed(session, { ...standingOf(race), chosen: set }, options);
		const decision = await healChosen(session, raced, options);
		figures = await figuresOfHealed({ session, gate }, "heldOut", decision.chosen.removed, decision.healing);
		if (figures.every(({ met }) => met)) return decision;
		log(
			"warning",
			`${askedAmount(set.removed).words} meet the limits on the validation split, but not on the held-out split (${missedText(figures)}). Fewer are tried, so their figures are a little optimistic`,
		);
	}
	throw nothingMeets(sets[0], figures, ", healed");
}

/** The last set that meets the gate on the validation split, and what the one after it is measured to be, where that was measured. */
async function stepUp(
	session: Session,
	sets: readonly Finalist[],
	gate: Gate,
	options: HealingSettings,
): Promise<{ last: number; next?: readonly PlanLimit[] }> {
	let last = sets.length - 1;
	while (last >= 0 && !(await gate.meets("validation", sets[last]!.removed))) last--;
	for (; last < sets.length - 1; last++) {
		const { removed } = sets[last + 1]!;
		options.progress?.work({ phase: "healing candidates", done: 0, total: 0, unit: "percent" });
		const whole = await gate.whole("validation");
		const judge = () => gate.figuresAsItStands("validation", removed, whole);
		const rough = () => whileRoughlyHealed(session, removed, options, judge);
		const next = await session.timed("healing further blocks", rough).catch((error: unknown) => {
			if (!(error instanceof NotEnoughMemoryError) || last < 0) throw error;
			logger(options)("warning", `${askedAmount(removed).words} are not tried healed: ${error.message}`);
		});
		if (!next) return { last };
		if (!next.every(({ met }) => met)) return { last, next };
	}
	return { last };
}
