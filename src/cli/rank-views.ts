import { formatDuration, formatInteger, formatLoss, formatSigned } from "../report/format.js";
import { aboutAttention, formatBlocks } from "../notation.js";
import { halvesNote } from "../report/halves.js";
import type { TextStyle } from "../report/table.js";
import { contributionsTable, metricTitles, surrogateLine } from "../report/terminal.js";
import type { RankResult } from "./api.js";

/** Importance of every block, in order. */
export function rankText(result: RankResult, style: TextStyle): string {
	const alone = result.granularity.used === "attention";
	const told = (text: string) => (alone ? aboutAttention(text) : text);
	const frozen = new Map(result.frozen.map(({ block, reason }) => [block, reason]));
	const values = new Map(result.importance.map((one) => [one.block, one]));
	const critical = new Map(result.critical.map(({ block }) => [block, "critical"]));
	const cuts = result.cuts.length > 0 ? result.cuts : [{ cut: result.cut, verdicts: result.verdicts }];
	const judged = cuts.filter(({ verdicts }) => verdicts.length > 0);
	const words = judged.map(({ cut, verdicts }) => ({
		cut,
		of: new Map(verdicts.map(({ block, verdict }) => [block, verdictWords[verdict]])),
	}));
	const unseen = new Set(result.unseen.map(({ block }) => block));
	const noteOf = (block: number) => frozen.get(block) ?? critical.get(block) ?? (unseen.has(block) ? "never measured" : undefined);
	const shiftedPairs = shiftedRows(result);
	const rows = [
		...Array.from({ length: result.model.blocks }, (_, block) => ({
			...{ ...values.get(block), removed: undefined, block: alone ? block + 0.25 : block, note: noteOf(block) },
			verdicts: words.map(({ of }) => of.get(block) ?? ""),
		})),
		...shiftedPairs,
	].sort((a, b) => a.block - b.block);
	// The original model has no divergence from itself.
	const original = result.metric === "kl" ? metricTitles.kl : `loss of the original model ${formatLoss(result.loss)}`;
	const { method, estimator } = result;
	const how = estimator === method ? method : `${method} (${estimator})`;
	return [
		`Importance of ${alone ? "the attention parts of " : ""}blocks 0 to ${result.model.blocks - 1}${shiftedPairs.length > 0 ? " and of half-block cuts" : ""} by ${how}; ${original}\n`,
		contributionsTable(
			rows,
			style,
			words.map(({ cut }) => `-n ${cut}`),
		),
		...(shiftedPairs.length > 0 ? [leastText(rows), `${halvesNote([shiftedPairs[0]!.block], result.model.architecture)}\n`] : []),
		...(judged.length > 0
			? [
					told(
						legendText(
							judged.map(({ cut }) => cut),
							shiftedPairs.length > 0,
						),
					),
				]
			: []),
		...(result.interactions.length > 0 ? [told(pairsText(result.interactions))] : []),
		...(result.surrogate ? [surrogateLine(result.surrogate)] : []),
		`${formatInteger(result.evaluations)} evaluations, ${formatDuration(result.seconds)}\n`,
	].join("\n");
}

/** Rows of shifted pairs in the unit of the blocks: what they add alone, or their importance. */
function shiftedRows({ shiftedPairs = [], shiftedImportance, importance }: RankResult) {
	if (shiftedImportance)
		return shiftedImportance.map(({ removed, value, standardError, unit }) => ({ block: removed[0]!, value, standardError, unit }));
	// A search that was stopped early knows single removals only.
	if (importance.some(({ unit }) => unit !== "nats")) return [];
	return shiftedPairs.map(({ removed, added, standardError }) => ({ block: removed[0]!, value: added, standardError, unit: "nats" }));
}

/** Blocks and shifted pairs that are named as the least important. */
const mostNamed = 6;

/** Where pairs stand among the blocks. */
function leastText(rows: readonly { readonly block: number; readonly value?: number }[]): string {
	const known = rows.flatMap(({ block, value }) => (value === undefined ? [] : [{ block, value }])).sort((a, b) => a.value - b.value);
	const named = known.slice(0, mostNamed).map(({ block, value }) => `${formatBlocks([block])} (${formatSigned(value, 3)})`);
	return `Least important: ${named.join("; ")}\n`;
}

function legendText(cuts: readonly number[], withPairs: boolean): string {
	const [cut] = cuts;
	const among = cuts.length > 1 ? "as many least important blocks as the column's -n says" : `the ${cut} least important blocks`;
	const about = withPairs ? " Half-block cuts are not judged." : "";
	return `low: among ${among}, with 95 % certainty. high: not among them. The others are undecided.${about}\n`;
}

const verdictWords = { low: "low", high: "high", undecided: "" } as const;

/** Pairs that are named on either side. */
const mostPairs = 3;

function pairsText(pairs: RankResult["interactions"]): string {
	const nameOf = ({ blocks: [a, b], units, value }: RankResult["interactions"][number]) =>
		`${units ? units.map(formatBlocks).join(" and ") : `${a} and ${b}`} (${formatSigned(value, 3)})`;
	const substitutes = pairs.filter(({ value }) => value > 0).slice(0, mostPairs);
	const needing = pairs
		.filter(({ value }) => value < 0)
		.slice(-mostPairs)
		.reverse();
	const lines = [
		...(substitutes.length > 0 ? [`Redundant blocks: ${substitutes.map(nameOf).join("; ")}`] : []),
		...(needing.length > 0 ? [`Blocks that need each other: ${needing.map(nameOf).join("; ")}`] : []),
	];
	return `${lines.join("\n")}\nCost of removing both beyond that of each alone, in log(1 + nats added). --json has all ${formatInteger(pairs.length)} pairs.\n`;
}
