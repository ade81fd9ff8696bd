/**
 * Block influence of ShortGPT (arXiv 2403.03853): 1 less the mean cosine between the hidden state before and after a block.
 * 0 for a block that leaves the direction of every state as it is.
 * @param cosine (n + 1) x (n + 1), as `Evaluator.similarities` gives it: state s is before block s, state n after the last
 * @returns one number a block, 0..2
 * @throws RangeError where the matrix is no square of at least 2 x 2
 */
export function blockInfluence(cosine: ArrayLike<number>): Float64Array {
	const states = statesOf(cosine);
	return Float64Array.from({ length: states - 1 }, (_, block) => 1 - cosine[block * states + block + 1]!);
}

/** Hidden states of a square matrix of their similarities. @throws RangeError */
export function statesOf(matrix: ArrayLike<number>): number {
	const states = Math.round(Math.sqrt(matrix.length));
	if (states < 2 || states * states !== matrix.length)
		throw new RangeError(`similarities of hidden states are a square of at least 2 x 2, got ${matrix.length} numbers`);
	return states;
}
