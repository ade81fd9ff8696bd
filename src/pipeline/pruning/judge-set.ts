// The limits on a set before it is written.
import type { PlanLimits } from "../../storage/plan-limits.js";
import { checkGate, checkHealed, type GateCheck } from "../gate/verdict.js";
import type { Healing } from "../healing/heal-model.js";
import { figuresOfHealed } from "../healing/of-session.js";
import type { QuantizeSettings } from "../../api/options/settings.js";

/**
 * The gate on the set, healed where it was, before it is written.
 * @throws LimitsNotMetError
 */
export async function judgeSet(check: GateCheck, removed: readonly number[], healing: Healing | undefined): Promise<PlanLimits> {
	if (!healing?.section.applied) return checkGate(check, removed);
	return checkHealed(check, removed, await figuresOfHealed(check, "heldOut", removed, healing));
}

/** Whether the gate is asked of the written file alone: its weights are not those that the mask is measured with. */
export const isJudgedLater = ({ quantizeFrom, quantize }: QuantizeSettings) => quantizeFrom !== undefined && quantize !== undefined;
