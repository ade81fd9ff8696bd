import { partsAt } from "../../game/parts.js";
import type { BlockPlan } from "../../model/architectures/index.js";
import { blockOfTensor, type GgufFile, type GgufTensor } from "../../model/gguf/index.js";

/** What a model without some of its blocks weighs. */
export interface Sizes {
	/** Bytes of the file, but for its header, which changes by a few hundred. */
	readonly bytes: number;
	readonly parameters: number;
}

/** A file, and what belongs to which part of its blocks. */
export interface DividedModel {
	readonly file: Pick<GgufFile, "tensors" | "size">;
	readonly blocks: Pick<BlockPlan, "blocks"> & { readonly view: Pick<BlockPlan["view"], "feedForward"> };
}

/** Bytes of a tensor. */
export const storedBytes = ({ source }: GgufTensor): number => source.size;

const parametersOf = ({ dims }: GgufTensor): number => dims.reduce((product, dim) => product * dim, 1);

/**
 * The weights of each part of each block: block i has its attention part at 2 i, and its feed-forward part at 2 i + 1.
 * @param weigh gives the weight of one tensor
 */
export function partSizes({ file, blocks }: DividedModel, weigh: (tensor: GgufTensor) => number): readonly number[] {
	const parts = new Array<number>(2 * blocks.blocks).fill(0);
	const feedForward = new Set(Array.from({ length: blocks.blocks }, (_, block) => blocks.view.feedForward(block)).flat());
	for (const tensor of file.tensors) {
		const block = blockOfTensor(tensor.name);
		if (block === undefined || block >= blocks.blocks) continue;
		const part = 2 * block + (feedForward.has(tensor.name) ? 1 : 0);
		parts[part] = parts[part]! + weigh(tensor);
	}
	return parts;
}

/**
 * What removed blocks weigh.
 * @param removed i for block i, i + 0.25 for its attention part alone, i + 0.5 for the feed-forward part of block i and the attention part of
 * block i + 1
 */
export function weightOf(parts: readonly number[], removed: readonly number[]): number {
	const weights = (position: number) => {
		const { first, count } = partsAt(position);
		return parts.slice(first, first + count);
	};
	return removed.flatMap(weights).reduce((sum, weight) => sum + weight, 0);
}

/** A function of the blocks that are removed, by the tensors that a header lists. */
export function sizesWithout(model: DividedModel): (removed: readonly number[]) => Sizes {
	const { tensors, size } = model.file;
	const bytes = partSizes(model, storedBytes);
	const parameters = partSizes(model, parametersOf);
	const all = tensors.reduce((sum, tensor) => sum + parametersOf(tensor), 0);
	return (removed) => ({ bytes: size - weightOf(bytes, removed), parameters: all - weightOf(parameters, removed) });
}
