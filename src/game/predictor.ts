import type { Coalition } from "./coalition.js";

/** Anything that guesses values of coalitions without measuring them. */
export interface Predictor {
	/** Number of blocks. */
	readonly players: number;
	/** Guessed v(S) of each coalition, 1 no loss and 0 broken. @throws RangeError for coalitions of another number of blocks */
	predict(coalitions: readonly Coalition[]): Float64Array;
	/**
	 * f(m with i) - f(m without i) for every row m and block i, where this is cheaper than predicting each flip.
	 * @param rows one byte a block, 1 kept; shape: masks x players
	 * @returns shape: masks x players
	 */
	marginals?(rows: Uint8Array): Float64Array;
}

/** A predictor that says how sure it is of each guess. */
export interface Calibrated extends Predictor {
	/** Mean and standard deviation of log(1 + added loss). The deviation is that of a new measurement, noise included. */
	predictLinks(coalitions: readonly Coalition[]): { mean: Float64Array; sd: Float64Array };
}

/** A predictor that knows how unsure it is: every draw is one game that fits what was measured. */
export interface Posterior extends Predictor {
	/** A game drawn from the posterior. */
	draw(normal: () => number): LossFunction;
	/** The posterior mean. */
	mean(): LossFunction;
	/** v(S) from a number that {@link LossFunction.of} gave. */
	toValue(loss: number): number;
}

/** A cheap loss over sets of removed blocks, in any rising scale of the added loss; only its order matters to a search. */
export interface LossFunction {
	/** @param removed one byte a block, 1 removed */
	of(removed: Uint8Array): number;
	/** Change of {@link of} where the block's state is flipped. */
	flip(removed: Uint8Array, block: number): number;
}
