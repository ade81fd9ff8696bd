import type { Coalition } from "../coalition.js";
import type { Calibrated, Posterior } from "../predictor.js";
import type { Sample } from "../sample.js";
import type { TiedSet } from "./tied.js";
import type { FoundSet, SearchOptions, SearchResult } from "./search.js";

// What the automatic search takes and gives.

/** A surrogate that can be drawn from and knows how sure it is. */
export type SearchModel = Posterior & Calibrated;

/** Where an automatic search stands: what it would answer if it were stopped now. */
export interface AutoProgress {
	readonly phase: AutoPhase;
	/** Distinct coalitions measured by this search. */
	readonly measured: number;
	/** Best set so far of every number of removed blocks that has one. */
	readonly byCount: ReadonlyMap<number, FoundSet>;
}

export type AutoPhase = "single blocks" | "ranked candidates" | "greedy" | "random candidates" | "active search";

export interface AutoSearchOptions extends SearchOptions {
	/** Distinct coalitions to measure at most, those the meter knew before not counted; single removals are measured in any case. @default 800 */
	readonly budget?: number;
	/**
	 * Asked before every batch: true ends the search with what it has. Single removals are not interrupted: without them there is no set
	 * of any size. @default never
	 */
	readonly stop?: () => boolean;
	/** Asked before every batch: coalitions that there is still time for. A larger batch is cut to these, but not to none. @default any number */
	readonly fits?: () => number;
	readonly seed: number | string;
	/** Fits the surrogate to all that was measured; `previous` is what it gave the time before. */
	readonly fit: (samples: readonly Sample[], previous: SearchModel | undefined) => Promise<SearchModel>;
	/** Sizes asked for: these are improved, the others come along. @default 1..kmax */
	readonly counts?: readonly number[];
	/** Share of what greedy leaves that goes to random sets, from which contributions are learned. @default 0.45 */
	readonly explore?: number;
	/** Most coalitions in a batch, after the single removals. @default a twentieth of the budget, 8..32 */
	readonly batch?: number;
	/** Improvement that counts, nats per token. @default 0.002 */
	readonly eps?: number;
	/** Rounds without one, none expected either, after which the search stops before its budget; 0 spends all of it. @default 3 */
	readonly patience?: number;
	/** Awaited between slices of work, so that timers and input get their turn. @default no pause */
	readonly pause?: (() => Promise<void>) | undefined;
	/** Called after every batch. */
	readonly onBatch?: (progress: AutoProgress) => void;
	/**
	 * Asked once, after exploring: whether the surrogate ranks sets well enough to propose any. False leaves the rest of the budget to exact
	 * exchanges. @default it does
	 */
	readonly trust?: (evidence: AutoEvidence) => Promise<boolean>;
}

/** Masks drawn to learn from and to judge by; none was chosen by a surrogate. */
export interface AutoEvidence {
	/** All that was measured. */
	readonly samples: readonly Sample[];
	/** Keys of random sets over all sizes. */
	readonly explored: ReadonlySet<string>;
	/** Keys of random exchanges in the best sets. */
	readonly exchanges: ReadonlySet<string>;
	/** Keys of the sets that greedy's steps compared, of two blocks and more: each one block beyond the best set so far. */
	readonly steps: ReadonlySet<string>;
}

/** What was expected of a set before it was measured. */
export interface Forecast {
	readonly coalition: Coalition;
	/** Of log(1 + added loss). */
	readonly mean: number;
	readonly sd: number;
	/** Nats per token. */
	readonly addedLoss: number;
}

export interface AutoSearchResult extends SearchResult {
	/** `budget` spent, `stop` said so, `converged`: no more was expected, `exhausted`: nothing new to propose. */
	readonly ended: "budget" | "stop" | "converged" | "exhausted";
	/** Fitted to everything, for reports; undefined where the search was stopped before there was enough to fit. */
	readonly model: SearchModel | undefined;
	readonly evidence: AutoEvidence;
	/** The surrogate's forecasts of the sets that it proposed. */
	readonly forecasts: readonly Forecast[];
	readonly tied: ReadonlyMap<number, readonly TiedSet[]>;
	/** Sets that leave-one-out would cut, of every size that its ranking reaches, measured or not: a search that was stopped may have no other. */
	readonly ranked: readonly (readonly number[])[];
	/** The set that greedy's steps led to, of each size that they reached. */
	readonly greedy: ReadonlyMap<number, Pick<FoundSet, "removed" | "addedLoss">>;
	/** Whether the surrogate was trusted; undefined where it was not asked for. */
	readonly trusted: boolean | undefined;
}
