import { formatBytes, formatDifference, formatDuration, formatInteger, formatPercent, formatRatio } from "../report/format.js";
import { formatBlocks } from "../notation.js";
import { chart, frontierTable } from "../report/frontier.js";
import { paint, type TextStyle } from "../report/table.js";
import { wrapped } from "../report/summary.js";
import type { FrontierCell, FrontierResult, MeanAndError, Quantized } from "./api.js";

// Frontiers and quantized files as text for people.

/** A frontier: the verdict, the cells that no other beats, a chart by size and one by blocks. */
export function frontierText(result: FrontierResult, style: TextStyle): string {
	const { reference, cells, best, verdict, commands, text, computeAxis } = result;
	// Hardly any cell is beaten on all three axes, so those that lead on one of two are shown.
	const shown = cells.filter((cell) => cell === best || !cell.dominated.bytes || !cell.dominated.compute);
	const rows = shown.map((cell) => ({ ...cell, chosen: sameCell(cell, best) }));
	const series = [...cells].sort((a, b) => a.removed.length - b.removed.length || b.bytes - a.bytes);
	const points = (x: (cell: FrontierCell) => number) =>
		series.map((cell) => ({
			x: x(cell),
			y: cell.added.mean,
			series: cell.healed ? `${cell.type} healed` : cell.type,
			chosen: sameCell(cell, best),
		}));
	const measured = `${text.validation} windows of the validation split`;
	const lines = wrapped(verdict.text, style.width ?? 80).split("\n");
	const parts = [
		`${lines.map((line) => paint("bold", line, style)).join("\n")}\n`,
		`Best combinations by loss and size, or by loss and ${computeAxis === "blocks" ? "blocks kept" : "speed"} (${formatInteger(rows.length)} of ${formatInteger(cells.length)}; --json has all).\nAdded: nats per token above ${reference.name}, on ${measured}.\n${frontierTable(rows, style)}`,
		chart(
			points(({ bytes }) => bytes),
			"nats added, by file size",
			formatBytes,
			style,
		),
		computeChart(result, points, style),
	];
	if (best?.heldOut) parts.push(reportLine(best, text.heldOut));
	if (commands.length > 0) parts.push(`Next:\n${commands.map((command) => `  ${command}\n`).join("")}`);
	parts.push(`Time: ${formatDuration(result.seconds)}\n`);
	return parts.filter((part) => part !== "").join("\n");
}

/** Blocks run, or the speed where it was measured. */
function computeChart(
	{ model, computeAxis }: FrontierResult,
	points: (x: (cell: FrontierCell) => number) => Parameters<typeof chart>[0],
	style: TextStyle,
): string {
	if (computeAxis === "blocks")
		return chart(
			points(({ blocks }) => blocks),
			`nats added, by blocks kept (of ${model.blocks})`,
			(blocks) => `${blocks}`,
			style,
		);
	const what = computeAxis === "prompt" ? "prompts" : "generation";
	return chart(
		points(({ speedup }) => speedup!.value),
		`nats added, by speed of ${what} (times that of the original model, measured in turns)`,
		(value) => formatRatio(value),
		style,
	);
}

const sameCell = (a: FrontierCell, b: FrontierCell | undefined) =>
	b !== undefined && a.type === b.type && a.healed === b.healed && a.removed.join() === b.removed.join();

function reportLine(best: FrontierCell, windows: number): string {
	const { added } = best.heldOut!;
	const name = `${best.type}${best.removed.length > 0 ? ` without ${formatBlocks(best.removed)}` : ""}${best.healed ? ", healed," : ""}`;
	return `On the held-out split (${windows} windows, not used for any choice): ${name} adds ${natsText(added)} nats per token.\n`;
}

const natsText = ({ mean, standardError }: MeanAndError) => formatDifference(mean, standardError).replace(/^\+/, "");

/** What the written quantized file costs beside the original model. */
export function quantizedLine({ type, from, added, divergence, agreement }: Quantized): string {
	const weights = from ? ` from the weights of ${from.name}` : "";
	const figures = [
		`${natsText(added)} nats per token`,
		...(divergence ? [`KL ${natsText(divergence)}`] : []),
		...(agreement?.mean == null ? [] : [`${formatPercent(agreement.mean)} same top token`]),
	];
	return `Quantized to ${type}${weights}. The written file adds ${figures.join(", ")}.`;
}
