import { formatBlocksOf, formatBytes, formatCount, formatDifference, formatDuration, formatLoss } from "./format.js";
import type { ReportHeal } from "./report-data.js";

/** What healing did, in one sentence. */
export function healSentence({ applied, tokens, addedBytes, cuts, heads = [], splits, seconds }: ReportHeal): string {
	const { all, healed } = countedCuts(cuts.map(({ kind, removed }) => ({ at: removed.join(), healed: kind !== undefined })));
	const heldOut = splits.find(({ split }) => split === "heldOut");
	if (!applied) {
		const found = healed > 0 || heads.length > 0;
		return found ? "Not healed: it did not help on the validation split." : "Not healed: no cut could be healed.";
	}
	const change = heldOut
		? `: loss ${formatLoss(heldOut.before)} -> ${formatLoss(heldOut.after)} (${formatDifference(heldOut.difference, heldOut.standardError)})`
		: "";
	const scaled = heads.length === 0 ? "" : `, attention heads of ${formatBlocksOf(heads)} rescaled`;
	return `Healed ${healed} of ${all} cuts on ${formatCount(tokens)} tokens in ${formatDuration(seconds)}${scaled}${sizeText(addedBytes)}${change}.`;
}

/** Cuts by where they are: one with two matrices counts once. */
export function countedCuts(matrices: readonly { readonly at: string; readonly healed: boolean }[]): { all: number; healed: number } {
	const places = (list: typeof matrices) => new Set(list.map(({ at }) => at)).size;
	return { all: places(matrices), healed: places(matrices.filter(({ healed }) => healed)) };
}

function sizeText(addedBytes: number): string {
	if (addedBytes === 0) return "";
	return `, ${formatBytes(Math.abs(addedBytes))} ${addedBytes > 0 ? "larger" : "smaller"}`;
}
