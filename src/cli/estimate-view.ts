import { formatCount, formatDuration, formatInteger } from "../report/format.js";
import type { PruneResult } from "./api.js";

type Estimate = NonNullable<PruneResult["estimate"]>;

/**
 * What a run would do, after a dry run.
 * @param end what it did not do
 */
export function estimateLines({ evaluations, known, tokens, seconds, steps, ...more }: Estimate, end: string): string[] {
	const { promptTokens, leftOut = [] } = more;
	const width = Math.max(...steps.map(({ name }) => name.length));
	const isWhole = steps.every((step) => step.seconds !== undefined);
	return [
		`This run would take about ${formatDuration(seconds)}${isWhole ? "" : ", and what cannot be estimated"}:`,
		...steps.map((step) => `  ${step.name.padEnd(width)}  ${step.seconds === undefined ? "not known" : formatDuration(step.seconds)}`),
		...(promptTokens === undefined
			? []
			: [`As long as the original model takes to read a prompt of about ${formatCount(Math.round(promptTokens))} tokens.`]),
		`It would measure ${measured(evaluations)}, in all about ${formatCount(tokens)} tokens.`,
		...(known > 0 ? [`${formatInteger(known)} more ${known === 1 ? "is" : "are"} known from earlier runs.`] : []),
		...(leftOut.length > 0 ? [`--max-time leaves out: ${leftOut.join(", ")}.`] : []),
		end,
	];
}

function measured(candidates: number): string {
	if (candidates === 0) return "no new candidate";
	return candidates === 1 ? "1 candidate" : `up to ${formatInteger(candidates)} candidates`;
}
