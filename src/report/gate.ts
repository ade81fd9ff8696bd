import { formatBeside, formatBytes, formatInteger, formatSignificant } from "./format.js";
import type { Report } from "./report-data.js";

// Quality limits as text, the same in messages, in the terminal and on the page. No rounding makes a limit look met or missed.

type Figure = Pick<NonNullable<Report["limits"]>[number], "name" | "value" | "limit"> & {
	readonly standardError?: number | null | undefined;
};

const isShare = (name: string) => name.startsWith("min-accuracy");

/** A limit, or a value without its error. */
export function limitText(name: string, value: number): string {
	if (name === "target-size") return isWhole(value) ? formatBytes(value) : `${formatInteger(value)} bytes`;
	if (isShare(name)) return `${Number((100 * value).toPrecision(8))} %`;
	const short = formatSignificant(value);
	return Number(short) === value ? short : String(Number(value.toPrecision(8)));
}

/** Whether a size is shown with all its digits. */
function isWhole(bytes: number): boolean {
	const power = 1000 ** Math.floor(Math.log10(Math.max(1, bytes)) / 3);
	return bytes % (power / 10) === 0;
}

/** With as many digits as show on which side of the limit it is. */
function plain(name: string, value: number, limit: number): string {
	if (name === "target-size") return formatBytes(value) === formatBytes(limit) ? `${formatInteger(value)} bytes` : formatBytes(value);
	return isShare(name) ? `${percentBeside(value, limit)} %` : formatBeside(value, limit);
}

function percentBeside(value: number, limit: number): string {
	for (let digits = 1; digits < 8; digits++) {
		const text = (100 * value).toFixed(digits);
		if (Math.sign(Number(text) - 100 * limit) === Math.sign(value - limit)) return text;
	}
	return (100 * value).toFixed(1);
}

/** `1.37 ± 0.02`, `45.0 ± 1.2 %`. */
export function measuredText({ name, value, limit, standardError }: Figure): string {
	if (value === null) return "broken";
	if (standardError === null || standardError === undefined) return plain(name, value, limit);
	if (isShare(name)) return `${percentBeside(value, limit)} ± ${(100 * standardError).toFixed(1)} %`;
	return `${plain(name, value, limit)} ± ${formatSignificant(standardError, 2)}`;
}

/** One limit on a line: `Limit missed: max-ppl-ratio at most 1.50, measured 2.24 ± 0.05`. */
export function gateLine(figure: Figure & { readonly met: boolean }): string {
	const { name, limit, met } = figure;
	const bound = isShare(name) ? "at least" : "at most";
	return `Limit ${met ? "met" : "missed"}: ${name} ${bound} ${limitText(name, limit)}, measured ${measuredText(figure)}`;
}
