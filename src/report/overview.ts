import { type FigureText, figureText } from "./figures.js";
import { formatRatio, formatSignificant } from "./format.js";
import type { Report, ReportSpeed } from "./report-data.js";
import { speedText } from "./summary.js";

// The table that people read first: what the pruned model costs and what it saves.

type SpeedFigure = ReportSpeed["figures"][number];

/** The splits and the removed blocks say the same in their own places. */
const elsewhere: readonly string[] = ["loss", "blocks"];

const speedTitles: Readonly<Record<string, string>> = {
	generation: "generation (tokens/s)",
	prompt: "prompt (tokens/s)",
	memory: "memory",
	kvCache: "KV cache",
};

/** Shown for a speed whose interval holds 1. */
export const notMeasurable = "not measurable here";

/** Quality first, then sizes, speed and memory. */
export function overviewRows({ quality, speed }: Pick<Report, "quality" | "speed">): FigureText[] {
	const figures = (quality?.figures ?? []).filter(({ name }) => !elsewhere.includes(name)).map(figureText);
	const measured = Object.keys(speedTitles).flatMap((name) => speed?.figures.find((figure) => figure.name === name) ?? []);
	return [...figures, ...measured.map(speedRow)];
}

function speedRow(figure: SpeedFigure): FigureText {
	const text = { ...speedText(figure), title: speedTitles[figure.name]! };
	if (figure.unit === "bytes") return text;
	const { ratio, interval } = figure;
	const unclear = interval !== undefined && interval.low <= 1 && interval.high >= 1;
	const bound = (value: number) => `x ${formatSignificant(value)}`;
	return {
		...text,
		change: unclear ? notMeasurable : formatRatio(ratio),
		interval: interval ? `${bound(interval.low)} to ${bound(interval.high)}` : "",
	};
}
