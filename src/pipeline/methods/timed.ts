// Sets of any parts that reach a speed-up at a context, beside the attention parts alone that a method found.
import { logger } from "../../api/logger.js";
import type { JobOptions } from "../../api/index.js";
import { LossMeter } from "../../game/loss-meter.js";
import { timedParts, type TimedPartsOptions } from "../../game/search/timed-parts.js";
import type { Session } from "../session/session.js";
import type { BudgetSettings } from "../../api/options/settings.js";
import type { Coalition } from "../../game/coalition.js";
import { evaluationLimit } from "./budget.js";
import type { Choices } from "./selection-context.js";

/** Sets that race beside those of attention parts alone, at most. */
export const timedFinalists = 3;
/** Sets that a step measures. */
const width = 6;

/** What is to be saved, and what parts save of it. */
export type TimeToSave = Pick<TimedPartsOptions, "seconds" | "save">;

/** Evaluations at most, beside those of attention parts. */
export function timedMasks(blocks: number, { seconds: { attention, feedForward, attends }, save }: TimeToSave): number {
	// A step removes an attention part, a feed-forward part whose attention part is gone, or both.
	const bare = Array.from({ length: blocks }, (_, block) => block).some((block) => attends?.(block) === false);
	const least = Math.min(attention, (attention + feedForward) / 2, ...(bare ? [feedForward] : []));
	const steps = Math.min(2 * blocks, Math.ceil(save / least));
	return 2 * blocks + width * steps;
}

/** Options that limit what is measured. */
const limits = { maxTime: "--max-time", maxEvaluations: "--max-evaluations", maxTokens: "--max-tokens" } as const;

/** The choices with the best sets of attention parts, blocks and half-block cuts that save the time. */
export async function withTimed(
	session: Session,
	choices: Choices,
	time: TimeToSave,
	{ signal, onLog, asked = {} }: JobOptions & { readonly asked?: Pick<BudgetSettings, keyof typeof limits> },
): Promise<Choices> {
	const { search } = session.games;
	const meter = new LossMeter(search, { signal });
	const played = search.played();
	const known = new Set(played.map(({ coalition }) => coalition.key));
	const budget = evaluationLimit(asked, session.tokens.search) - Math.max(choices.masks, played.length);
	const options = { ...time, meter, budget, known: (set: Coalition) => known.has(set.key), width, signal };
	// A search that is limited in time has none for a second one.
	const found = asked.maxTime === undefined ? await session.timed("search", () => timedParts(search, options)) : undefined;
	if (!found) {
		const given = (Object.keys(limits) as (keyof typeof limits)[]).filter((name) => asked[name] !== undefined);
		logger({ onLog })("note", `${limits[given[0]!]} leaves out: sets of attention parts together with blocks or half-block cuts`);
		return choices;
	}
	if (found.length === 0) logger({ onLog })("note", "no set of attention parts and blocks together was found that reaches the speed-up");
	const rivals = found.slice(0, timedFinalists).map(({ removed }) => ({ removed, method: "greedy by time" }));
	return { ...choices, rivals: [...choices.rivals, ...rivals], masks: choices.masks + search.played().length - played.length };
}
