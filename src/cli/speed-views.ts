import { formatBlocks, formatBytes, formatDuration, formatSignificant } from "../report/format.js";
import { percentChange } from "../report/figures.js";
import { formatTable, paint, type TextStyle } from "../report/table.js";
import type { SpeedRatio, SpeedResult, SpeedSideFigures } from "./api.js";

type Spread = SpeedSideFigures["prompt"];

/** Speed and memory, the second model beside the first. */
export function speedResultText({ model, against, removed, speed, seconds }: SpeedResult, style: TextStyle): string {
	const { before, after, ratio, context, promptTokens, generatedTokens, repetitions, threads, backend } = speed;
	const right = "right" as const;
	const pair = after !== undefined && ratio !== undefined;
	const second = against?.name ?? "without them";
	const columns = [
		{ title: "" },
		{ title: pair && against ? model.name : pair ? "whole" : "", align: right },
		...(pair
			? [
					{ title: second, align: right },
					{ title: "change", align: right },
					{ title: "95 % interval", align: right },
				]
			: []),
	];
	const rate = (title: string, name: "prompt" | "generation") => [
		title,
		spreadText(before[name]),
		...(pair ? [spreadText(after[name]), `x ${ratio[name].value.toFixed(2)}`, intervalText(ratio[name])] : []),
	];
	const size = (title: string, name: "memory" | "weights" | "compute" | "kvCache" | "file") => [
		title,
		formatBytes(before[name]),
		...(pair ? [formatBytes(after[name]), before[name] > 0 ? percentChange(after[name] / before[name]) : "", ""] : []),
	];
	const rows = [
		rate("prompt (tokens/s)", "prompt"),
		rate("generation (tokens/s)", "generation"),
		size("memory", "memory"),
		size("  weights", "weights"),
		size("  compute buffers", "compute"),
		size("  key-value cache", "kvCache"),
		size("file size", "file"),
	];
	const headline = pair
		? `Generation is ${formatSignificant(ratio.generation.value)} times as fast, the prompt ${formatSignificant(ratio.prompt.value)} times.`
		: `${formatSignificant(before.generation.median)} tokens/s generated, ${formatSignificant(before.prompt.median)} of the prompt.`;
	const what = removed.length > 0 ? `${model.name} without blocks ${formatBlocks(removed)} (a mask, nothing written)` : model.name;
	return [
		`${paint("bold", headline, style)}\n`,
		formatTable(columns, rows, style),
		`${what}: ${promptTokens} prompt tokens at once, then ${generatedTokens} one by one; medians of ${repetitions} ${repetitions === 1 ? "repetition" : "repetitions"}${pair ? " in turns" : ""}, in brackets the least and the most.`,
		`${backend}, ${threads} ${threads === 1 ? "thread" : "threads"}; memory with ${context} tokens of context.`,
		`Time: ${formatDuration(seconds)}\n`,
	].join("\n");
}

function spreadText({ median, low, high }: Spread): string {
	return low === high
		? formatSignificant(median)
		: `${formatSignificant(median)} (${formatSignificant(low)} to ${formatSignificant(high)})`;
}

function intervalText({ interval }: SpeedRatio): string {
	return interval ? `x ${interval.low.toFixed(2)} to x ${interval.high.toFixed(2)}` : "";
}
