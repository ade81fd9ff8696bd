// Whether a run is to heal, and whether what it says of that makes sense.
import { InvalidOptionError } from "../../errors.js";
import { healKinds } from "../../model/fitting/kinds.js";
import { healTypes } from "../../model/fitting/kinds.js";
import type { HealSettings, QuantizeSettings } from "../../api/options/settings.js";

/** Fewer are refused. */
export const fewestTokens = 1024;
/** More are refused: a plan has no place for them. */
export const mostTokens = 16_000_000;

/** @throws InvalidOptionError */
export function checkHealTime({ healTime, healTokens }: HealSettings): void {
	if (healTime === undefined) return;
	if (!(healTime > 0)) throw new InvalidOptionError(`the time of heal must be above 0 seconds, got ${healTime}`);
	if (healTokens !== undefined) throw new InvalidOptionError("heal takes a time or a number of tokens: give one of them");
}

/** Options that are out of range. @throws InvalidOptionError */
export function checkHealing(options: HealSettings): void {
	const { heal, healTokens, healKind, healType } = options;
	checkHealTime(options);
	if (healTokens !== undefined && (!Number.isInteger(healTokens) || healTokens < fewestTokens || healTokens > mostTokens))
		throw new InvalidOptionError(`the tokens of heal must be a whole number from ${fewestTokens} to ${mostTokens}, got ${healTokens}`);
	if (healType !== undefined && !healTypes.includes(healType))
		throw new InvalidOptionError(`heal-type must be one of ${healTypes.join(", ")}, got ${healType}`);
	if (healKind !== undefined && !healKinds.includes(healKind))
		throw new InvalidOptionError(`heal-kind must be one of ${healKinds.join(", ")}, got ${healKind}`);
	if (heal === false && saysHow(options))
		throw new InvalidOptionError("tokens, time, kind, type and heads say how to heal: leave them out with `heal: false` (--no-heal)");
}

/** Whether anything says how to heal. */
export function saysHow({ healTokens, healTime, healKind, healType, healHeads }: HealSettings): boolean {
	return [healTokens, healTime, healKind, healType].some((value) => value !== undefined) || healHeads === true;
}

/** Whether anything was said that asks for healing. */
export function asksToHeal(options: HealSettings): boolean {
	return options.heal ?? saysHow(options);
}

/**
 * Refuses options of healing that contradict others, before anything is read.
 * @param curve whether nothing says how much to remove
 * @throws InvalidOptionError
 */
export function checkHealingOfRun(options: HealSettings & Pick<QuantizeSettings, "quantizeFrom">, curve: boolean): void {
	checkHealing(options);
	if (!asksToHeal(options)) return;
	if (curve) {
		throw new InvalidOptionError("--heal heals one pruned model: say how much to remove with --remove-blocks, --remove or a limit");
	}
	checkHealedWeights(options, true);
}

/** @param healed whether the model is healed @throws InvalidOptionError where the weights of another file are quantized */
export function checkHealedWeights({ quantizeFrom }: Pick<QuantizeSettings, "quantizeFrom">, healed: boolean): void {
	if (healed && quantizeFrom !== undefined)
		throw new InvalidOptionError("--heal changes the model's own weights: it cannot be combined with --quantize-from");
}
