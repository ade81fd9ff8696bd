import { formatBytes, formatPercent, formatSignificant } from "./format.js";
import type { Report } from "./report-data.js";

// Limits of a quality gate as text, the same in messages, in the terminal and on the page.

type Figure = Pick<NonNullable<Report["gate"]>[number], "name" | "value"> & { readonly standardError?: number | null | undefined };

const isShare = (name: string) => name.startsWith("min-accuracy");

/** A limit, or a value without its error. */
export function limitText(name: string, value: number): string {
	if (name === "target-size") return formatBytes(value);
	return isShare(name) ? formatPercent(value) : formatSignificant(value);
}

/** `1.37 ± 0.02`, `45.0 ± 1.2 %`. */
export function measuredText({ name, value, standardError }: Figure): string {
	if (value === null) return "broken";
	if (standardError === null || standardError === undefined) return limitText(name, value);
	if (isShare(name)) return `${(100 * value).toFixed(1)} ± ${(100 * standardError).toFixed(1)} %`;
	return `${formatSignificant(value)} ± ${formatSignificant(standardError, 2)}`;
}
