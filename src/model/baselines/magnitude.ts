import { blockOfTensor } from "../gguf/index.js";
import type { Model } from "../runtime/model.js";
import { tensorChunks } from "../runtime/tensor-chunks.js";

/**
 * Size of the weights of each block: the Frobenius norm of all its matrices together, dequantized (without norms and biases).
 * Blocks of different shapes are compared as they are.
 * @returns one number per block
 * @throws InvalidOptionError if a type of the weights cannot be dequantized here, and the errors of reading
 */
export async function magnitudes(
	model: Pick<Model, "file" | "blocks">,
	options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<Float64Array> {
	const squares = new Float64Array(model.blocks.blocks);
	for (const tensor of model.file.tensors) {
		const block = blockOfTensor(tensor.name);
		if (block === undefined || block >= squares.length || tensor.dims.length < 2) continue;
		for await (const values of tensorChunks(tensor, options.signal)) squares[block]! += sumOfSquares(values);
	}
	return squares.map(Math.sqrt);
}

/** Sum of squares, in double precision. */
export function sumOfSquares(values: ArrayLike<number>): number {
	let sum = 0;
	for (let i = 0; i < values.length; i++) sum += values[i]! * values[i]!;
	return sum;
}
