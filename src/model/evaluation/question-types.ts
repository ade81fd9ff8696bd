// Options and results of `evaluateQuestions`.
import type { Accuracy, AccuracyDifference, Answer } from "./accuracy.js";
import type { Normalization } from "./questions.js";
import type { QuestionFormat } from "./questions.js";
import type { JobOptions, MachineOptions, UnknownOptions } from "../runtime/job-options.js";

export interface QuestionsOptions extends JobOptions, MachineOptions, UnknownOptions {
	/** JSON Lines with `query`, `choices`, `gold`, or the text of `llama-perplexity --hellaswag`; compressed by gzip or not. */
	readonly questions: string;
	/** Questions to take from the beginning of the file. @default all */
	readonly maxQuestions?: number | undefined;
	/**
	 * Score it as if these blocks were removed, and compare it with the original model. Blocks are numbered from 0: `[3, 7]`, or text such as `"3, 6-9a, 12f-15a"`. There `6-9a` is attention parts alone and `12f-15a` is a half-block cut; in a list 6.25 is `6a` and 12.5 is `12f-13a`.
	 */
	readonly remove?: readonly number[] | string | undefined;
	/** Another model file to compare with, instead of the original model. */
	readonly against?: string | undefined;
}

/** A model's answers to questions. */
export interface AccuracyReport {
	/** Accuracy by the log-likelihood of the choice (acc of lm-evaluation-harness). */
	readonly accuracy: Accuracy;
	/** Accuracy by the log-likelihood divided by the choice's length (acc_norm). */
	readonly normalizedAccuracy: Accuracy;
	/** Mean of -log of the right choice's share among the choices, nats per question: what a search with the metric `accuracy` minimizes. */
	readonly goldLoss: number;
}

export interface QuestionsResult extends AccuracyReport {
	readonly model: string;
	readonly questions: string;
	readonly format: QuestionFormat;
	/** Unit of the lengths: characters of the choice for JSON Lines, tokens for the text of HellaSwag. */
	readonly normalization: Normalization;
	/** Removed blocks, ascending: i for block i, i + 0.25 for its attention part alone. i + 0.5 is the feed-forward part of block i and the attention part of block i + 1. */
	readonly removed: readonly number[];
	/** Number of questions. */
	readonly count: number;
	/** The original model, or the other one, on the same questions; differences are the model (as masked) minus this one. */
	readonly against?:
		| (AccuracyReport & {
				readonly model: string;
				readonly difference: AccuracyDifference;
				readonly normalizedDifference: AccuracyDifference;
		  })
		| undefined;
	/** Number of choices whose query was cut to fit the model's context. */
	readonly truncated: number;
	/** Tokens that were run, including padding. */
	readonly tokens: number;
	/** One answer per question, in the order of the file. */
	readonly answers: readonly Answer[];
	readonly seconds: number;
}
