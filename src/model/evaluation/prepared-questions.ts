import type { ScoredPositions } from "../runtime/positions.js";
import type { TokenWindows } from "../runtime/windows.js";
import type { Normalization } from "./questions.js";

// Questions as they are scored: in tokens, in windows of about one length.

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
	/** What its log-likelihood is divided by: characters (code points) of the choice, or tokens that count. */
	readonly length: number;
	readonly truncated: boolean;
}

/** Questions ready to be scored on one model. */
export interface PreparedQuestions {
	readonly questions: readonly TokenizedQuestion[];
	readonly normalization: Normalization;
	readonly batches: readonly ChoiceBatch[];
	/** That a mask runs, padding included. */
	readonly tokens: number;
	/** Choices whose query was cut to fit the context. */
	readonly truncated: number;
	/** SHA-256 over all that decides what is measured. */
	readonly sha256: string;
}

/** Choices of about one length, padded to windows. */
export interface ChoiceBatch {
	readonly windows: TokenWindows;
	readonly positions: ScoredPositions;
	/** For each window the number of the choice, counted over all questions. */
	readonly choices: readonly number[];
}
