// Sets of any parts that reach a speed-up at a context, beside the attention parts alone that a method found.
import { logger } from "../../api/logger.js";
import type { JobOptions } from "../../api/index.js";
import { LossMeter } from "../../game/loss-meter.js";
import { timedParts, type TimedPartsOptions } from "../../game/search/timed-parts.js";
import type { Session } from "../session/session.js";
import type { AskedSettings } from "../../api/options/settings.js";
import type { Choices } from "./selection-context.js";

/** Sets that race beside those of attention parts alone. */
const raced = 3;
/** Sets that a step measures. */
const width = 6;

/** What is to be saved, and what parts save of it. */
export type TimeToSave = Pick<TimedPartsOptions, "seconds" | "save">;

/** Evaluations at most, beside those of attention parts. @param most attention parts that reach the speed-up by themselves */
export const timedMasks = (blocks: number, most: number): number => blocks + width * most;

/** The choices with the best sets of attention parts, blocks and half-block cuts that save the time. */
export async function withTimed(
	session: Session,
	choices: Choices,
	time: TimeToSave,
	{ signal, onLog, asked }: JobOptions & Partial<AskedSettings>,
): Promise<Choices> {
	if (asked?.maxTime !== undefined) {
		// A search that is limited in time has none for a second one.
		logger({ onLog })("note", "--max-time leaves out: sets of attention parts together with blocks or half-block cuts");
		return choices;
	}
	const { search } = session.games;
	const meter = new LossMeter(search, { signal });
	const found = await session.timed("search", () => timedParts(search, { ...time, meter, width, signal }));
	if (found.length === 0) logger({ onLog })("note", "no set of attention parts and blocks together was found that reaches the speed-up");
	const rivals = found.slice(0, raced).map(({ removed }) => ({ removed, method: "greedy by time" }));
	return { ...choices, rivals: [...choices.rivals, ...rivals], masks: choices.masks + meter.measured };
}
