import { formatBlocks, formatDuration, formatInteger, formatLoss, formatSigned } from "../report/format.js";
import type { TextStyle } from "../report/table.js";
import { contributionsTable, metricTitles, surrogateLine } from "../report/terminal.js";
import type { RankResult } from "./api.js";

/** Contributions, every block in order. */
export function rankText(result: RankResult, style: TextStyle): string {
	const frozen = new Map(result.frozen.map(({ block, reason }) => [block, reason]));
	const values = new Map(result.contributions.map((contribution) => [contribution.block, contribution]));
	const critical = new Map(result.critical.map(({ block }) => [block, "critical"]));
	const verdicts = new Map(result.verdicts.map(({ block, verdict }) => [block, verdictWords[verdict]]));
	const unseen = new Set(result.unseen);
	const noteOf = (block: number) => frozen.get(block) ?? critical.get(block) ?? (unseen.has(block) ? "never seen" : verdicts.get(block));
	const rows = Array.from({ length: result.model.blocks }, (_, block) => ({ ...values.get(block), block, note: noteOf(block) }));
	// Of the divergence the original model has none.
	const whole = result.metric === "kl" ? metricTitles.kl : `loss of the original model ${formatLoss(result.loss)}`;
	const { method, estimator } = result;
	const how = estimator === method ? method : `${method} (${estimator})`;
	return [
		`Contributions of blocks 0..${result.model.blocks - 1} by ${how}; ${whole}\n`,
		contributionsTable(rows, style),
		...(result.verdicts.length > 0
			? [`low, high: surely (95 %) among the ${result.cut} blocks of lowest contribution, or surely not; the others are undecided.\n`]
			: []),
		...(result.interactions.length > 0 ? [pairsText(result.interactions)] : []),
		...(result.surrogate ? [surrogateLine(result.surrogate)] : []),
		`${formatInteger(result.masks)} masks, ${formatDuration(result.seconds)}\n`,
	].join("\n");
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
		...(substitutes.length > 0 ? [`Stand in for one another: ${substitutes.map(nameOf).join("; ")}`] : []),
		...(needing.length > 0 ? [`Need each other: ${needing.map(nameOf).join("; ")}`] : []),
	];
	return `${lines.join("\n")}\nBeyond the two alone, in log(1 + added nats); --json has all ${formatInteger(pairs.length)} pairs.\n`;
}
