import type { ComparedMethod } from "./methods.js";
import type { PlanSurrogate } from "../storage/plan.js";
import type { AccuracyDifference } from "../model/evaluation/accuracy.js";
import type { AccuracyReport } from "./questions.js";
import type { BlockSearchOptions, MeasureOptions, ModelSummary, Metric } from "./measure.js";
import type { Percentage } from "./prune.js";
import type { Normalization } from "../model/evaluation/questions.js";
import type { QuestionFormat } from "../model/evaluation/questions.js";

// Options and results of `compareMethods`.

/** Methods are compared at equal numbers of evaluations or tokens: options that only some of them read are left out. */
type OfOneMethod = "method" | "granularity" | "effort" | "maxTime" | "strata" | "strataPreset" | "attributionSamples" | "epochs" | "rounds";

export interface CompareOptions extends Omit<MeasureOptions, "search"> {
	/**
	 * Methods to compare, each once. A plain name means whole blocks; `greedy:half-block` is greedy with half-block cuts; auto, leave-one-out, beam, swap,
	 * evolutionary, contiguous and random have that too. @default auto, greedy, leave-one-out, contiguous, block-influence, angular, random, paper, paper-repaired
	 */
	readonly methods?: readonly ComparedMethod[] | undefined;
	/** Numbers of blocks to remove, or shares of the blocks such as "25%". @default about 10, 20 and 33 % of the blocks */
	readonly removeBlocks?: readonly (number | Percentage)[] | undefined;
	/**
	 * What each method may spend: evaluations, those of its final comparison included (`maxEvaluations`, by default 26 per block, 300 to
	 * 800), or tokens. The smaller of the two holds.
	 */
	readonly search?: Omit<BlockSearchOptions, OfOneMethod> | undefined;
	/** Texts to score the candidates on (plain, or JSON Lines); none may be a calibration file. @default the held-out split */
	readonly eval?: readonly string[] | undefined;
	/** Windows of each text of `eval`, at least 2. @default 24 */
	readonly evalWindows?: number | undefined;
	/** Tokens in such a window, at least 8. @default 256, at most the model's context */
	readonly evalWindowLength?: number | undefined;
	/**
	 * Files of multiple-choice questions to score the candidates on too, beside the texts. With the metric `accuracy` the held-out split of
	 * `questions` is scored as well, and that file may not be named here. @default none
	 */
	readonly evalQuestions?: readonly string[] | undefined;
	/** Where the result is written as JSON. @default nowhere */
	readonly saveResult?: string | undefined;
	/** Replace an existing file. @default false */
	readonly overwrite?: boolean | undefined;
}

/** What a method would have needed alone, whatever others measured before it. */
export interface MethodCost {
	/** Distinct candidates that it evaluated: on the search split, and on the validation split for the final comparison. */
	readonly evaluations: number;
	/** Tokens of these evaluations, all tokens of each window, and of passes of the original model that evaluate no candidate. */
	readonly tokens: number;
	/** Blocks run over all windows, with leading blocks shared among the candidates of a batch if the architecture allows it. */
	readonly blockExecutions: number;
	/** Its own computing, and its block executions at the speed of this run. */
	readonly seconds: number;
}

/** A difference of losses, nats per token, with its standard error, paired by window. null if a model broke down. */
export interface Difference {
	readonly mean: number | null;
	/** null also if one window says nothing of it. */
	readonly standardError: number | null;
}

/** What one method found of one size. */
export interface CompareRow {
	readonly method: ComparedMethod;
	/** Removed blocks, ascending: i for block i, i + 0.25 for its attention part alone. i + 0.5 is the feed-forward part of block i and the attention part of block i + 1. Null if it found no candidate of that size. */
	readonly removed: readonly number[] | null;
	/** Who proposed the winner of the final comparison: the method itself, or for example `leave-one-out`. */
	readonly proposedBy?: string | undefined;
	/** Loss added on each text, in the order of `texts`. */
	readonly added: readonly Difference[];
	/** Mean over the texts, each counting the same. */
	readonly mean: Difference;
	/** Mean loss above that of the row's best method; 0 for itself. */
	readonly above: Difference;
	/** Whether that difference is within the 95 % of Student's t; null if it has no error, since a text or a calibration file has a single window. */
	readonly withinBest: boolean | null;
	/** On each file of questions, in the order of `questions`; null if it found no candidate. */
	readonly accuracy: readonly (CompareAccuracy | null)[];
}

/** How the model without these blocks answers the questions of a file. */
export interface CompareAccuracy extends AccuracyReport {
	/** From the original model. */
	readonly difference: AccuracyDifference;
	readonly normalizedDifference: AccuracyDifference;
	/**
	 * Whether it is tied with the candidate of its size that answers most questions of the file correctly: the exact McNemar test gives p of at
	 * least 0.05. Answers are judged by the accuracy that suits the file's format.
	 */
	readonly withinBest: boolean;
}

/** A file of questions, or a split of one. */
export interface CompareQuestions {
	readonly name: string;
	/** Questions. */
	readonly count: number;
	/** SHA-256 of all that decides what is measured. */
	readonly sha256: string;
}

/** Questions that candidates are scored on, with the answers of the original model. */
export interface ScoredQuestions extends CompareQuestions, AccuracyReport {
	readonly format: QuestionFormat;
	/** Files whose lengths are counted in tokens (HellaSwag's text) are judged by `normalizedAccuracy`, the others by `accuracy`. */
	readonly normalization: Normalization;
}

export interface CompareResult {
	readonly model: ModelSummary;
	readonly seed: number;
	/** What each method might spend. */
	readonly budget: { readonly evaluations: number; readonly tokens: number };
	/** Metric that the methods minimized, and that the final comparison used. Texts are always scored by their loss. */
	readonly metric: Metric;
	/** What was searched: text, or with the metric `accuracy` questions. */
	readonly search: CompareText | CompareQuestions;
	/** Texts that the candidates are scored on. */
	readonly texts: readonly (CompareText & { readonly loss: number | null })[];
	/** Questions that the candidates are scored on; empty if there are none. */
	readonly questions: readonly ScoredQuestions[];
	readonly methods: readonly {
		readonly method: ComparedMethod;
		readonly cost: MethodCost;
		/** How good its surrogate is, on candidates that the surrogate did not see; missing if it has none, or none were left for that. */
		readonly surrogate?: PlanSurrogate;
		readonly notes: readonly string[];
	}[];
	readonly sizes: readonly {
		readonly removed: number;
		/** Method of the lowest mean; null if every model broke down. */
		readonly best: ComparedMethod | null;
		/** In the order of `methods`. */
		readonly rows: readonly CompareRow[];
	}[];
	readonly seconds: number;
}

export interface CompareText {
	readonly name: string;
	readonly windows: number;
	readonly length: number;
	/** SHA-256 of the windows' tokens. */
	readonly sha256: string;
}
