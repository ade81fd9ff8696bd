// What models make of a text or of questions.
import type { EvaluateOptions, EvaluateResult, QuestionsOptions, QuestionsResult } from "../api/index.js";
import { measureQuestions } from "../model/evaluation/multiple-choice.js";
import { measureText } from "../model/evaluation/perplexity.js";
import { checkCall } from "../pipeline/preflight/call.js";
import { checkKeys } from "../pipeline/preflight/option-keys.js";
import { RunProgress } from "../pipeline/progress/run-progress.js";

/**
 * Perplexity of a model, or of a model without some blocks, on a text; beside a reference (what `against` names, or with blocks removed the
 * original model) also the KL divergence from it, the share of positions where both find the same token most likely, and the difference
 * in loss, paired by window. What was measured is kept: an evaluation that was stopped goes on where it was.
 * @param path of a GGUF file (any shard of a split one)
 * @throws CalibrationError if the text is too short for two windows
 * @throws NotEnoughMemoryError, UnsupportedArchitectureError, EvaluationError, InvalidOptionError, InvalidCandidateError and the errors of loading
 */
export async function evaluateModel(path: string, options: EvaluateOptions): Promise<EvaluateResult> {
	checkCall("evaluate", { path }, options);
	checkKeys("evaluate", options);
	return measureText(path, { ...options, progress: new RunProgress(options, ["Loading the model", "Measuring"]) });
}

/**
 * Accuracy of a model on multiple-choice questions, with or without some blocks; a choice is picked by the log-likelihood of its text after
 * the query. What is masked is compared with the original model, or what `against` names with the model, by the exact McNemar test. What
 * was scored is kept: an evaluation that was stopped goes on where it was.
 * @param path of a GGUF file (any shard of a split one)
 * @throws InvalidQuestionsError, FileError, InvalidOptionError, InvalidCandidateError and the errors of loading
 */
export async function evaluateQuestions(path: string, options: QuestionsOptions): Promise<QuestionsResult> {
	checkCall("questions", { path }, options);
	checkKeys("questions", options);
	return measureQuestions(path, { ...options, progress: new RunProgress(options, ["Loading the model", "Measuring"]) });
}
