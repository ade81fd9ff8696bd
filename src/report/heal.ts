import { formatBlocksOf, formatBytes, formatCount, formatDifference, formatDuration, formatLoss } from "./format.js";
import type { Report, ReportHeal } from "./report-data.js";

/**
 * What healing did, in a sentence or two.
 * @param report of which it is: the size of a file that was quantized afterwards is another one
 */
export function healSentence(heal: ReportHeal, { quality }: Pick<Report, "quality">): string {
	const { applied, tokens, addedBytes, cuts, heads = [], splits, seconds } = heal;
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
	const size = quality?.quantized ? "" : healedSizeText(addedBytes);
	return `Healed ${healed} of ${all} cuts on ${formatCount(tokens)} tokens in ${formatDuration(seconds)}${scaled}${change}.${size}`;
}

/** Cuts by where they are: one with two matrices counts once. */
export function countedCuts(matrices: readonly { readonly at: string; readonly healed: boolean }[]): { all: number; healed: number } {
	const places = (list: typeof matrices) => new Set(list.map(({ at }) => at)).size;
	return { all: places(matrices), healed: places(matrices.filter(({ healed }) => healed)) };
}

/** What the new matrices do to the size of the file; nothing if that is the same. */
export function healedSizeText(addedBytes: number): string {
	if (addedBytes === 0) return "";
	return ` This makes the file ${formatBytes(Math.abs(addedBytes))} ${addedBytes > 0 ? "larger" : "smaller"} than without healing.`;
}
