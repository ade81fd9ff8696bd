import type { Coalition } from "./coalition.js";
import type { Granularity } from "./pairs.js";

/** Predicts values of coalitions without measuring them. */
export interface Predictor {
	/** Number of blocks. */
	readonly players: number;
	/** What it was learned over: with `half-block`, a row or a loss has one byte per part, attention first. @default "block" */
	readonly granularity?: Granularity;
	/** Predicted v(S) of each coalition, 1 no loss and 0 broken. @throws RangeError for coalitions of another number of blocks */
	predict(coalitions: readonly Coalition[]): Float64Array;
	/**
	 * f(m with i) - f(m without i) for every row m and block i, if this is cheaper than predicting each flip.
	 * Over whole blocks only: a part never goes alone.
	 * @param rows one byte per block, 1 kept; shape: coalitions x players
	 * @returns shape: coalitions x players
	 */
	marginals?(rows: Uint8Array): Float64Array;
}

/** A predictor that knows how uncertain each prediction is. */
export interface Calibrated extends Predictor {
	/** Mean and standard deviation of log(1 + added loss). The deviation is that of a new measurement, noise included. */
	predictLinks(coalitions: readonly Coalition[]): { mean: Float64Array; sd: Float64Array };
}

/** A predictor with a posterior: every draw is one game that fits the measurements. */
export interface Posterior extends Predictor {
	/** A game drawn from the posterior. */
	draw(normal: () => number): LossFunction;
	/** The posterior mean. */
	mean(): LossFunction;
	/** v(S) from a number that {@link LossFunction.of} gave. */
	toValue(loss: number): number;
}

/**
 * A cheap loss over sets of removed blocks, in any increasing scale of the added loss; only its order matters to a search. With half-block
 * cuts it is one over sets of removed parts.
 */
export interface LossFunction {
	/** @param removed one byte per block (or part), 1 removed */
	of(removed: Uint8Array): number;
	/** Change of {@link of} if the state of the block (or part) is flipped. */
	flip(removed: Uint8Array, block: number): number;
}
