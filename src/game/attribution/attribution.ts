/** What each block contributes, and how that was estimated. */
export interface Attribution {
	/** For example `shapley`, `window-semivalue`, `weighted-banzhaf`, `paper-step-4`, `leave-one-out`. */
	readonly estimator: string;
	/**
	 * One number per block: higher is more important. NaN for a frozen block, which is no player.
	 * Blocks tied in a unit share the unit's contribution equally, so that sums over blocks keep their meaning.
	 */
	readonly contributions: Float64Array;
	/** Standard error of each contribution. It covers the estimator's own randomness, or the windows for leave-one-out; absent if there is none. */
	readonly standardErrors?: Float64Array;
	/**
	 * What the standard errors cover: `value`, or `asking`, which is only the sampling of a surrogate. The surrogate's own mistakes are then in
	 * none of them, so no probability follows from them. @default "value"
	 */
	readonly errorsOf?: "value" | "asking";
	/** Degrees of freedom of each standard error. @default infinite: the errors count as known */
	readonly degrees?: Float64Array;
	/**
	 * Games as likely as the estimate, one list of contributions per game. Blocks that err together deviate together in them. If a standard
	 * error exceeds the spread of its block in these games, the rest is the block's own. @default blocks err independently
	 */
	readonly drawn?: readonly Float64Array[];
	/** What a reader must know of these numbers. @default nothing */
	readonly notes?: readonly string[];
	/** `value`: v(S) = exp(-added loss). `loss`: nats per token. `log-loss`: log(1 + added loss). `score`: of a baseline, no measured game. */
	readonly scale: "value" | "loss" | "log-loss" | "score";
	/** Distinct coalitions measured (exact and sampled estimators) or predicted by a surrogate. */
	readonly masks: number;
	readonly seed?: number | string;
	/** Settings of the estimator; with them it can be repeated. */
	readonly settings: Readonly<Record<string, number | string>>;
}

/** Spreads one number per move over the blocks of the moves. @internal */
export function perBlock(players: number, moves: readonly (readonly number[])[], perMove: ArrayLike<number>, share = true): Float64Array {
	const result = new Float64Array(players).fill(Number.NaN);
	for (const [index, move] of moves.entries()) {
		for (const block of move) result[block] = (perMove[index] as number) / (share ? move.length : 1);
	}
	return result;
}

/**
 * Games for {@link Attribution.drawn} whose mean square deviation from the contributions is the sum of the squared shifts. A shift is how
 * far one part of the sample moves every contribution. @internal
 */
export function shiftedGames(contributions: Float64Array, shifts: readonly Float64Array[]): Float64Array[] {
	return shifts.map((shift) => contributions.map((value, i) => value + Math.sqrt(shifts.length) * (shift[i] as number)));
}

/** Blocks from the least to the most important. Frozen blocks (NaN) are left out; equal ones are in the order of their numbers. */
export function ranking(contributions: ArrayLike<number>): number[] {
	const blocks = Array.from({ length: contributions.length }, (_, i) => i).filter((i) => !Number.isNaN(contributions[i]));
	return blocks.sort((a, b) => (contributions[a] as number) - (contributions[b] as number) || a - b);
}
