/** Numbers, sizes and block lists as people read them. Losses are nats per token; null and what is not finite read "broken". */

const BYTE_UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];
const COUNT_UNITS = ["", " k", " M", " G", " T"];
const BROKEN = "broken";

/** A loss: `3.508`. */
export function formatLoss(loss: number | null | undefined): string {
	return isNumber(loss) ? loss.toFixed(3) : BROKEN;
}

/** The perplexity of a loss, exp(loss): `33.4`. */
export function formatPerplexity(loss: number | null | undefined): string {
	return isNumber(loss) ? formatSignificant(Math.exp(loss), 4) : BROKEN;
}

/** A difference of losses with its standard error: `+0.683 ± 0.018`. */
export function formatDifference(difference: number | null | undefined, standardError?: number | null | undefined): string {
	if (!isNumber(difference)) return BROKEN;
	const text = signed(difference, difference.toFixed(3));
	return isNumber(standardError) ? `${text} ± ${standardError.toFixed(3)}` : text;
}

/** A contribution or another small signed number: `+0.0123`. */
export function formatSigned(value: number | null | undefined, digits = 4): string {
	return isNumber(value) ? signed(value, value.toFixed(digits)) : BROKEN;
}

/** A ratio with its standard error: `x 1.37 ± 0.02`. */
export function formatRatio(ratio: number | null | undefined, standardError?: number | null | undefined): string {
	if (!isNumber(ratio)) return BROKEN;
	if (!isNumber(standardError)) return `x ${formatSignificant(ratio)}`;
	if (ratio >= 1e4) return `x ${formatSignificant(ratio)} ± ${formatSignificant(standardError)}`;
	const digits = ratio < 100 ? 2 : 0;
	return `x ${ratio.toFixed(digits)} ± ${standardError.toFixed(digits)}`;
}

/**
 * A speed-up with its 95 % interval: `1.25 times as fast (1.21 to 1.29)`.
 * @param target shown with as many digits as tell it from this
 */
export function formatSpeedup(
	{ value, interval }: { value: number; interval?: { low: number; high: number } | undefined },
	target?: number,
): string {
	const range = interval ? ` (${formatSignificant(interval.low)} to ${formatSignificant(interval.high)})` : "";
	return `${target === undefined ? formatSignificant(value) : formatBeside(value, target)} times as fast${range}`;
}

/** A number with three significant digits, or as many as show on which side of a bound it is. */
export function formatBeside(value: number, bound: number): string {
	for (let digits = 3; digits < 9; digits++) {
		const text = formatSignificant(value, digits);
		if (Math.sign(Number(text) - bound) === Math.sign(value - bound)) return text;
	}
	return String(value);
}

/** A number to so many significant digits, without exponent between 1e-4 and 1e7: `1.24e+9`, `33.41`. */
export function formatSignificant(value: number, digits = 3): string {
	if (!Number.isFinite(value)) return BROKEN;
	const size = Math.abs(value);
	if (size !== 0 && (size >= 1e7 || size < 1e-4)) return value.toExponential(digits - 1);
	return size >= 10 ** digits ? value.toFixed(0) : value.toPrecision(digits);
}

/** A file size with decimal units: `270.6 MB`. */
export function formatBytes(bytes: number): string {
	return scaled(bytes, BYTE_UNITS, (value, unit) => `${value} ${unit}`);
}

/** A large count: `134.5 M`; below 10,000 every digit. */
export function formatCount(count: number): string {
	if (Math.abs(count) < 10_000) return formatInteger(count);
	return scaled(count, COUNT_UNITS, (value, unit) => `${value}${unit}`);
}

/** A whole number with its digits grouped: `12,345`. */
export function formatInteger(value: number): string {
	return Math.round(value).toLocaleString("en-US");
}

/** A share of 1 as percent: `25 %`, `0.4 %`. */
export function formatPercent(share: number, digits = 1): string {
	return `${(100 * share).toFixed(digits).replace(/\.0+$/, "")} %`;
}

/** A p-value: `0.031`, `< 0.001`. */
export function formatPValue(value: number): string {
	return value < 0.001 ? "< 0.001" : value.toFixed(3);
}

/** What changed from one size to another: `-15.8 %`. */
export function formatChange(before: number, after: number): string {
	if (before === 0) return "";
	const share = after / before - 1;
	return `${signed(share, (100 * share).toFixed(1))} %`;
}

/** A time in seconds: `0.4 s`, `42 s`, `3 min 20 s`, `2 h 5 min`. */
export function formatDuration(seconds: number): string {
	if (!Number.isFinite(seconds) || seconds < 0) return "unknown";
	if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
	const whole = Math.round(seconds);
	if (whole < 60) return `${whole} s`;
	if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
	const minutes = Math.round(whole / 60);
	return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** How long ago, in the largest unit: `3 days ago`. */
export function formatAge(then: Date, now: Date): string {
	const seconds = Math.max(0, (now.getTime() - then.getTime()) / 1000);
	for (const [unit, length] of [
		["day", 86_400],
		["hour", 3600],
		["minute", 60],
	] as const) {
		const count = Math.floor(seconds / length);
		if (count >= 1) return `${count} ${unit}${count === 1 ? "" : "s"} ago`;
	}
	return "just now";
}

function isNumber(value: number | null | undefined): value is number {
	return typeof value === "number" && Number.isFinite(value);
}

function signed(value: number, text: string): string {
	// A value that rounds to nothing has no sign worth showing.
	if (/^-?0(\.0*)?$/.test(text)) return text.replace("-", "");
	return value > 0 ? `+${text}` : text;
}

function scaled(value: number, units: readonly string[], join: (value: string, unit: string) => string): string {
	let rest = value;
	let unit = 0;
	// 999.95 would round up to 1000.0 of this unit.
	while (Math.abs(rest) >= 999.95 && unit < units.length - 1) {
		rest /= 1000;
		unit++;
	}
	return join(unit === 0 ? `${Math.round(rest)}` : rest.toFixed(1), units[unit]!);
}

/** How many blocks tensors are of: `2 blocks`. @param tensors by their names, `blk.N.` first */
export function formatBlocksOf(tensors: readonly { readonly tensor: string }[]): string {
	const count = new Set(tensors.map(({ tensor }) => tensor.split(".")[1])).size;
	return `${count} ${count === 1 ? "block" : "blocks"}`;
}
