// How many blocks to remove where a limit says it: by quality limits, or by a size.
import { LimitsNotMetError, InvalidOptionError } from "../../errors.js";
import { type Gate, requirementText } from "../gate/gate.js";
import { hasGate } from "../preflight/gate-limits.js";
import { logger } from "../../api/logger.js";
import { lowestWithoutCuts, mayWin } from "../race/beats.js";
import type { Finalist, Race } from "../race/race.js";
import { standingOf } from "../race/standing.js";
import { amountsOf, askedAmount, removedText } from "../../notation.js";
import { measuredText } from "../../report/gate.js";
import type { PlanLimit } from "../../storage/plan-limits.js";
import type { Decision } from "./decision.js";
import type { JobOptions } from "../../api/index.js";
import type { AmountSettings, LimitSettings, MethodSettings } from "../../api/options/settings.js";

/** An amount that limits say: the most blocks that meet the gate, or the fewest that reach a size in bytes. */
export type LimitedAmount = "gate" | { readonly size: number };

/** The amount that the options' limits say, where nothing else says one. @throws InvalidOptionError */
export function limitedAmount(options: AmountSettings & LimitSettings & Pick<MethodSettings, "granularity">): LimitedAmount | undefined {
	if (options.targetSize !== undefined) return { size: options.targetSize };
	if (!hasGate(options)) return undefined;
	if (options.ignoreLimits) {
		const amounts =
			options.granularity === "attention"
				? "--remove-attention, --target-kv or --target-speedup"
				: "--remove-blocks, --remove or --target-size";
		throw new InvalidOptionError(`--ignore-limits writes a model that does not meet the limits: say how much to remove with ${amounts}`);
	}
	return "gate";
}

/** Most blocks that are searched where a gate says how many: half of them. */
export const mostForGate = (blocks: number, maxRemovable: number): number => Math.max(1, Math.min(maxRemovable, Math.floor(blocks / 2)));

/** The set for the fewest blocks among those that reach the size; one that breaks the model only if all do. */
export function fewestOf({ winners }: Pick<Race, "winners">): Finalist {
	const sets = [...winners.values()].sort((a, b) => a.removed.length - b.removed.length);
	return sets.find(({ added }) => Number.isFinite(added)) ?? sets[0]!;
}

/**
 * The set that adds the least among those that reach the speed-up; one with half-block cuts only if it beats those without, as within a size. One that
 * breaks the model loses to any that does not.
 */
export function leastLossOf({ winners, onSplit }: Pick<Race, "winners" | "onSplit">): Finalist {
	const whole = lowestWithoutCuts([...onSplit.values()]);
	const sound = [...winners.values()].filter(({ added }) => Number.isFinite(added));
	const sets = sound.length > 0 ? sound.sort((a, b) => a.added - b.added) : [...winners.values()];
	return sets.find(({ removed }) => mayWin(onSplit.get(removed.length)!, whole)) ?? sets[0]!;
}

/**
 * The set for the most blocks that meets the gate on the validation split, and on the held-out split too: where that says no, the next
 * smaller one is tried.
 * @throws LimitsNotMetError where no set that was found meets it
 */
export async function mostThatMeet(race: Race, gate: Gate, options: JobOptions): Promise<Decision> {
	const sets = [...race.winners.values()].sort((a, b) => b.removed.length - a.removed.length);
	const log = logger(options);
	for (const [i, set] of sets.entries()) {
		if (!(await gate.meets("validation", set.removed))) continue;
		const figures = await gate.figures("heldOut", set.removed);
		if (figures.every(({ met }) => met)) {
			if (i === 0)
				log(
					"note",
					`${askedAmount(set.removed).words}, the most that were searched, meet the limits: ${moreOption(set.removed)} with the same limits tries more`,
				);
			return { ...standingOf(race), chosen: set };
		}
		log(
			"warning",
			`${askedAmount(set.removed).words} meet the limits on the validation split, but not on the held-out split (${missedText(figures)}). Fewer are tried, so their figures are a little optimistic`,
		);
	}
	const smallest = sets.at(-1);
	throw nothingMeets(smallest, smallest ? await missedBy(smallest, gate) : []);
}

/** The option that asks for more of what a set removes. */
export const moreOption = (removed: readonly number[]): string =>
	amountsOf(removed).attentions > 0 ? "--remove-attention" : "--remove-blocks";

export const missedText = (figures: readonly PlanLimit[]) =>
	figures
		.filter(({ met }) => !met)
		.map((figure) => `${figure.name} ${measuredText(figure)}`)
		.join(", ");

async function missedBy({ removed }: Finalist, gate: Gate): Promise<PlanLimit[]> {
	const figures = await gate.figures("heldOut", removed);
	// What the validation split refused may pass on the held-out split.
	return figures.every(({ met }) => met) ? gate.figures("validation", removed) : figures;
}

/** @param figures of the smallest set @param how what was done to it */
export function nothingMeets(smallest: Finalist | undefined, figures: readonly PlanLimit[], how = ""): LimitsNotMetError {
	const advice = "Allow more, or take a smaller quantization instead.";
	if (!smallest) return new LimitsNotMetError(`nothing that can be removed was found. ${advice}`, { figures: [] });
	const missed = figures.filter(({ met }) => !met).map(requirementText);
	const what = `${removedText(smallest.removed)}${how}`;
	return new LimitsNotMetError(
		`no candidate that was found meets the quality limits. The smallest one (${what}): ${missed.join("; ")}. No model was written. ${advice}`,
		{ figures },
	);
}
