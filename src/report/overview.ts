import { type FigureText, figureText, speedText } from "./figures.js";
import type { Report, ReportFigure, ReportSpeed } from "./report-data.js";

// The table that people read first, the same figures in the same order in the terminal and on the page.

type SpeedFigure = ReportSpeed["figures"][number];
type Parts = Pick<Report, "quality" | "speed">;

/** The loss says what perplexity says, and the first line the number of blocks. */
const leftOut: ReadonlySet<string> = new Set(["loss", "blocks"]);
const speedRows = ["generation", "prompt", "memory", "kvCache"];

/** Quality and sizes first, then speed and memory. */
export function overviewFigures({ quality, speed }: Parts): { figures: ReportFigure[]; measured: SpeedFigure[] } {
	return {
		figures: (quality?.figures ?? []).filter(({ name }) => !leftOut.has(name)),
		measured: speedRows.flatMap((name) => speed?.figures.filter((figure) => figure.name === name) ?? []),
	};
}

/** Rows whose change and interval are apart. A speed whose interval holds 1 cannot be measured on this machine. */
export function overviewRows(report: Parts): FigureText[] {
	const { figures, measured } = overviewFigures(report);
	return [...figures.map(figureText), ...measured.map(speedRow)];
}

/** A speed that was measured, or that it could not be. */
export function speedRow(figure: SpeedFigure): FigureText {
	const text = speedText(figure);
	const { unit, interval } = figure;
	if (unit === "bytes") return text;
	if (!interval) return { ...text, interval: "no interval" };
	return interval.low <= 1 && interval.high >= 1 ? { ...text, change: "not measurable here" } : text;
}
