import { formatBlocksOf, formatDifference, formatInteger, formatLoss } from "../report/format.js";
import { countedCuts, healedSizeText } from "../report/heal.js";
import type { PlanHeal } from "./api.js";

/**
 * What healing did, as a line for people.
 * @param quantized whether the file was quantized afterwards: its size is another one then
 */
export function healLine({ applied, cuts, heads, fit, addedBytes, heldOut }: PlanHeal, quantized = false): string {
	const { all, healed } = countedCuts(cuts.map(({ recipe, first }) => ({ at: `${first}`, healed: recipe !== undefined })));
	if (!applied) {
		const found = healed > 0 || heads !== undefined;
		const reason = found ? undefined : cuts.find((cut) => cut.reason)?.reason;
		return `Not healed: ${reason ?? "it did not help on the validation split"}`;
	}
	const tokens = `${formatInteger(fit.count * fit.length)} tokens`;
	const scaled = heads?.length ? `, attention heads of ${formatBlocksOf(heads)} rescaled` : "";
	const loss = heldOut
		? `: loss ${formatLoss(heldOut.before)} -> ${formatLoss(heldOut.after)} (${formatDifference(heldOut.difference, heldOut.standardError)}) on held-out text`
		: "";
	return `Healed ${healed} of ${all} cuts on ${tokens}${scaled}${loss}.${quantized ? "" : healedSizeText(addedBytes)}`;
}
