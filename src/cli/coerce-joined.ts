// Options whose value says several settings: how much to remove, which speed-up, how to heal.
import { type NumberRange, shareOf, type Speedup, speedups } from "./api.js";
import { durationOption, numberOption, single } from "./coerce.js";
import { UsageError } from "./exit.js";

/** How much to remove, as settings. */
export interface AmountValue {
	readonly removeBlocks?: number;
	readonly removeFraction?: number;
}

/** Reads a number of blocks or a share of them: `4` or `25%`. */
export function amountOption(label: string) {
	return (value: unknown): AmountValue | undefined => {
		const text = single(label, value);
		if (text === undefined) return undefined;
		if (/^\d+$/.test(text) && Number(text) >= 1 && Number.isSafeInteger(Number(text))) return { removeBlocks: Number(text) };
		const [, number] = /^(\d+\.?\d*|\.\d+)(?:e-?\d+)?%$/i.exec(text) ?? [];
		const percent = Number(text.slice(0, -1));
		if (number !== undefined && percent > 0 && percent < 100) return { removeFraction: shareOf(text) };
		throw new UsageError(`${label}: expected a number of blocks such as 4 or a share such as 25%, got ${JSON.stringify(text)}.`);
	};
}

/** Reads several amounts: `3,6,10%`. */
export function amountsOption(label: string) {
	const read = amountOption(label);
	return (value: unknown): Record<string, number[] | undefined> | undefined => {
		const text = single(label, value);
		if (text === undefined) return undefined;
		const amounts = text.split(",").map((part) => read(part)!);
		const removeBlocks = onceEach(
			label,
			text,
			amounts.map((amount) => amount.removeBlocks),
		);
		const removeFraction = onceEach(
			label,
			text,
			amounts.map((amount) => amount.removeFraction),
		);
		return { removeBlocks, removeFraction };
	};
}

/** What is there, each once; undefined where nothing is. */
function onceEach(label: string, text: string, given: readonly (number | undefined)[]): number[] | undefined {
	const numbers = given.filter((number) => number !== undefined);
	const repeated = numbers.find((number, i) => numbers.indexOf(number) !== i);
	if (repeated !== undefined) throw new UsageError(`${label}: an amount is named twice in ${JSON.stringify(text)}.`);
	return numbers.length > 0 ? numbers : undefined;
}

/** Reads a speed-up: `1.3`, `generation:1.3` or `prompt:1.3`. */
export function speedupOption(label: string, range: NumberRange = {}) {
	return (value: unknown): { readonly targetSpeedup: number; readonly speedupOf?: Speedup } | undefined => {
		const text = single(label, value);
		if (text === undefined) return undefined;
		const [, kind, number = ""] = /^(?:([a-z]+):)?(.*)$/i.exec(text) ?? [];
		const speedupOf = kind === undefined ? undefined : speedups.find((one) => one === kind.toLowerCase());
		if (kind !== undefined && speedupOf === undefined)
			throw new UsageError(`${label}: expected a number such as 1.3 or prompt:1.3, got ${JSON.stringify(text)}.`);
		const targetSpeedup = numberOption(label, range)(number)!;
		return speedupOf === undefined ? { targetSpeedup } : { targetSpeedup, speedupOf };
	};
}

/** Reads how to heal: nothing, a time or a number of tokens behind `=`. */
export function healOption(label: string, { min = 1, max = Number.MAX_SAFE_INTEGER }: NumberRange = {}) {
	return (value: unknown): { readonly heal: boolean; readonly healTokens?: number; readonly healTime?: number } | undefined => {
		if (value === true || value === false) return { heal: value };
		const text = single(label, value);
		if (text === undefined) return undefined;
		if (text === "true" || text === "false") return { heal: text === "true" };
		if (/^\d+$/.test(text) && Number(text) >= min && Number(text) <= max) return { heal: true, healTokens: Number(text) };
		if (/[smh]$/i.test(text)) return { heal: true, healTime: durationOption(label)(text)! };
		throw new UsageError(
			`${label}: expected nothing, a time such as 10m or a number of tokens from ${min} to ${max}, got ${JSON.stringify(text)}.`,
		);
	};
}
