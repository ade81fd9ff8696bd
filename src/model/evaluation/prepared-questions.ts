import type { ScoredPositions } from "../runtime/positions.js";
import type { TokenWindows } from "../runtime/windows.js";
import type { Normalization } from "./questions.js";

// Questions as they are scored: in tokens, in windows of similar length.

/** A question with its choices in tokens. */
export interface TokenizedQuestion {
	readonly gold: number;
	readonly choices: readonly TokenizedChoice[];
}

export interface TokenizedChoice {
	/** The query and the choice, at most the model's context. */
	readonly tokens: Int32Array;
	/** First token that counts: 1 or more. */
	readonly from: number;
	/** Divisor of its log-likelihood: characters (code points) of the choice, or tokens that count. */
	readonly length: number;
	readonly truncated: boolean;
}

/** Questions ready to be scored on one model. */
export interface PreparedQuestions {
	readonly questions: readonly TokenizedQuestion[];
	readonly normalization: Normalization;
	readonly batches: readonly ChoiceBatch[];
	/** Tokens that a mask runs, including padding. */
	readonly tokens: number;
	/** Number of choices whose query was cut to fit the context. */
	readonly truncated: number;
	/** SHA-256 over everything that affects the measurement. */
	readonly sha256: string;
}

/** Choices of similar length, padded to windows. */
export interface ChoiceBatch {
	readonly windows: TokenWindows;
	readonly positions: ScoredPositions;
	/** For each window the number of its choice, counted over all questions. */
	readonly choices: readonly number[];
}
