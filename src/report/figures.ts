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
import type { ReportFigure } from "./report-data.js";

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
	goldLoss: "loss of right choices (nats)",
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

/** A ratio as what changed: `-23.7 %`. */
export function percentChange(ratio: number): string {
	return `${formatSigned(100 * (ratio - 1), 1)} %`;
}
