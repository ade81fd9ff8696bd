import { formatBlocksOf, formatBytes, formatCount, formatDifference, formatDuration, formatLoss } from "./format.js";
import type { ReportHeal } from "./report-data.js";

/** What healing did, in one sentence. */
export function healSentence({ applied, tokens, addedBytes, cuts, heads = [], splits, seconds }: ReportHeal): string {
	const healed = cuts.filter(({ kind }) => kind !== undefined).length;
	const report = splits.find(({ split }) => split === "heldOut");
	if (!applied) {
		const found = healed > 0 || heads.length > 0;
		return found ? "Not healed: the validation text does not say that it helps." : "Not healed: no cut could be made up for.";
	}
	const all = healed === 1 ? "The cut" : `All ${healed} cuts`;
	const which = healed === 0 ? "No cut" : healed === cuts.length ? all : `${healed} of ${cuts.length} cuts`;
	const change = report ? `; unhealed ${formatLoss(report.before)} (${formatDifference(report.difference, report.standardError)})` : "";
	const size = addedBytes === 0 ? "" : `, ${addedBytes > 0 ? `${formatBytes(addedBytes)} more` : `${formatBytes(-addedBytes)} less`}`;
	const scaled = heads.length === 0 ? "" : `, heads of ${formatBlocksOf(heads)} weighed anew`;
	return `${which} healed on ${formatCount(tokens)} tokens of the model's own samples in ${formatDuration(seconds)}${scaled}${size}${change}.`;
}
