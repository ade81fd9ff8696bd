// Sets of blocks as the addon takes them.
import { EvaluationError, InvalidMaskError } from "../../errors.js";
import type { BlockVersion } from "./addon.js";
import type { LoadedModel } from "./loaded-model.js";
import { shownText } from "../../storage/shown-text.js";
import { checkTensorValues } from "./tensor-values.js";

/**
 * A set of kept blocks: anything that gives one byte a block, 1 kept and 0 removed (a `Coalition`); 2 + i where the block is kept in
 * the i-th of the versions that are given with the masks.
 */
export interface BlockMask {
	toBytes(): Uint8Array;
}

/** One byte a block, checked. @throws InvalidMaskError for a set that the model cannot run */
export function packMask(model: LoadedModel, mask: BlockMask): Uint8Array {
	const { blocks, architecture } = model.facts;
	const bytes = mask.toBytes();
	if (bytes.length !== blocks) throw new InvalidMaskError(`a mask of ${bytes.length} blocks was given for a model of ${blocks}`);
	const removed = [...bytes.keys()].filter((block) => bytes[block] === 0);
	const problem = problemOf(model, removed);
	if (problem) throw new InvalidMaskError(`blocks ${removed.join(", ")} cannot be removed from ${shownText(architecture)}: ${problem}`);
	return bytes;
}

/** The empty set is no file, but has a value: the head alone, run through a block made the identity. */
function problemOf({ blocks, facts }: LoadedModel, removed: number[]): string | undefined {
	if (removed.length === 0) return undefined;
	if (removed.length < facts.blocks || blocks.support === "refused") return blocks.check(removed);
	return blocks.view.empty.length > 0 ? undefined : "no block can be made the identity";
}

/** @throws InvalidMaskError where a mask names a version that the block has not, EvaluationError for one of a tensor that is not the block's */
export function checkVersions(masks: Uint8Array, { facts, file }: LoadedModel, versions: readonly BlockVersion[]): void {
	for (const { block, matrices } of versions) {
		for (const { name, type, bytes } of matrices) {
			const tensor = name.startsWith(`blk.${block}.`) ? file.tensor(name) : undefined;
			if (!tensor) throw new EvaluationError(`a version of block ${block} has a matrix ${name}, which that block has not`);
			checkTensorValues(name, tensor.dims, { type, bytes });
		}
	}
	for (const [i, byte] of masks.entries()) {
		const block = i % facts.blocks;
		if (byte >= 2 && versions[byte - 2]?.block !== block)
			throw new InvalidMaskError(`a mask names version ${byte - 2} of block ${block}, which was not given`);
	}
}
