// Columns of a curve, the same in the terminal and on the page.
import { amountsOf } from "../notation.js";
import { formatBytes, formatInteger, formatSignificant } from "./format.js";

/** What a set leaves, as far as it is known. */
interface Sizes {
	readonly bytes?: number | undefined;
	readonly milliseconds?: number | undefined;
	readonly kvCache?: number | undefined;
}

/** Columns of what a set leaves of time and bytes, as far as that is known. @param context tokens that the first two are of */
export function sizeColumns(rows: readonly Sizes[], context: number | undefined): { title: string; text: (row: Sizes) => string }[] {
	const at = context === undefined ? "" : ` at ${formatInteger(context)}`;
	const columns = [
		{ title: `ms per token${at}`, of: "milliseconds", form: (value: number) => formatSignificant(value) },
		{ title: `KV cache${at}`, of: "kvCache", form: formatBytes },
		{ title: "file size", of: "bytes", form: formatBytes },
	] as const;
	return columns
		.filter(({ of }) => rows.some((row) => row[of] !== undefined))
		.map(({ title, of, form }) => ({ title, text: (row) => (row[of] === undefined ? "" : form(row[of])) }));
}

/** What a curve counts. */
export function countedParts(rows: readonly { readonly removed: readonly number[] }[]): "blocks" | "attention parts" | "parts" {
	const amounts = rows.map(({ removed }) => amountsOf(removed));
	if (amounts.every(({ attentions }) => attentions === 0)) return "blocks";
	return amounts.every(({ blocks }) => blocks === 0) ? "attention parts" : "parts";
}
