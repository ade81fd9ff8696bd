/**
 * Block influence of ShortGPT (arXiv 2403.03853): 1 minus the mean cosine between the hidden state before and after a block.
 * It is 0 for a block that keeps the direction of every state.
 * @param cosine (n + 1) x (n + 1), as `Evaluator.similarities` gives it: state s is before block s, state n after the last
 * @returns one number per block, 0..2
 * @throws RangeError unless the matrix is a square of at least 2 x 2
 */
export function blockInfluence(cosine: ArrayLike<number>): Float64Array {
	const states = statesOf(cosine);
	return Float64Array.from({ length: states - 1 }, (_, block) => 1 - cosine[block * states + block + 1]!);
}

/** Number of hidden states of a square similarity matrix. @throws RangeError */
export function statesOf(matrix: ArrayLike<number>): number {
	const states = Math.round(Math.sqrt(matrix.length));
	if (states < 2 || states * states !== matrix.length)
		throw new RangeError(`expected a square matrix of at least 2 x 2 similarities of hidden states, got ${matrix.length} numbers`);
	return states;
}
