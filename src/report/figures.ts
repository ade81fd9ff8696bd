import {
	formatBytes,
	formatCount,
	formatDifference,
	formatInteger,
	formatLoss,
	formatPercent,
	formatRatio,
	formatSigned,
	formatSignificant,
} from "./format.js";
import type { ReportFigure, ReportSpeed } from "./report-data.js";

// The figures of a report as rows of text, the same in the terminal, on the page and in the model card.

/** A figure before and after, as it is shown. */
export interface FigureText {
	readonly title: string;
	readonly before: string;
	readonly after: string;
	/** With its standard error. */
	readonly change: string;
	/** 95 % interval of the change; empty where there is none. */
	readonly interval: string;
}

const titles: Readonly<Record<string, string>> = {
	loss: "loss (nats per token)",
	perplexity: "perplexity",
	kl: "KL divergence (nats per token)",
	agreement: "same top token",
	goldLoss: "loss of correct answers (nats)",
	accuracy: "accuracy",
	normalizedAccuracy: "accuracy by length",
	blocks: "blocks",
	parameters: "parameters",
	bytes: "file size",
};

const formats: Readonly<Record<ReportFigure["unit"], (value: number | null) => string>> = {
	"nats per token": formatLoss,
	"nats per question": formatLoss,
	perplexity: (value) => (value === null ? formatLoss(null) : formatSignificant(value, 4)),
	share: (value) => (value === null ? formatLoss(null) : formatPercent(value)),
	count: (value) => (value === null ? formatLoss(null) : formatCount(value)),
	bytes: (value) => (value === null ? formatLoss(null) : formatBytes(value)),
};

/** A figure as text. */
export function figureText(figure: ReportFigure): FigureText {
	const format = formats[figure.unit];
	const { interval } = figure;
	return {
		title: titles[figure.name] ?? figure.name,
		before: format(figure.before),
		after: format(figure.after),
		change: changeText(figure),
		interval: interval ? `${bound(figure, interval.low)} to ${bound(figure, interval.high)}` : "",
	};
}

function changeText({ unit, change, isRatio, standardError }: ReportFigure): string {
	if (change === null) return unit === "perplexity" ? "" : formatDifference(null);
	if (isRatio) return unit === "perplexity" ? formatRatio(change, standardError) : percentChange(change);
	if (unit === "share")
		return `${formatSigned(100 * change, 1)}${standardError === undefined ? "" : ` ± ${(100 * standardError).toFixed(1)}`} %`;
	if (unit === "count") return change === 0 ? "0" : `${change > 0 ? "+" : "-"}${formatInteger(Math.abs(change))}`;
	return formatDifference(change, standardError);
}

function bound({ unit, isRatio }: ReportFigure, value: number): string {
	if (unit === "perplexity") return `x ${formatSignificant(value)}`;
	if (isRatio) return percentChange(value);
	return unit === "share" ? `${formatSigned(100 * value, 1)} %` : formatDifference(value);
}

const speedTitles: Readonly<Record<string, string>> = {
	prompt: "prompt (tokens/s)",
	generation: "generation (tokens/s)",
	memory: "memory",
	weights: "memory for weights",
	compute: "memory for compute buffers",
	kvCache: "KV cache",
};

/** A figure of the speed or of memory as text. */
export function speedText({ name, unit, before, after, ratio, interval }: ReportSpeed["figures"][number]): FigureText {
	const title = speedTitles[name] ?? name;
	const figure = { name: title, change: ratio, isRatio: true, before: before.value, after: after.value };
	if (unit === "bytes") return figureText({ ...figure, unit, interval });
	const values = { title, before: formatSignificant(before.value), after: formatSignificant(after.value) };
	return { ...values, change: `x ${ratioText(ratio)}`, interval: interval ? rangeText(interval) : "" };
}

/** A change of speed with its 95 % interval: not measurable on this machine if that holds 1. */
export function speedChange({ ratio, interval }: Pick<ReportSpeed["figures"][number], "ratio" | "interval">): string {
	if (!interval) return `x ${ratioText(ratio)}, no interval`;
	if (interval.low <= 1 && interval.high >= 1) return `not measurable here (${rangeText(interval)})`;
	return `x ${ratioText(ratio)} (${rangeText(interval)})`;
}

const rangeText = ({ low, high }: { readonly low: number; readonly high: number }) => `${ratioText(low)} to ${ratioText(high)}`;

/** Two decimals, or more where these would hide on which side of 1 it is. */
function ratioText(ratio: number): string {
	for (let digits = 2; digits < 5; digits++) if (Number(ratio.toFixed(digits)) !== 1) return ratio.toFixed(digits);
	return ratio.toFixed(2);
}

/** A ratio as what changed: `-23.7 %`. */
export function percentChange(ratio: number): string {
	return `${formatSigned(100 * (ratio - 1), 1)} %`;
}
