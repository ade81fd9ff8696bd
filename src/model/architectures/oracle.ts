import { contentOf, type GgufFile } from "../gguf/file.js";
import type { GgufContent, GgufContentTensor } from "../gguf/types.js";
import { identityTensors } from "./outputs.js";

/**
 * The model with these blocks made the identity in the residual stream: it has all its blocks, and the output tensors of these are zero.
 * It defines what removing them means. Check `BlockPlan.oracleProblem` first to see whether it can be made.
 * @param removed i for block i, i + 0.25 for its attention part, i + 0.5 for the feed-forward part of block i and the attention part of block i + 1
 */
export function zeroedBlocks(file: GgufFile, removed: readonly number[]): GgufContent {
	const parts = identityTensors(file, removed);
	const zero = new Set(parts.zero);
	const one = new Set(parts.one);
	const content = contentOf(file);
	// One run of zeros serves all: the tensors of a block of experts can take gigabytes.
	const zeros = new Uint8Array(
		content.tensors.reduce((most, tensor) => (zero.has(tensor.name) ? Math.max(most, sizeOf(tensor)) : most), 0),
	);
	const changed = (tensor: GgufContentTensor): GgufContentTensor => {
		if (zero.has(tensor.name)) return { ...tensor, source: zeros.subarray(0, sizeOf(tensor)) };
		if (one.has(tensor.name)) return { ...tensor, source: ones(sizeOf(tensor)) };
		return tensor;
	};
	return { ...content, tensors: content.tensors.map(changed) };
}

const sizeOf = ({ source }: GgufContentTensor) => (source instanceof Uint8Array ? source.length : source.size);

function ones(bytes: number): Uint8Array {
	return new Uint8Array(new Float32Array(bytes / 4).fill(1).buffer);
}
