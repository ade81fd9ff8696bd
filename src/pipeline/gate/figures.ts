// What is measured against limits, as the figures of a plan.
import type { JobOptions } from "../../api/index.js";
import { accuracyOf, answersOf, rightOf } from "../../model/evaluation/accuracy.js";
import { scoreChoices } from "../../model/evaluation/choices.js";
import type { PreparedQuestions } from "../../model/evaluation/prepared-questions.js";
import type { Coalition } from "../../game/coalition.js";
import { finite } from "../../game/statistics.js";
import type { Evaluator } from "../../model/runtime/evaluator.js";
import type { PlanLimit } from "../../storage/plan-limits.js";
import type { MeanAndError } from "../../storage/plan-quantized.js";
import type { GateLimit, GateRequest } from "../preflight/gate-limits.js";
import { type Measured, type MeasuredOriginal, finiteMean, pairedDifference } from "../session/paired-figures.js";

/** Questions of one limit, by split. */
export type LimitQuestions<Split extends string> = Readonly<Record<Split, PreparedQuestions>>;

/** Which questions are answered correctly, for each limit that asks some. */
export type RightAnswers = ReadonlyMap<GateLimit, readonly boolean[]>;

/** One figure a limit, of a model that was measured beside the whole one on the same windows. */
export function figuresFrom(limits: GateRequest, measured: Measured, whole: MeasuredOriginal, right: RightAnswers): PlanLimit[] {
	return limits.map((limit) => {
		if (limit.kind === "ratio") return figureOf(limit, perplexityRatio(pairedDifference(whole, measured, whole.sources)));
		if (limit.kind === "divergence") return figureOf(limit, finiteMean(measured.figures?.divergence ?? [], whole.sources));
		return figureOf(limit, shareRight(right.get(limit)!));
	});
}

/** Whether each answer to the questions of each limit is right. */
export async function answersTo(
	limits: GateRequest,
	questionsOf: (limit: GateLimit) => PreparedQuestions,
	{ evaluator, mask }: { readonly evaluator: Evaluator; readonly mask: Coalition },
	{ signal }: JobOptions,
): Promise<RightAnswers> {
	const all = new Map<GateLimit, readonly boolean[]>();
	for (const limit of limits) {
		if (limit.kind !== "accuracy") continue;
		const prepared = questionsOf(limit);
		const [sums] = await scoreChoices(evaluator, [mask], prepared, { signal });
		all.set(limit, rightOf(answersOf(prepared, sums!), byTokens(prepared)));
	}
	return all;
}

/** HellaSwag's text is judged as llama-perplexity judges it: by log-likelihood over tokens. */
export const byTokens = ({ normalization }: PreparedQuestions) => normalization === "tokens";

/** A ratio of perplexities, of a difference of losses. */
export function perplexityRatio({ mean, standardError }: MeanAndError): MeanAndError {
	const ratio = finite(Math.exp(mean ?? Number.NaN));
	return { mean: ratio, standardError: ratio === null || standardError === null ? null : finite(ratio * standardError) };
}

export function shareRight(right: readonly boolean[]): MeanAndError {
	const { value, standardError = Number.NaN } = accuracyOf(right);
	return { mean: finite(value), standardError: finite(standardError) };
}

export function figureOf({ kind, name, limit }: GateLimit, { mean, standardError }: MeanAndError): PlanLimit {
	const met = mean !== null && (kind === "accuracy" ? mean >= limit : mean <= limit);
	return { name, limit, value: mean, standardError, met };
}
