import { formatDuration, formatInteger, formatLoss, formatPValue, formatSigned } from "../report/format.js";
import { formatBlocks } from "../notation.js";
import type { TextStyle } from "../report/table.js";
import { factsTable } from "../report/terminal.js";
import type { Accuracy, AccuracyDifference, EvaluateResult, QuestionsResult } from "./api.js";

/** Perplexity, to the digits that llama-perplexity prints. */
export function evaluateText(result: EvaluateResult, style: TextStyle): string {
	const facts: [string, string][] = [
		["perplexity", `${result.perplexity.toFixed(4)} ± ${result.perplexityError.toFixed(5)}`],
		["loss", `${result.loss.toFixed(6)} nats per token`],
		["scored", `${formatInteger(result.tokens)} tokens in ${formatInteger(result.windows)} windows of ${result.windowLength}`],
		["preset", result.preset],
		["model", result.model],
		["text", result.text],
		["time", formatDuration(result.seconds)],
	];
	if (result.removed.length > 0) facts.splice(2, 0, ["removed", `${formatBlocks(result.removed)} (in memory, no file written)`]);
	if (result.against) facts.splice(result.removed.length > 0 ? 3 : 2, 0, ...againstFacts(result.against, result.model));
	return factsTable(facts, style);
}

/** A model beside its reference on a text; intervals are of 95 %, by window. */
function againstFacts(against: NonNullable<EvaluateResult["against"]>, model: string): [string, string][] {
	const { divergence, agreement, difference, ratio } = against;
	const with95 = (text: string, low: string, high: string) => `${text} (95 % ${low} to ${high})`;
	const percent = (share: number) => (100 * share).toFixed(2);
	return [
		["against", against.model === model ? "the original model" : against.model],
		["  perplexity", `${against.perplexity.toFixed(4)} ± ${against.perplexityError.toFixed(5)}`],
		[
			"  KL divergence",
			with95(
				`${divergence.mean.toFixed(5)} ± ${divergence.standardError.toFixed(5)} nats per token`,
				divergence.low.toFixed(5),
				divergence.high.toFixed(5),
			),
		],
		[
			"  same top token",
			with95(`${percent(agreement.mean)} ± ${percent(agreement.standardError)} %`, percent(agreement.low), percent(agreement.high)),
		],
		[
			"  loss difference",
			with95(
				`${formatSigned(difference.mean, 5)} ± ${difference.standardError.toFixed(5)} nats per token`,
				formatSigned(difference.low, 5),
				formatSigned(difference.high, 5),
			),
		],
		[
			"  perplexity ratio",
			with95(`x ${ratio.mean.toFixed(4)} ± ${ratio.standardError.toFixed(4)}`, ratio.low.toFixed(4), ratio.high.toFixed(4)),
		],
	];
}

/** Accuracy on questions, and beside another model. */
export function questionsText(result: QuestionsResult, style: TextStyle): string {
	const byLength = `by ${result.normalization}`;
	const facts: [string, string][] = [
		["accuracy", accuracyText(result.accuracy)],
		[`accuracy ${byLength}`, accuracyText(result.normalizedAccuracy)],
		["loss of correct answers", `${formatLoss(result.goldLoss)} nats per question`],
	];
	if (result.removed.length > 0) facts.push(["removed", `${formatBlocks(result.removed)} (in memory, no file written)`]);
	const { against } = result;
	if (against) {
		facts.push(
			["against", against.model === result.model ? "the original model" : against.model],
			["  accuracy", `${accuracyText(against.accuracy)}; change ${changeText(against.difference)}`],
			[`  accuracy ${byLength}`, `${accuracyText(against.normalizedAccuracy)}; change ${changeText(against.normalizedDifference)}`],
		);
	}
	facts.push(
		["questions", `${formatInteger(result.count)} of ${result.questions}`],
		["model", result.model],
		["time", formatDuration(result.seconds)],
	);
	if (result.truncated > 0)
		facts.push(["shortened", `${formatInteger(result.truncated)} choices: the beginning of the question does not fit in the context`]);
	return factsTable(facts, style);
}

function accuracyText({ value, standardError, correct }: Accuracy): string {
	const error = standardError === undefined ? "" : ` ± ${(100 * standardError).toFixed(2)}`;
	return `${(100 * value).toFixed(2)}${error} % (${formatInteger(correct)} correct)`;
}

function changeText({ value, standardError, gained, lost, pValue }: AccuracyDifference): string {
	const error = standardError === undefined ? "" : ` ± ${(100 * standardError).toFixed(2)}`;
	return `${formatSigned(100 * value, 2)}${error} % (${gained} gained, ${lost} lost; McNemar p ${formatPValue(pValue)})`;
}
