import { formatBytes, formatPercent, formatSignificant } from "./format.js";
import type { Report } from "./report-data.js";

// Limits of a quality gate as text, the same in messages, in the terminal and on the page.

type Figure = Pick<NonNullable<Report["limits"]>[number], "name" | "value" | "limit"> & {
	readonly standardError?: number | null | undefined;
};

const isShare = (name: string) => name.startsWith("min-accuracy");

/** A limit, or a value without its error. */
export function limitText(name: string, value: number): string {
	if (name === "target-size") return formatBytes(value);
	if (isShare(name)) return formatPercent(value);
	const short = formatSignificant(value);
	return Number(short) === value ? short : String(Number(value.toPrecision(8)));
}

/** With as many digits as show on which side of the limit it is. */
function plain(name: string, value: number, limit: number): string {
	if (isShare(name)) return formatPercent(value);
	for (let digits = 3; digits < 9; digits++) {
		const text = formatSignificant(value, digits);
		if (Math.sign(Number(text) - limit) === Math.sign(value - limit)) return text;
	}
	return String(value);
}

/** `1.37 ± 0.02`, `45.0 ± 1.2 %`. */
export function measuredText({ name, value, limit, standardError }: Figure): string {
	if (value === null) return "broken";
	if (standardError === null || standardError === undefined) return name === "target-size" ? formatBytes(value) : plain(name, value, limit);
	if (isShare(name)) return `${(100 * value).toFixed(1)} ± ${(100 * standardError).toFixed(1)} %`;
	return `${plain(name, value, limit)} ± ${formatSignificant(standardError, 2)}`;
}
