import { formatBytes, formatDuration, formatInteger, formatSignificant, formatSpeedup } from "../report/format.js";
import { removedText } from "../notation.js";
import { percentChange, speedChange } from "../report/figures.js";
import { wrapped } from "../report/summary.js";
import { formatTable, paint, type TextStyle } from "../report/table.js";
import type { SpeedRatio, SpeedResult, SpeedSideFigures } from "./api.js";

type Spread = SpeedSideFigures["prompt"];

/** Speed and memory, the second model beside the first. */
export function speedResultText({ model, against, removed, speed, seconds }: SpeedResult, style: TextStyle): string {
	const { before, after, ratio, context, promptTokens, generatedTokens, repetitions, threads, backend } = speed;
	const right = "right" as const;
	const pair = after !== undefined && ratio !== undefined;
	const second = against?.name ?? "pruned";
	const columns = [
		{ title: "" },
		{ title: pair && against ? model.name : pair ? "original" : "", align: right },
		...(pair ? [{ title: second, align: right }, { title: "change (95 % interval)" }] : []),
	];
	const rate = (title: string, name: "prompt" | "generation") => [
		title,
		spreadText(before[name]),
		...(pair ? [spreadText(after[name]), changeOf(ratio[name])] : []),
	];
	const size = (title: string, name: "memory" | "weights" | "compute" | "kvCache" | "file") => [
		title,
		formatBytes(before[name]),
		...(pair ? [formatBytes(after[name]), before[name] > 0 ? percentChange(after[name] / before[name]) : ""] : []),
	];
	const rows = [
		rate("prompt (tokens/s)", "prompt"),
		rate("generation (tokens/s)", "generation"),
		size("memory", "memory"),
		size("  weights", "weights"),
		size("  compute buffers", "compute"),
		size("  KV cache", "kvCache"),
		size("file size", "file"),
	];
	const headline = pair
		? `${speedSentence("Generation", ratio.generation)}; ${speedSentence("reading a prompt", ratio.prompt)}.`
		: `Generates ${formatSignificant(before.generation.median)} tokens/s and reads ${formatSignificant(before.prompt.median)} tokens/s of a prompt.`;
	const what = removed.length > 0 ? `${model.name} without ${removedText(removed)} (in memory, no file written)` : model.name;
	const count = (n: number, word: string) => `${formatInteger(n)} ${word}${n === 1 ? "" : "s"}`;
	const how = `${what}: ${count(promptTokens, "prompt token")} at once, then ${count(generatedTokens, "token")} generated.`;
	const spread = `Medians of ${count(repetitions, "repetition")}${pair ? ", measured in turns" : ""}; lowest and highest in brackets.`;
	const places = speed.placement
		? ` (${[speed.placement.before, ...(speed.placement.after ? [speed.placement.after] : [])].join("; ")})`
		: "";
	const where = `${backend}${places}, ${count(threads, "thread")}; memory for ${formatInteger(context)} tokens of context.`;
	return [
		`${paint("bold", headline, style)}\n`,
		formatTable(columns, rows, style),
		wrapped(`${how} ${spread}`, style.width ?? 80),
		where,
		`Time: ${formatDuration(seconds)}\n`,
	].join("\n");
}

function spreadText({ median, low, high }: Spread): string {
	return low === high
		? formatSignificant(median)
		: `${formatSignificant(median)} (${formatSignificant(low)} to ${formatSignificant(high)})`;
}

const changeOf = ({ value, interval }: SpeedRatio) => speedChange({ ratio: value, ...(interval ? { interval } : {}) });

function speedSentence(what: string, { value, interval }: SpeedRatio): string {
	if (interval && interval.low <= 1 && interval.high >= 1) return `${what}: no difference that can be measured here`;
	return `${what} is ${formatSpeedup({ value })}`;
}
