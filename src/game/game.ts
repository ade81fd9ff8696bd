import type { Coalition } from "./coalition.js";
import { mixedMean, type SourceShare } from "./sources.js";

/** Result of measuring one coalition. */
export interface Measurement {
	readonly coalition: Coalition;
	/**
	 * The loss, one number per window: the mean negative log-likelihood in nats per token, unless the game says otherwise.
	 * Not finite if the model broke down.
	 */
	readonly losses: Float64Array;
	/** Further figures by name, one number per window each. */
	readonly figures?: Readonly<Record<string, Float64Array>> | undefined;
	/** Where the windows come from, in their order, and the weight of each source; without it all windows count alike. */
	readonly sources?: readonly SourceShare[] | undefined;
}

/** How a caller follows and stops a batch of measurements. */
export interface BatchOptions {
	readonly signal?: AbortSignal | undefined;
	/** Purpose of the batch, shown to people (for example "leave-one-out"). */
	readonly phase?: string | undefined;
}

/**
 * A cooperative game over blocks: a black box that measures coalitions in batches.
 * It may be a model, a table or a function; its users do not know which.
 */
export interface Game {
	/** Number of blocks. */
	readonly players: number;
	/** Blocks that are never removed, with the reason. */
	readonly frozen: ReadonlyMap<number, string>;
	/** Whether the coalition can be run; one that cannot is never measured. */
	allows(coalition: Coalition): boolean;
	/** Measures each coalition once, with the results in the order of the arguments. Coalitions measured before cost nothing. */
	measure(coalitions: readonly Coalition[], options?: BatchOptions): Promise<Measurement[]>;
}

/** Mean loss over the windows, or the weighted mean over their sources, nats per token; Infinity if any window is not finite. */
export function meanLoss(measurement: Measurement): number {
	if (measurement.sources)
		return measurement.losses.every(Number.isFinite) ? mixedMean(measurement.losses, measurement.sources) : Number.POSITIVE_INFINITY;
	let sum = 0;
	for (const loss of measurement.losses) {
		if (!Number.isFinite(loss)) return Number.POSITIVE_INFINITY;
		sum += loss;
	}
	return sum / measurement.losses.length;
}

/** v(S) = PPL(N) / PPL(S) = exp(NLL(N) - NLL(S)): 1 is no loss, 0 a broken model (arXiv 2602.07804, section 3). */
export function valueOfLoss(loss: number, originalLoss: number): number {
	return Number.isFinite(loss) ? Math.exp(originalLoss - loss) : 0;
}
