import type { AccuracyReport, JobOptions, QuestionsOptions, QuestionsResult } from "../api.js";
import { InvalidOptionError } from "../errors.js";
import { Coalition } from "../game/coalition.js";
import { loadModel } from "../runtime/load-model.js";
import type { Model } from "../runtime/model.js";
import { accuracyOf, type Answer, answersOf, compareAnswers, rightOf } from "./accuracy.js";
import { packQuestions, type PreparedQuestions, scoreChoices, tokenizeQuestions } from "./choices.js";
import { checkedBlocks } from "./perplexity.js";
import { type QuestionFile, readQuestions } from "./questions.js";

/**
 * Accuracy of a model on multiple-choice questions, whole or under a mask; a choice is picked by the log-likelihood of its text after
 * the query. What is masked is compared with the whole model, or what `against` names with the model, by the exact McNemar test.
 * @throws InvalidQuestionsError, FileError, InvalidOptionError, InvalidMaskError and the errors of loading
 */
export async function evaluateQuestions(path: string, options: QuestionsOptions): Promise<QuestionsResult> {
	const started = Date.now();
	const { limit, against } = options;
	if (limit !== undefined && (!Number.isInteger(limit) || limit < 1))
		throw new InvalidOptionError(`limit must be a whole number of at least 1, got ${limit}`);
	const file = await readQuestions(options.questions, limit);
	const removed = [...new Set(options.remove ?? [])].sort((a, b) => a - b);
	const own = await answersOn(path, file, removed, removed.length > 0 && against === undefined, options);
	const rival = against === undefined ? undefined : await answersOn(against, file, [], false, options);
	const first = rival?.masked ?? own.whole;
	return {
		model: path,
		questions: options.questions,
		format: file.format,
		normalization: own.prepared.normalization,
		removed,
		count: file.questions.length,
		...reportOf(own.masked),
		...(first ? { against: againstOf(against ?? path, first, own.masked) } : {}),
		truncated: own.prepared.truncated,
		tokens: own.prepared.tokens,
		answers: own.masked,
		seconds: (Date.now() - started) / 1000,
	};
}

interface Scored {
	readonly prepared: PreparedQuestions;
	readonly masked: Answer[];
	readonly whole?: Answer[] | undefined;
}

async function answersOn(
	path: string,
	file: QuestionFile,
	removed: readonly number[],
	alsoWhole: boolean,
	options: QuestionsOptions,
): Promise<Scored> {
	const model = await loadModel(path, options);
	try {
		const prepared = packQuestions(tokenizeQuestions(model, file), file.format);
		const { blocks } = model.facts;
		const mask = Coalition.ofRemoved(blocks, checkedBlocks(removed, blocks));
		const [masked, whole] = await score(model, alsoWhole ? [mask, Coalition.full(blocks)] : [mask], prepared, options);
		return { prepared, masked: masked!, whole };
	} finally {
		await model.dispose();
	}
}

async function score(model: Model, masks: Coalition[], prepared: PreparedQuestions, options: JobOptions): Promise<Answer[][]> {
	const started = Date.now();
	const total = masks.length * prepared.tokens;
	const sums = await scoreChoices(model.createEvaluator(), masks, prepared, {
		signal: options.signal,
		onProgress: (done) => {
			const seconds = (Date.now() - started) / 1000;
			const speed = { tokensPerSecond: done / seconds, secondsLeft: (seconds / done) * (total - done) };
			options.onProgress?.({ phase: "questions", done, total, unit: "tokens", ...speed });
		},
	});
	return sums.map((list) => answersOf(prepared, list));
}

function reportOf(answers: readonly Answer[]): AccuracyReport {
	return {
		accuracy: accuracyOf(rightOf(answers, false)),
		normalizedAccuracy: accuracyOf(rightOf(answers, true)),
		goldLoss: answers.reduce((sum, { goldLoss }) => sum + goldLoss, 0) / answers.length,
	};
}

function againstOf(model: string, first: readonly Answer[], second: readonly Answer[]): NonNullable<QuestionsResult["against"]> {
	return {
		model,
		...reportOf(first),
		difference: compareAnswers(rightOf(first, false), rightOf(second, false)),
		normalizedDifference: compareAnswers(rightOf(first, true), rightOf(second, true)),
	};
}
