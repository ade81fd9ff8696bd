// How one split is measured: by its windows of text, or by questions.
import type { PreparedQuestions } from "../../model/evaluation/prepared-questions.js";
import type { Coalition } from "../../game/coalition.js";
import type { Evaluator } from "../../model/runtime/evaluator.js";
import type { Reference } from "../../model/runtime/positions.js";
import { hashWindows, type TokenWindows } from "../../model/runtime/windows.js";
import type { LedgerEvaluateOptions } from "../../storage/ledger-game.js";
import { type ScoredWindows, sweepQuestions, sweepWindows } from "./batch-evaluation.js";
import type { JobOptions } from "../../api/index.js";

/** How a metric is measured on one split. */
export interface SplitMetric {
	/** Hash of the text or questions, for the ledger's key. */
	readonly hash: string;
	readonly shape: { readonly count: number; readonly length: number };
	readonly tokens: number;
	/** First position of a window that counts. @default 0 */
	readonly scoreFrom?: number | undefined;
	/** Names of the figures beside the losses that are counted on. */
	readonly figures: readonly string[];
	measure(evaluator: Evaluator, coalitions: readonly Coalition[], run: LedgerEvaluateOptions): Promise<void>;
}

/**
 * Losses of windows of text.
 * @param referenceFor gives the original model's distributions to compare with
 * @param scored what of the windows counts; all where nothing is said
 */
export function windowsMetric(
	windows: TokenWindows,
	options: JobOptions,
	referenceFor?: (run: LedgerEvaluateOptions) => Promise<Reference | undefined>,
	scored: Pick<ScoredWindows, "positions" | "scoreFrom"> = {},
): SplitMetric {
	const { count, length, tokens } = windows;
	return {
		hash: hashWindows(windows),
		shape: { count, length },
		tokens: tokens.length,
		scoreFrom: scored.positions ? scored.positions.scoreFrom : scored.scoreFrom,
		figures: referenceFor ? ["divergence", "agreement"] : [],
		measure: async (evaluator, coalitions, run) => {
			await sweepWindows({ evaluator, coalitions }, { windows, reference: await referenceFor?.(run), ...scored }, run, options);
		},
	};
}

/** Losses of the right choices of questions. */
export function questionMetric(questions: PreparedQuestions, options: JobOptions): SplitMetric {
	return {
		hash: questions.sha256,
		shape: { count: questions.questions.length, length: Math.max(...questions.batches.map(({ windows }) => windows.length)) },
		tokens: questions.tokens,
		figures: ["accuracy", "normalizedAccuracy"],
		measure: (evaluator, coalitions, run) => sweepQuestions({ evaluator, coalitions }, questions, run, options),
	};
}
