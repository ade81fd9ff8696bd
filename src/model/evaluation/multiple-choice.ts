import { InvalidOptionError } from "../../errors.js";
import { GgufFile } from "../gguf/file.js";
import { loadAsRead } from "../runtime/load-model.js";
import { accuracyOf, type Answer, answersOf, compareAnswers, rightOf } from "./accuracy.js";
import { packQuestions, tokenizeQuestions } from "./choices.js";
import type { PreparedQuestions } from "./prepared-questions.js";
import { hashAsRead, type Side } from "./kept.js";
import { blocksToRemove } from "./perplexity.js";
import { scoreKept } from "./question-sweep.js";
import { type QuestionFile, readQuestions } from "./questions.js";
import type { AccuracyReport, QuestionsOptions, QuestionsResult } from "./question-types.js";

/**
 * Accuracy of a model on multiple-choice questions, with all blocks or under a mask; the pick is the choice whose text is most likely after
 * the query. A mask is compared with the original model, and a model with `against`, by the exact McNemar test. Scores are cached by model,
 * mask, questions and settings, so an interrupted evaluation continues where it stopped.
 * @throws InvalidQuestionsError, FileError, InvalidOptionError, InvalidCandidateError and the errors of loading
 */
export async function measureQuestions(path: string, options: QuestionsOptions): Promise<QuestionsResult> {
	const started = Date.now();
	const { maxQuestions: limit, against } = options;
	if (limit !== undefined && (!Number.isInteger(limit) || limit < 1))
		throw new InvalidOptionError(`maxQuestions must be a whole number of at least 1, got ${limit}`);
	const file = await readQuestions(options.questions, limit);
	const header = (name: string) => GgufFile.read(name, options.signal ? { signal: options.signal } : {});
	const model = { path, file: await header(path) };
	// A wrong file name shows before the first model has answered.
	const other = against === undefined ? undefined : { path: against, file: await header(against) };
	const own = await answersOn(model, file, { remove: options.remove, alsoOriginal: against === undefined }, options);
	const rival = other && (await answersOn(other, file, { remove: [], alsoOriginal: false }, options));
	const first = rival?.masked ?? own.whole;
	return {
		model: path,
		questions: options.questions,
		format: file.format,
		normalization: own.prepared.normalization,
		removed: own.removed,
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
	/** Removed blocks, ascending. */
	readonly removed: readonly number[];
	readonly masked: Answer[];
	readonly whole?: Answer[] | undefined;
}

/** @param from path and header of the model */
async function answersOn(
	from: Pick<Side, "path" | "file">,
	questions: QuestionFile,
	{ remove, alsoOriginal }: Pick<QuestionsOptions, "remove"> & { readonly alsoOriginal: boolean },
	options: QuestionsOptions,
): Promise<Scored> {
	const model = await loadAsRead(from, options);
	try {
		const prepared = packQuestions(tokenizeQuestions(model, questions), questions.format);
		const removed = blocksToRemove(remove, model.facts.blocks);
		const own = { ...from, sha256: await hashAsRead(from.file, options), removed };
		const both = alsoOriginal && removed.length > 0;
		const [masked, whole] = await scoreKept(model, both ? [own, { ...own, removed: [] }] : [own], prepared, options);
		return { prepared, removed, masked: answersOf(prepared, masked!), whole: whole && answersOf(prepared, whole) };
	} finally {
		await model.dispose();
	}
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
