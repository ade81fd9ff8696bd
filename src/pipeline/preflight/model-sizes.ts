import { blockOfTensor, type GgufFile } from "../../model/gguf/index.js";

/** What a model without some of its blocks weighs. */
export interface Sizes {
	/** Bytes of the file, but for its header, which changes by a few hundred. */
	readonly bytes: number;
	readonly parameters: number;
}

/** A function of the blocks that are removed, by the tensors that a header lists. */
export function sizesWithout({ tensors, size }: Pick<GgufFile, "tensors" | "size">): (removed: readonly number[]) => Sizes {
	const bytes = new Map<number, number>();
	const parameters = new Map<number, number>();
	let all = 0;
	for (const { name, dims, source } of tensors) {
		const count = dims.reduce((product, dim) => product * dim, 1);
		all += count;
		const block = blockOfTensor(name);
		if (block === undefined) continue;
		bytes.set(block, (bytes.get(block) ?? 0) + source.size);
		parameters.set(block, (parameters.get(block) ?? 0) + count);
	}
	const gone = (weights: ReadonlyMap<number, number>, removed: readonly number[]) =>
		removed.reduce((sum, block) => sum + (weights.get(block) ?? 0), 0);
	return (removed) => ({ bytes: size - gone(bytes, removed), parameters: all - gone(parameters, removed) });
}
