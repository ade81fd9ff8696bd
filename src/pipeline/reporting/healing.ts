// The healing part of a report, from a plan.
import { removedIn } from "../../model/fitting/cuts.js";
import type { ReportHeal } from "../../report/report-data.js";
import type { PlanHeal } from "../../storage/plan-heal.js";

/** @param removed by the plan, ascending */
export function healData(
	{ applied, fit, addedBytes, cuts, heads, validation, heldOut, seconds }: PlanHeal,
	removed: readonly number[],
): ReportHeal {
	return {
		...{ applied, tokens: fit.count * fit.length, addedBytes },
		cuts: cuts.map(({ before, first, last, part, tensor, type, norm, recipe, explained, tuning, reason }) => ({
			...(before === null ? {} : { before }),
			removed: removedIn({ first, last }, removed),
			...(part ? { part } : {}),
			...(tensor ? { tensor } : {}),
			...(type ? { type } : {}),
			...(norm ? { norm } : {}),
			...(recipe ? { kind: recipe.kind, ridge: recipe.ridge } : {}),
			...(explained === undefined ? {} : { explained }),
			...(tuning ? { change: tuning.after - tuning.before, ...(tuning.by ? { by: tuning.by } : {}) } : {}),
			...(reason ? { reason } : {}),
		})),
		...(heads ? { heads: heads.map((head) => ({ ...head, factors: [...head.factors] })) } : {}),
		splits: [...(validation ? [{ split: "validation", ...validation }] : []), ...(heldOut ? [{ split: "heldOut", ...heldOut }] : [])],
		seconds: seconds.text + seconds.rest,
	};
}
