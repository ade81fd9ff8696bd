import { positionsText } from "../report/context.js";
import {
	formatBytes,
	formatDifference,
	formatDuration,
	formatInteger,
	formatPercent,
	formatRatio,
	formatSignificant,
} from "../report/format.js";
import { formatBlocks } from "../notation.js";
import { estimateLines } from "./estimate-view.js";
import { chart, frontierTable } from "../report/frontier.js";
import { paint, type TextStyle } from "../report/table.js";
import { wrapped } from "../report/summary.js";
import type { FrontierCell, FrontierResult, MeanAndError, Quantized } from "./api.js";

// Frontiers and quantized files as text for people.

/** A frontier: the verdict, the cells that no other beats, a chart by size and one by blocks; after a dry run how long it would take. */
export function frontierText(result: FrontierResult, style: TextStyle): string {
	const { reference, cells, best, verdict, text, estimate, seconds } = result;
	if (estimate)
		return `${[...estimateLines(estimate, "Dry run: no combination was measured."), `Time of the dry run: ${formatDuration(seconds)}`].join("\n")}\n`;
	const rows = shownCells(result).map((cell) => ({ ...cell, type: typeName(cell, result), chosen: sameCell(cell, best) }));
	const series = [...cells].sort((a, b) => a.removed.length - b.removed.length || b.bytes - a.bytes);
	const points = (x: (cell: FrontierCell) => number) =>
		series.map((cell) => ({
			x: x(cell),
			y: cell.added.mean,
			series: cell.healed ? `${typeName(cell, result)} healed` : typeName(cell, result),
			chosen: sameCell(cell, best),
		}));
	const { context, seen, notes = [] } = result.context ?? {};
	const from = seen ? `, ${positionsText(seen)}` : "";
	const measured = `${text.validation} windows of the validation split${from}`;
	const wide = (sentence: string) => wrapped(sentence, style.width ?? 80);
	const lines = wide(verdict.text).split("\n");
	const axes = ["size", ...axesOf(result)].map((axis) => `by loss and ${axis}`);
	const told = `${axes.slice(0, -1).join(", ")}, or ${axes.at(-1)}`;
	const parts = [
		`${lines.map((line) => paint("bold", line, style)).join("\n")}\n`,
		`Best combinations ${told} (${formatInteger(rows.length)} of ${formatInteger(cells.length)}; --json has all).\nAdded: nats per token above ${reference.name}, on ${measured}.\n${frontierTable(rows, style, { misses: missText(result), context })}${notes.map((note) => `${wide(note)}\n`).join("")}`,
		chart(
			points(({ bytes }) => bytes),
			"nats added, by file size",
			formatBytes,
			style,
		),
		...computeCharts(result, points, style),
	];
	if (best?.heldOut) parts.push(reportLine(best, typeName(best, result), `${text.heldOut} windows${from}`));
	parts.push(...nextText(result), `Time: ${formatDuration(seconds)}\n`);
	return parts.filter((part) => part !== "").join("\n");
}

/** What cells are compared by beside loss and size. */
function axesOf({ computeAxis, context }: FrontierResult): string[] {
	if (!context) return [computeAxis === "blocks" ? "blocks kept" : "speed"];
	return [...(computeAxis === "time" ? ["time per token"] : []), "KV cache"];
}

/** Rows above a size: as many are shown, those nearest to it. */
const mostLarger = 2;

/**
 * Hardly any cell is beaten on all axes, so those that lead on one are shown. If any meets a size, only the nearest larger
 * ones are. What the verdict names is there in any case.
 */
function shownCells({ cells, best, goal, verdict: { beside } }: FrontierResult): FrontierCell[] {
	const { targetSize } = goal;
	const leading = cells.filter(({ dominated: { bytes, compute, kvCache = true } }) => !bytes || !compute || !kvCache);
	const larger = best && targetSize !== undefined ? leading.filter(({ bytes }) => bytes > targetSize) : [];
	const far = new Set([...larger].sort((a, b) => a.bytes - b.bytes).slice(mostLarger));
	return cells.filter((cell) => sameCell(cell, best) || sameCell(cell, beside) || (leading.includes(cell) && !far.has(cell)));
}

/** What stands above the rows that miss the goal; nothing if none meets it. */
function missText({ goal, best }: FrontierResult): string | undefined {
	if (!best) return undefined;
	const { targetSize, targetCompute, targetSpeedup } = goal;
	const isSize = targetSize !== undefined && targetCompute === undefined && targetSpeedup === undefined;
	return isSize ? `larger than ${formatBytes(targetSize)}:` : "these miss the goal:";
}

const typeName = ({ type }: FrontierCell, { ownType }: FrontierResult) => (type === "own" ? ownType : type);

/** The command that writes the best choice, and the one that heals it. */
function nextText({ commands: [write, heal] }: FrontierResult): string[] {
	if (write === undefined) return [];
	const more = heal === undefined ? "" : `To heal it too, which may recover part of the loss (not measured here):\n  ${heal}\n`;
	return [`Next:\n  ${write}\n${more}`];
}

/** Blocks run, or the speed where it was measured; at a context time per token, if it is known, and KV cache. */
function computeCharts(
	{ model, computeAxis, context }: FrontierResult,
	points: (x: (cell: FrontierCell) => number) => Parameters<typeof chart>[0],
	style: TextStyle,
): string[] {
	const drawn = (x: (cell: FrontierCell) => number, by: string, format: (value: number) => string) =>
		chart(points(x), `nats added, by ${by}`, format, style);
	if (computeAxis === "blocks") return [drawn(({ blocks }) => blocks, `blocks kept (of ${model.blocks})`, String)];
	if (context) {
		const at = `at ${formatInteger(context.context)}`;
		const timed = computeAxis === "time";
		return [
			...(timed
				? [
						drawn(
							({ milliseconds }) => milliseconds!,
							`ms per token ${at}, derived`,
							(value) => formatSignificant(value),
						),
					]
				: []),
			drawn(({ kvCache }) => kvCache!, `KV cache ${at}`, formatBytes),
		];
	}
	const what = computeAxis === "prompt" ? "prompts" : "generation";
	const how = "times that of the original model, measured in turns";
	return [
		drawn(
			({ speedup }) => speedup!.value,
			`speed of ${what} (${how})`,
			(value) => formatRatio(value),
		),
	];
}

const sameCell = (a: FrontierCell, b: FrontierCell | undefined) =>
	b !== undefined && a.type === b.type && a.healed === b.healed && a.removed.join() === b.removed.join();

function reportLine(best: FrontierCell, type: string, windows: string): string {
	const { added } = best.heldOut!;
	const name = `${type}${best.removed.length > 0 ? ` without ${formatBlocks(best.removed)}` : ""}${best.healed ? ", healed," : ""}`;
	return `On the held-out split (${windows}, not used for any choice): ${name} adds ${natsText(added)} nats per token.\n`;
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
