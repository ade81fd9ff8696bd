import { formatPercent } from "./format.js";
import type { Report } from "./report-data.js";

// Bounds of a verdict, and a rise in perplexity as text that shows on which side of them it is.

/** Added to the metric, nats, up to which a smaller model is suggested: perplexity rises by about a tenth. */
export const sensibleLoss = 0.1;
/** Added by which a model counts as damaged, nats per token: perplexity doubles. A single block that costs as much is critical. */
export const damagingLoss = Math.LN2;

/** 10.5, rounded down: a rise is shown above it only if it is. */
const smallPercent = Math.floor(1000 * Math.expm1(sensibleLoss)) / 10;
/** What counts as a small rise: `10.5 %`. */
export const smallRise = `${smallPercent} %`;

/** A rise in perplexity, or a fall, in percent: with as many digits as show on which side of both bounds it is. */
export function riseText(added: number): string {
	const share = Math.expm1(Math.abs(added));
	const fall = -Math.expm1(-Math.abs(added));
	const least = 0.0005;
	if ((added < 0 ? fall : share) < least) return "less than 0.1 %";
	if (added < 0) return formatPercent(fall);
	for (let digits = 0; digits < 6; digits++) {
		const shown = Number((100 * share).toFixed(digits));
		const isSmall = shown <= smallPercent === added <= sensibleLoss;
		const isDouble = shown >= 100 === added >= damagingLoss;
		if (shown > 0 && isSmall && isDouble) return formatPercent(share, digits);
	}
	return formatPercent(share, 6);
}

/** A cost in nats with three decimals or, right beside the bound, as many as show on which side of it. */
export function natsBesideBound(value: number): string {
	for (let digits = 3; digits < 8; digits++) {
		const text = value.toFixed(digits);
		if (Number(text) <= sensibleLoss === value <= sensibleLoss) return text;
	}
	return String(value);
}

type Texts = Partial<Pick<Report, "collapse" | "textCheck">>;

const newKinds: Readonly<Record<string, readonly [one: string, many: string]>> = {
	loop: ["newly gets stuck in a loop", "newly get stuck in a loop"],
	repetition: ["newly repeats itself", "newly repeat themselves"],
	script: ["newly changes to another script", "newly change to another script"],
	language: ["newly changes to another language", "newly change to another language"],
	empty: ["is newly empty", "are newly empty"],
};

/** What is wrong with sample texts of the pruned model that is not wrong with the original's; undefined if nothing is. */
export function worseTexts({ collapse = [], textCheck }: Texts): string | undefined {
	const kinds = [...new Set(collapse.map(({ kind }) => kind))];
	if (kinds.length === 0) return undefined;
	const found = kinds.map((kind, i) => {
		const count = collapse.filter((one) => one.kind === kind).length;
		const of = i === 0 && textCheck ? ` of ${textCheck.texts} samples` : i === 0 ? ` sample${count === 1 ? "" : "s"}` : "";
		const [one, many] = newKinds[kind] ?? [`newly shows ${kind}`, `newly show ${kind}`];
		return `${count}${of} ${count === 1 ? one : many}`;
	});
	return found.join(", ");
}
