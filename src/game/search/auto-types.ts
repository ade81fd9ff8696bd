import type { Coalition } from "../coalition.js";
import type { Calibrated, Posterior } from "../predictor.js";
import type { Sample } from "../sample.js";
import type { TiedSet } from "./tied.js";
import type { FoundSet, SearchOptions, SearchResult } from "./search.js";

// The options and the result of the automatic search.

/** A surrogate with a posterior that also knows how uncertain it is. */
export type SearchModel = Posterior & Calibrated;

/** Progress of an automatic search: what it would answer if it stopped now. */
export interface AutoProgress {
	readonly phase: AutoPhase;
	/** Distinct coalitions measured by this search. */
	readonly measured: number;
	/** Best set so far for every number of removed blocks that has one. */
	readonly byCount: ReadonlyMap<number, FoundSet>;
}

export type AutoPhase = "single blocks" | "ranked candidates" | "greedy" | "random candidates" | "active search" | "half-block cuts";

export interface AutoSearchOptions extends SearchOptions {
	/** Most distinct coalitions to measure; those the meter knew before do not count. Single removals are measured in any case. @default 800 */
	readonly budget?: number;
	/**
	 * Called before every batch: true ends the search with the sets so far. Single removals are not interrupted, since without them there is
	 * no set of any size. @default never
	 */
	readonly stop?: () => boolean;
	/** Called before every batch: coalitions that the time still allows. A larger batch is cut to these, but not to none. @default any number */
	readonly fits?: () => number;
	readonly seed: number | string;
	/** Fits the surrogate to all measurements; `previous` is the result of the fit before. */
	readonly fit: (samples: readonly Sample[], previous: SearchModel | undefined) => Promise<SearchModel>;
	/** Sizes to answer: these are improved, the others only recorded. @default 1..kmax */
	readonly counts?: readonly number[];
	/** Share of the budget after greedy for random sets, from which contributions are learned. @default 0.45 */
	readonly explore?: number;
	/** Most coalitions in a batch, after the single removals. @default a twentieth of the budget, 8..32 */
	readonly batch?: number;
	/** Improvement that counts, nats per token. @default 0.002 */
	readonly eps?: number;
	/** Rounds without an improvement, nor an expected one, after which the search stops before its budget; 0 spends all of it. @default 3 */
	readonly patience?: number;
	/** Awaited between slices of work, so that timers and input get their turn. @default no pause */
	readonly pause?: (() => Promise<void>) | undefined;
	/** Called after every batch. */
	readonly onBatch?: (progress: AutoProgress) => void;
	/**
	 * Called once, after the random sets: whether the surrogate ranks sets well enough to propose any. False leaves the rest of the budget to
	 * exact exchanges. @default it does
	 */
	readonly trust?: (evidence: AutoEvidence) => Promise<boolean>;
}

/** Coalitions drawn to learn from and to judge by; no surrogate chose any of them. */
export interface AutoEvidence {
	/** All measured coalitions. */
	readonly samples: readonly Sample[];
	/** Keys of random sets over all sizes. */
	readonly explored: ReadonlySet<string>;
	/** Keys of random exchanges in the best sets. */
	readonly exchanges: ReadonlySet<string>;
	/** Keys of the sets that greedy's steps compared, of at least two blocks: each is one block beyond the best set so far. */
	readonly steps: ReadonlySet<string>;
}

/** The prediction for a set before it was measured. */
export interface Forecast {
	readonly coalition: Coalition;
	/** Mean of log(1 + added loss). */
	readonly mean: number;
	readonly sd: number;
	/** Nats per token. */
	readonly addedLoss: number;
}

export interface AutoSearchResult extends SearchResult {
	/** `budget` spent, `stop` returned true, `converged`: no more improvement was expected, `exhausted`: nothing new to propose. */
	readonly ended: "budget" | "stop" | "converged" | "exhausted";
	/** Fitted to everything, for reports; undefined if the search stopped before there was enough to fit. */
	readonly model: SearchModel | undefined;
	readonly evidence: AutoEvidence;
	/** The surrogate's predictions for the sets that it proposed. */
	readonly forecasts: readonly Forecast[];
	readonly tied: ReadonlyMap<number, readonly TiedSet[]>;
	/** Sets that leave-one-out would cut, of every size that its ranking reaches, measured or not. A stopped search may have no other sets. */
	readonly ranked: readonly (readonly number[])[];
	/** Greedy's set of each size that its steps reached. */
	readonly greedy: ReadonlyMap<number, Pick<FoundSet, "removed" | "addedLoss">>;
	/** Whether the surrogate was trusted; undefined if this was not tested. */
	readonly trusted: boolean | undefined;
}
