/** Scores that cut the first blocks first. */
export function firstScores(blocks: number): Float64Array {
	return Float64Array.from({ length: blocks }, (_, block) => block);
}

/**
 * Scores that cut the last blocks first, but the very last one after all others, since it prepares the output. The simple
 * strategy of Gromov et al. (arXiv 2403.17887).
 */
export function lastScores(blocks: number): Float64Array {
	return Float64Array.from({ length: blocks }, (_, block) => (block === blocks - 1 ? 1 : -block));
}
